// Package telemetry sends a living run to an OpenTelemetry collector: the numbers
// that package metrics has as metrics, and the run, its phases and its faults as spans.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/aftershock-chaos/aftershock/harness/metrics"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

const (
	every    = time.Second            // metrics are sent, and spans that have ended
	sendTime = 2 * time.Second        // for one request; there is no second try
	stopTime = 3 * time.Second        // for what is left when the runs are over
	lostTime = 200 * time.Millisecond // for that where the collector took nothing before
)

// Moment is what an Exporter sends.
type Moment struct {
	metrics.Moment
	Run    string          // its name
	Began  time.Time       // when the run's clock read 0
	Events []history.Event // since the last moment
}

// Exporter sends runs. Nothing that it does waits for the collector but Close, and
// that not for long.
type Exporter struct {
	now     atomic.Pointer[Moment]
	spans   spans
	failed  atomic.Bool
	metrics *metric.MeterProvider
	traces  *trace.TracerProvider
}

// New sends to an endpoint for OTLP over HTTP, such as http://127.0.0.1:4318, to which
// v1/metrics and v1/traces are added; what else there is to set, such as headers, is taken
// from the environment's OTEL_EXPORTER_OTLP_*. The first error of sending is given to
// warn. Errors wrap ErrInput.
func New(endpoint string, warn func(error)) (*Exporter, error) {
	base, err := parse(endpoint)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	toMetrics, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(base.JoinPath("v1", "metrics").String()),
		otlpmetrichttp.WithTimeout(sendTime), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
	if err != nil {
		return nil, fmt.Errorf("%w: --otlp: %w", failure.ErrInput, err)
	}
	toTraces, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base.JoinPath("v1", "traces").String()),
		otlptracehttp.WithTimeout(sendTime), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	if err != nil {
		return nil, fmt.Errorf("%w: --otlp: %w", failure.ErrInput, errors.Join(err, toMetrics.Shutdown(ctx)))
	}
	e := &Exporter{}
	told := func(err error) {
		if !e.failed.Swap(true) {
			warn(fmt.Errorf("--otlp: %s does not take what is sent, the run goes on without: %w", spelling.Short(base.Redacted()), err))
		}
	}
	of := resource.NewSchemaless(attribute.String("service.name", "aftershock"))
	reader := metric.NewPeriodicReader(quietMetrics{toMetrics, told}, metric.WithInterval(every), metric.WithTimeout(sendTime), metric.WithProducer(e))
	e.metrics = metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(of))
	e.traces = trace.NewTracerProvider(trace.WithResource(of), trace.WithBatcher(quietTraces{toTraces, told}, trace.WithBatchTimeout(every), trace.WithExportTimeout(sendTime)))
	e.spans.tracer = e.traces.Tracer("aftershock")
	return e, nil
}

// parse reads an endpoint.
func parse(endpoint string) (*url.URL, error) {
	text := endpoint
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("%w: --otlp cannot be %q; name where a collector takes OTLP over HTTP, like http://127.0.0.1:4318", failure.ErrInput, spelling.Short(endpoint))
	}
	return base, nil
}

// Show takes the newest moment. It is called from one goroutine.
func (e *Exporter) Show(m Moment) {
	if e == nil {
		return
	}
	e.spans.follow(&m)
	if m.Snapshot != nil {
		m.Events = nil
		e.now.Store(&m)
	}
}

// Close sends what is left.
func (e *Exporter) Close() {
	if e == nil {
		return
	}
	e.spans.end()
	patience := stopTime
	if e.failed.Load() {
		patience = lostTime
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var both sync.WaitGroup // errors were told as they came
	both.Go(func() { _ = e.metrics.Shutdown(ctx) })
	both.Go(func() { _ = e.traces.Shutdown(ctx) })
	both.Wait()
}

// quietMetrics and quietTraces tell the first error, and not everybody each.
type quietMetrics struct {
	metric.Exporter
	told func(error)
}

// Export implements metric.Exporter.
func (q quietMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	if err := q.Exporter.Export(ctx, m); err != nil {
		q.told(err)
	}
	return nil
}

type quietTraces struct {
	trace.SpanExporter
	told func(error)
}

// ExportSpans implements trace.SpanExporter.
func (q quietTraces) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	if err := q.SpanExporter.ExportSpans(ctx, spans); err != nil {
		q.told(err)
	}
	return nil
}
