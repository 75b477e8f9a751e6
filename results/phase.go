package results

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// Phase is the part of a run that an operation belongs to, by the time at
// which it was intended.
type Phase string

// The phases of a run.
const (
	PhaseWarmup Phase = "warmup"
	PhaseBefore Phase = "before" // measured, before the first fault
	PhaseDuring Phase = "during" // measured, some fault was active
	PhaseAfter  Phase = "after"  // measured, no fault was active any more
	PhaseSettle Phase = "settle" // after the measured phase
	PhaseFinal  Phase = "final"  // final reads
)

// measuredPhases are those that facts are measured in.
var measuredPhases = [...]Phase{PhaseBefore, PhaseDuring, PhaseAfter}

// Span is a part of the run's clock, in nanoseconds.
type Span struct {
	Name  string `json:"name"`
	Begin int64  `json:"begin_ns"`
	End   int64  `json:"end_ns"`
}

// Fault is one fault of a run: what was planned and what happened. Times are
// nanoseconds of the run's clock.
type Fault struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"` // kill, stop, pause, restart, partition
	What      string   `json:"what,omitempty"`
	Victims   []string `json:"victims"`
	Planned   int64    `json:"planned_ns"`
	At        int64    `json:"at_ns"`        // when it took effect
	End       int64    `json:"end_ns"`       // when it was healed, or the log ends
	Precision int64    `json:"precision_ns"` // At − Planned of its least punctual victim
	Healed    bool     `json:"healed"`
	Dropped   uint64   `json:"dropped,omitempty"` // packets, of a partition
	Executed  bool     `json:"executed"`          // took effect on some victim
	Error     string   `json:"error,omitempty"`   // why it did not, or not everywhere

	met bool // some operation was in flight, see inFlight
}

// timeline is what the events tell of a run's order.
type timeline struct {
	spans  []Span // in order
	begin  int64  // of the measured phase
	end    int64  // of the measured phase
	last   int64  // the greatest time known
	faults []Fault
	active []Span // when some fault was active: disjoint, in order
}

// newTimeline reads a log's events. Without phase events everything that is
// not warm-up counts as measured.
func newTimeline(log *history.Log) *timeline {
	t := &timeline{begin: math.MinInt64, end: math.MaxInt64, last: log.End()}
	if begin, end, ok := log.MeasureSpan(); ok {
		t.begin, t.end = begin, end
	}
	events := slices.Clone(log.Events)
	slices.SortStableFunc(events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
	t.spans = spansOf(events, t.last)
	windows := log.Windows()
	t.faults = faultsOf(events, windows)
	t.active = union(windows)
	return t
}

// spansOf lists the phases; each lasts until the next begins.
func spansOf(events []history.Event, last int64) []Span {
	var spans []Span
	for i := range events {
		if e := &events[i]; e.Kind == history.EventPhase {
			if n := len(spans); n > 0 {
				spans[n-1].End = e.At
			}
			spans = append(spans, Span{Name: e.Detail, Begin: e.At, End: max(last, e.At)})
		}
	}
	return spans
}

// of tells an operation's phase.
func (t *timeline) of(op *history.Op) Phase {
	switch {
	case op.Final():
		return PhaseFinal
	case op.Flags&history.Warmup != 0:
		return PhaseWarmup
	}
	return t.at(op.Intended)
}

// at tells the phase at a time.
func (t *timeline) at(ns int64) Phase {
	switch {
	case ns < t.begin:
		return PhaseWarmup
	case ns >= t.end:
		return PhaseSettle
	case len(t.active) == 0 || ns < t.active[0].Begin:
		return PhaseBefore
	}
	i := sort.Search(len(t.active), func(i int) bool { return t.active[i].End > ns })
	if i < len(t.active) && t.active[i].Begin <= ns {
		return PhaseDuring
	}
	return PhaseAfter
}

// faultsOf gathers the fault events, which must be in order, those that failed
// included, and their windows. A fault with several events took effect on its
// victims at different instants.
func faultsOf(events []history.Event, windows []history.Window) []Fault {
	var faults []Fault
	for i := range events {
		e := &events[i]
		at := indexFault(faults, e.Fault)
		switch {
		case e.Kind == history.EventFault && at < 0:
			faults = append(faults, Fault{ID: e.Fault, Kind: e.Name, Planned: e.Planned, At: e.At, End: e.At})
			faults[len(faults)-1].add(e)
		case e.Kind == history.EventFault:
			faults[at].add(e)
		case e.Kind == history.EventHeal && at >= 0:
			faults[at].heal(e)
		}
	}
	for i := range windows {
		w := &windows[i]
		if at := indexFault(faults, w.Fault); at >= 0 {
			faults[at].End, faults[at].Healed = w.End, w.Healed
		}
	}
	return faults
}

// title is the fault's kind and what it is in words, which may begin with the
// kind: "kill primary".
func (f *Fault) title() string {
	if strings.HasPrefix(f.What, f.Kind) {
		return f.What
	}
	return strings.TrimSpace(f.Kind + " " + f.What)
}

func (f *Fault) add(e *history.Event) {
	if e.Failed {
		if f.Error == "" {
			f.Error = e.Detail
		}
		if f.Error == "" {
			f.Error = "it could not be put into effect"
		}
		return
	}
	if !f.Executed {
		f.Executed, f.At, f.What = true, e.At, e.Detail
	}
	if off := e.At - e.Planned; e.Planned != 0 && abs(off) > abs(f.Precision) {
		f.Precision = off
	}
	for _, n := range victims(e) {
		if !slices.Contains(f.Victims, n) {
			f.Victims = append(f.Victims, n)
		}
	}
}

func (f *Fault) heal(e *history.Event) {
	f.Dropped += e.Dropped
	if e.Failed && f.Error == "" {
		f.Error = strings.TrimSpace("not healed: " + e.Detail)
	}
}

func victims(e *history.Event) []string {
	if len(e.Nodes) == 0 && e.Node != "" {
		return []string{e.Node}
	}
	return e.Nodes
}

// union is when some fault was active.
func union(windows []history.Window) []Span {
	var spans []Span
	for i := range windows { // in order of Begin
		w := &windows[i]
		if n := len(spans); n > 0 && w.Begin <= spans[n-1].End {
			spans[n-1].End = max(spans[n-1].End, w.End)
			continue
		}
		spans = append(spans, Span{Begin: w.Begin, End: w.End})
	}
	return spans
}

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}
