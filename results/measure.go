package results

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	allcheckers "github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/history"
)

// Measured is everything that a log yields before any claim is judged.
type Measured struct {
	Values    []checkers.Value // by name
	Findings  []checkers.Finding
	Latency   []checkers.LatencyRow
	Lag       []LagRow
	ServerLag []ServerLagRow
	LagNotes  []string        // where told and seen lag differ
	Lost      []checkers.Loss // acknowledged writes that are gone, as far as it is known which

	Stale     []checkers.StaleSample // every stale read, in order of the log
	Staleness []checkers.StaleReads
	Isolation *checkers.Isolation // nil: there were no transactions on lists

	Faults []Fault
	Phases []Span // the run's phases, in order
	Counts Counts
	Course *Course // nil: no times were told

	begin, end int64 // of the measured phase
}

// Counts says how much history there is.
type Counts struct {
	Ops     int  `json:"ops"`
	OK      int  `json:"ok"`
	Fail    int  `json:"fail"`
	Unknown int  `json:"unknown"`
	Final   int  `json:"final_reads"`
	Acked   int  `json:"acknowledged_measured"` // what Gates count
	Torn    bool `json:"torn"`
}

// LagRow is one replica's replication lag, from acknowledgement to visibility,
// in nanoseconds. The row of an empty node is that of all replicas. A
// percentile that is a marker never seen has no value.
type LagRow struct {
	Node   string `json:"node,omitempty"`
	P50    *int64 `json:"p50_ns"`
	P99    *int64 `json:"p99_ns"`
	Max    *int64 `json:"max_ns"`
	Unseen int64  `json:"unseen"` // acknowledged markers that never became visible
	// Before is the greatest lag before the first fault took effect, as far as it had
	// grown then, or of the whole measured phase where there was none; nil: no marker tells.
	Before *int64 `json:"max_before_ns,omitempty"`
}

// Measure runs every checker on the log and adds the facts of latency and of
// the faults themselves. What a cancelled ctx or a limit cuts short is unknown.
// A log on disk is judged by a checkers.Pass, in about so many bytes of memory;
// nothing that is measured then counts if ctx has ended, or log.Err is not nil.
func Measure(ctx context.Context, log *history.Log, limits checkers.Limits, memory uint64) *Measured {
	if !log.OnDisk() {
		return MeasureFound(log, allcheckers.Run(ctx, log, limits))
	}
	pass, t, read := allcheckers.NewPass(log, limits, memory), newTally(log), 0
	for op := range log.All() {
		if read++; read%passCheck == 0 {
			if ctx.Err() != nil {
				break
			}
			checkers.Tell(ctx, allcheckers.Reading*float64(read)/float64(max(read, log.Len())))
		}
		pass.Add(op)
		t.add(op)
	}
	return t.measured(log, pass.Run(ctx))
}

// passCheck is how many operations pass between two looks at the context, and words of progress.
const passCheck = 1 << 16

// MeasureFound adds this package's facts to what the checkers found.
func MeasureFound(log *history.Log, found checkers.Result) *Measured {
	t := newTally(log)
	for i := range log.Ops {
		t.add(&log.Ops[i])
	}
	return t.measured(log, found)
}

// tally is what one pass over a log's operations measures.
type tally struct {
	line   *timeline
	load   bool // the log has load
	counts Counts
	course *Course
	asked  asked
	unmet  []*Fault // of which more is to be known, by At
}

func newTally(log *history.Log) *tally {
	line := newTimeline(log)
	t := &tally{line: line, load: hasLoad(log), counts: Counts{Torn: log.Torn}}
	if log.Doubts.Times == "" {
		t.course = newCourse(line.last)
	}
	for i := range line.faults {
		t.unmet = append(t.unmet, &line.faults[i])
	}
	slices.SortStableFunc(t.unmet, func(a, b *Fault) int { return cmp.Compare(a.At, b.At) })
	return t
}

