package kit

import (
	"math"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
)

// Stretch is a part of the run's clock, its ends included.
type Stretch struct{ Begin, End int64 }

// Timeline is what the events tell of a run.
type Timeline struct {
	Measured  Stretch
	phased    bool // the log tells when it was measured
	Windows   []history.Window
	active    []Stretch // when some fault was in force: disjoint, in order
	primaries Primaries
}

// ToEnd is all that comes before the measured phase is over.
func (t *Timeline) ToEnd() Stretch { return Stretch{math.MinInt64, t.Measured.End} }

// NewTimeline reads a log's events. A log without phases was measured as long
// as its load lasted.
func NewTimeline(log *history.Log) *Timeline {
	t := &Timeline{Windows: log.Windows(), primaries: PrimariesOf(log.Events)}
	begin, end, ok := log.MeasureSpan()
	if !ok {
		begin, end = log.ClientSpan()
	}
	t.Measured, t.phased = Stretch{begin, max(begin, end)}, ok
	for _, w := range t.Windows {
		if n := len(t.active); n > 0 && w.Begin <= t.active[n-1].End {
			t.active[n-1].End = max(t.active[n-1].End, w.End)
			continue
		}
		t.active = append(t.active, Stretch{w.Begin, w.End})
	}
	return t
}

// Phase tells an operation's phase; see checkers.Phase for the rule. In a log
// without phases everything that is not warm-up counts as measured.
func (t *Timeline) Phase(op *history.Op) checkers.Phase {
	switch {
	case op.Final():
		return checkers.PhaseFinal
	case op.Flags&history.Warmup != 0 || t.phased && op.Intended < t.Measured.Begin:
		return checkers.PhaseWarmup
	case t.phased && op.Intended >= t.Measured.End:
		return checkers.PhaseSettle
	}
	return moments[t.Moment(op)]
}

// At tells the phase of an instant.
func (t *Timeline) At(ns int64) checkers.Phase {
	return t.Phase(&history.Op{Intended: ns, Start: ns, End: ns})
}

// Moment is where an operation stands to the faults.
type Moment uint8

const (
	BeforeFaults Moment = iota // it ended before the first fault
	DuringFault                // some fault was in force while it waited or was under way
	AfterFaults                // neither
	Moments      = 3
)

var moments = [Moments]checkers.Phase{BeforeFaults: checkers.PhaseBefore, DuringFault: checkers.PhaseDuring, AfterFaults: checkers.PhaseAfter}

// Moment tells whether a fault was in force between an operation's intended
// start and its end, both included. The faults' stretches are disjoint and in
// order, so the first that ends no earlier than the operation was intended is
// the only one to look at.
func (t *Timeline) Moment(op *history.Op) Moment {
	if len(t.active) == 0 || Until(op) < t.active[0].Begin {
		return BeforeFaults
	}
	begin := min(op.Intended, From(op))
	i := sort.Search(len(t.active), func(i int) bool { return t.active[i].End >= begin })
	if i < len(t.active) && t.active[i].Begin <= Until(op) {
		return DuringFault
	}
	return AfterFaults
}

// Outages are the faults that can take a primary away and hit the node that
// was the primary when they took effect, as far as the events tell.
func (t *Timeline) Outages() []history.Window {
	var all []history.Window
	for _, w := range t.Windows {
		if kind, _ := faults.Lookup(history.FaultKind(w.Name)); !kind.Outage {
			continue
		}
		if primary := t.primaries.At(w.Begin); primary != "" && slices.Contains(w.Nodes, primary) {
			all = append(all, w)
		}
	}
	return all
}
