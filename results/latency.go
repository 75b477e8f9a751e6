package results

import (
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// The histograms' range and precision; a latency above the range counts as its
// end.
const (
	lowestLatency  = int64(time.Microsecond)
	highestLatency = int64(time.Hour)
	latencyDigits  = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(lowestLatency, highestLatency, latencyDigits)
}

// clampLatency brings a duration into the histograms' range.
func clampLatency(ns int64) int64 { return min(max(ns, 0), highestLatency) }

// since is a difference of two readings that cannot overflow.
func since(end, begin int64) int64 {
	d := end - begin
	if (d < 0) != (end < begin) {
		if end < begin {
			return math.MinInt64
		}
		return math.MaxInt64
	}
	return d
}

// distribution is a histogram that also knows its exact maximum.
type distribution struct {
	h   *hdrhistogram.Histogram
	max int64
}

func (d *distribution) record(ns int64) {
	if d.h == nil {
		d.h = newHistogram()
	}
	ns = clampLatency(ns)
	d.max = max(d.max, ns)
	// A clamped value is always in range.
	_ = d.h.RecordValue(ns)
}

func (d *distribution) merge(from *distribution) {
	if from.h == nil {
		return
	}
	if d.h == nil {
		d.h = newHistogram()
	}
	d.h.Merge(from.h)
	d.max = max(d.max, from.max)
}

func (d *distribution) count() int64 {
	if d.h == nil {
		return 0
	}
	return d.h.TotalCount()
}

// at is the value at a percentile (0 to 100). The histogram gives the upper
// end of a bucket, which is not allowed to exceed the maximum.
func (d *distribution) at(percent float64) int64 {
	if d.h == nil {
		return 0
	}
	if percent >= 100 {
		return d.max
	}
	return min(d.h.ValueAtPercentile(percent), d.max)
}

// latencies are the measured latencies of acknowledged load operations.
type latencies struct {
	cells [history.Kinds][len(measuredPhases)]distribution
	tried [history.Kinds]bool // some operation of the kind was measured
	late  distribution
}

// take takes an operation of a phase.
func (l *latencies) take(op *history.Op, phase Phase) {
	if !isLoad(op) || !measured(phase) {
		return
	}
	if phase == PhaseBefore {
		l.late.record(since(op.Start, op.Intended))
	}
	l.tried[op.Kind] = true
	if op.Outcome == history.OK {
		l.cells[op.Kind][phaseIndex(phase)].record(since(op.End, op.Intended))
	}
}

func phaseIndex(p Phase) int {
	switch p {
	case PhaseBefore:
		return 0
	case PhaseDuring:
		return 1
	}
	return 2
}

func (l *latencies) kind(k history.Kind) *distribution {
	var all distribution
	for p := range l.cells[k] {
		all.merge(&l.cells[k][p])
	}
	return &all
}

// rows lists each measured kind, then its phases.
func (l *latencies) rows() []LatencyRow {
	var rows []LatencyRow
	for _, k := range loadKinds {
		if all := l.kind(k); all.count() > 0 {
			rows = append(rows, latencyRow(k.String(), "", all))
		}
		for p, phase := range measuredPhases {
			if cell := &l.cells[k][p]; cell.count() > 0 {
				rows = append(rows, latencyRow(k.String(), phase, cell))
			}
		}
	}
	return rows
}

func latencyRow(kind string, phase Phase, d *distribution) LatencyRow {
	return LatencyRow{
		Kind: kind, Phase: phase, Count: d.count(),
		P50: d.at(50), P90: d.at(90), P99: d.at(99), P999: d.at(99.9), Max: d.at(100),
	}
}

// values are the latency facts of every kind that was measured.
func (l *latencies) values() []checkers.Value {
	var values []checkers.Value
	var total distribution
	for _, k := range loadKinds {
		if !l.tried[k] {
			continue
		}
		all := l.kind(k)
		total.merge(all)
		for _, p := range percentiles {
			values = append(values, all.value(fmt.Sprintf("latency.%s.%s", k, p.name), p.percent,
				fmt.Sprintf("no measured %s was acknowledged", k)))
		}
		for i, phase := range measuredPhases {
			values = append(values, l.cells[k][i].value(fmt.Sprintf("latency.%s.%s.p99", k, phase), 99,
				fmt.Sprintf("no %s that was intended %s was acknowledged", k, phaseWords(phase))))
		}
	}
	for _, p := range percentiles {
		values = append(values, total.value("latency."+p.name, p.percent, "no measured operation was acknowledged"))
	}
	return append(values, l.late.value("ops.late.p99", 99, "no operation was measured before the first fault"))
}

func phaseWords(p Phase) string {
	switch p {
	case PhaseBefore:
		return "before the first fault"
	case PhaseDuring:
		return "while a fault was active"
	}
	return "after the faults"
}

func (d *distribution) value(name string, percent float64, why string) checkers.Value {
	if d.count() == 0 {
		return checkers.Value{Name: name, Why: why}
	}
	return checkers.Value{Name: name, N: float64(d.at(percent)), Known: true}
}

// finite makes a value that is no number unknown: JSON has no word for it.
func finite(v checkers.Value) checkers.Value {
	if math.IsNaN(v.N) || math.IsInf(v.N, 0) {
		if v.Known {
			v.Why = "the measurement is not a number"
		}
		v.N, v.Known = 0, false
	}
	return v
}