func (t *tally) add(op *history.Op) {
	phase := t.line.Phase(op)
	t.counts.add(op, phase, t.load)
	t.asked.add(op)
	if IsLoad(op) == t.load {
		t.touch(op)
		t.course.add(op)
	}
}

// touch notes which faults an operation tells something of. Operations come in
// order of start.
func (t *tally) touch(op *history.Op) {
	for i := 0; i < len(t.unmet) && t.unmet[i].At <= max(op.Start, op.End); i++ {
		f := t.unmet[i]
		f.met = f.met || touches(op, f)
		f.answered = f.answered || op.Outcome != history.Unknown && op.Error != history.ErrNoTarget && f.At <= op.End && (op.End <= f.End || f.afterwards())
		if f.met && f.answered || op.Start > f.End && (f.met || !f.afterwards()) {
			t.unmet = slices.Delete(t.unmet, i, i+1)
			i--
		}
	}
}

func (t *tally) measured(log *history.Log, found checkers.Result) *Measured {
	m := &Measured{
		Lost: found.Lost, Stale: found.Stale, Staleness: found.Staleness, Isolation: found.Isolation,
		Faults: t.line.faults, Phases: t.line.spans, Counts: t.counts, Course: t.course, begin: t.line.begin, end: t.line.end,
	}
	m.Latency = found.Latency
	m.Findings = found.Findings
	m.Values = append(m.Values, found.Values...)
	for i := range m.Values {
		m.Values[i] = finite(m.Values[i])
	}
	t.asked.unasked(m.Values, log.Meta.Nodes)
	distrust(m.Values, log)
	slices.SortStableFunc(m.Values, func(a, b checkers.Value) int { return strings.Compare(a.Name, b.Name) })
	m.Lag = lagRows(log.Meta.Nodes, m.ByName())
	m.addLagBefore(log)
	m.addServerLag(log)
	return m
}

// ByName indexes the values.
func (m *Measured) ByName() map[string]checkers.Value { return byName(m.Values) }

func byName(values []checkers.Value) map[string]checkers.Value {
	index := make(map[string]checkers.Value, len(values))
	for _, v := range values {
		index[v.Name] = v
	}
	return index
}

// IsLoad tells whether an operation belongs to a workload whose operations
// count as load; the lag workload's markers and polls do not.
func IsLoad(op *history.Op) bool { return op.Load() }

func hasLoad(log *history.Log) bool {
	return slices.ContainsFunc(log.Meta.Workloads, func(w history.WorkloadMeta) bool { return w.ActsOn() != history.ObjectMarker })
}

func (c *Counts) add(op *history.Op, phase checkers.Phase, load bool) {
	if op.Flags&history.Part != 0 || op.Error == history.ErrUntold {
		return // its scan is counted, or it may never have been sent
	}
	c.Ops++
	switch op.Outcome {
	case history.OK:
		c.OK++
	case history.Fail:
		c.Fail++
	default:
		c.Unknown++
	}
	if op.Final() {
		c.Final++
	}
	if op.Outcome == history.OK && IsLoad(op) == load && phase.Measured() {
		c.Acked++
	}
}

// lagRows collects the lag checker's values by node, all replicas first.
func lagRows(nodes []string, values map[string]checkers.Value) []LagRow {
	var rows []LagRow
	for i := -1; i < len(nodes); i++ {
		prefix, row := "lag.", LagRow{}
		if i >= 0 {
			prefix, row.Node = "lag."+nodes[i]+".", nodes[i]
		}
		row.P50, row.P99, row.Max = nanosOf(values, prefix+"p50"), nanosOf(values, prefix+"p99"), nanosOf(values, prefix+"max")
		if unseen := nanosOf(values, prefix+"unseen"); unseen != nil {
			row.Unseen = *unseen
		}
		if row.P50 != nil || row.Unseen > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// nanosOf is a fact's value; nil if it is unknown.
func nanosOf(values map[string]checkers.Value, name string) *int64 {
	v, ok := values[name]
	if !ok || !v.Known {
		return nil
	}
	n := int64(v.N)
	return &n
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
