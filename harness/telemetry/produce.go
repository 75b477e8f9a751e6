package telemetry

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/aftershock-chaos/aftershock/harness/metrics"
)

// Produce implements metric.Producer: what was counted is counted already.
func (e *Exporter) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	m := e.now.Load()
	if m == nil {
		return nil, nil
	}
	at := times{m.Began, time.Now()}
	plan := attribute.String("plan", m.Plan)
	list := []metricdata.Metrics{
		{Name: "aftershock.operations", Unit: "{operation}", Description: "Operations of the load that ended, warm-up included.", Data: at.operations(m, plan)},
		{Name: "aftershock.operation.latency", Unit: "s", Description: "Intended start to answer of the acknowledged operations.", Data: at.latency(m, plan)},
	}
	add := func(name, unit, description string, points []metricdata.DataPoint[float64]) {
		if len(points) > 0 {
			list = append(list, metricdata.Metrics{Name: name, Unit: unit, Description: description, Data: metricdata.Gauge[float64]{DataPoints: points}})
		}
	}
	var lag, faults, roles []metricdata.DataPoint[float64]
	for _, l := range m.Lag {
		lag = append(lag, at.point(l.Seconds, plan, attribute.String("node", l.Node)))
	}
	for _, f := range m.Faults {
		id, kind, _ := strings.Cut(f, " ")
		faults = append(faults, at.point(1, plan, attribute.String("fault", id), attribute.String("kind", kind)))
	}
	for _, r := range m.Roles {
		roles = append(roles, at.point(1, plan, attribute.String("node", r.Node), attribute.String("role", r.Name())))
	}
	add("aftershock.replication.lag", "s", "Age of the oldest acknowledged marker that the replica has not shown yet.", lag)
	add("aftershock.fault.in_force", "1", "1 while a fault is in force.", faults)
	add("aftershock.node.role", "1", "1 of the role that clients see a node in.", roles)
	add("aftershock.phase", "1", "1 of the phase that the run is in.", []metricdata.DataPoint[float64]{at.point(1, plan, attribute.String("phase", m.Phase))})
	return []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: "aftershock"}, Metrics: list}}, nil
}

// times are when counting began and when it is.
type times struct{ began, now time.Time }

func (t times) point(value float64, attributes ...attribute.KeyValue) metricdata.DataPoint[float64] {
	return metricdata.DataPoint[float64]{Attributes: attribute.NewSet(attributes...), Time: t.now, Value: value}
}

func (t times) operations(m *Moment, plan attribute.KeyValue) metricdata.Sum[int64] {
	sum := metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
	for _, n := range m.Ops {
		sum.DataPoints = append(sum.DataPoints, metricdata.DataPoint[int64]{StartTime: t.began, Time: t.now, Value: int64(n.N),
			Attributes: attribute.NewSet(plan, attribute.String("kind", n.Kind), attribute.String("outcome", n.Outcome), attribute.String("node", n.Node))})
	}
	return sum
}

// latency is the histograms as they are: Prometheus' native buckets are those of
// OpenTelemetry, of which each has the number of the one below.
func (t times) latency(m *Moment, plan attribute.KeyValue) metricdata.ExponentialHistogram[float64] {
	all := metricdata.ExponentialHistogram[float64]{Temporality: metricdata.CumulativeTemporality}
	for i := range m.Latency {
		h := &m.Latency[i]
		point := metricdata.ExponentialHistogramDataPoint[float64]{StartTime: t.began, Time: t.now, Sum: h.Sum, Scale: metrics.Schema,
			Attributes:     attribute.NewSet(plan, attribute.String("kind", h.Kind)),
			PositiveBucket: metricdata.ExponentialBucket{Offset: int32(h.First - 1), Counts: h.Buckets}}
		for _, n := range h.Buckets {
			point.Count += n
		}
		all.DataPoints = append(all.DataPoints, point)
	}
	return all
}
