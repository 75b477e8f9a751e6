package results

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
)

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
	Name      string   `json:"kind"` // what the events call it, see history.FaultName
	What      string   `json:"what,omitempty"`
	Victims   []string `json:"victims"`
	Planned   int64    `json:"planned_ns"`
	At        int64    `json:"at_ns"`        // when it took effect
	End       int64    `json:"end_ns"`       // when it was healed, or the log ends
	Precision int64    `json:"precision_ns"` // At − Planned of its least punctual victim
	Healed    bool     `json:"healed"`
	Dropped   uint64   `json:"dropped,omitempty"` // packets, of a partition
	// Counts is what was seen of it besides, by the words of who counted it.
	Counts   map[string]uint64 `json:"counts,omitempty"`
	Executed bool              `json:"executed"`        // took effect on some victim
	Error    string            `json:"error,omitempty"` // why it did not, or not everywhere

	met      bool // some operation touched it, see touches
	answered bool // some operation was answered while it was in force
}

// timeline is what the events tell of a run's order: whether a fault touched an
// operation, as all facts have it, and what a verdict shows besides.
type timeline struct {
	*kit.Timeline
	spans  []Span // in order
	begin  int64  // of the measured phase
	end    int64  // of the measured phase
	last   int64  // the greatest time known
	faults []Fault
}

// newTimeline reads a log's events.
func newTimeline(log *history.Log) *timeline {
	t := &timeline{Timeline: kit.NewTimeline(log), begin: math.MinInt64, end: math.MaxInt64, last: log.End()}
	if begin, end, ok := log.MeasureSpan(); ok {
		t.begin, t.end = begin, end
	}
	events := slices.Clone(log.Events)
	slices.SortStableFunc(events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
	t.spans = spansOf(events, t.last)
	t.faults = faultsOf(events, t.Windows)
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

// faultsOf gathers the fault events, which must be in order, those that failed
// included, and their windows. A fault with several events took effect on its
// victims at different instants.
func faultsOf(events []history.Event, windows []history.Window) []Fault {
	var all []Fault
	for i := range events {
		e := &events[i]
		at := indexFault(all, e.Fault)
		switch {
		case e.Kind == history.EventFault && at < 0:
			all = append(all, Fault{ID: e.Fault, Name: e.Name, Planned: e.Planned, At: e.At, End: e.At})
			all[len(all)-1].add(e)
		case e.Kind == history.EventFault:
			all[at].add(e)
		case e.Kind == history.EventHeal && at >= 0:
			all[at].heal(e)
		}
	}
	for i := range windows {
		w := &windows[i]
		if at := indexFault(all, w.Fault); at >= 0 {
			all[at].End, all[at].Healed = w.End, w.Healed
		}
	}
	return all
}

// Kind is the name of the fault's kind: "partition" of "partition isolate".
func (f *Fault) Kind() string { return history.FaultKind(f.Name) }

// Title is the fault's name and what it is in words, which may begin with the
// name: "kill primary".
func (f *Fault) Title() string {
	if strings.HasPrefix(f.What, f.Name) {
		return f.What
	}
	return strings.TrimSpace(f.Name + " " + f.What)
}

// Brief is the title as short as the fault's kind can say it.
func (f *Fault) Brief() string {
	kind, _ := faults.Lookup(f.Kind())
	return kind.Brief(f.Title())
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
	if off := e.At - e.Planned; e.Planned != 0 && Abs(off) > Abs(f.Precision) {
		f.Precision = off
	}
	f.Counts = faults.AddCounts(f.Counts, e.Counts)
	for _, n := range victims(e) {
		if !slices.Contains(f.Victims, n) {
			f.Victims = append(f.Victims, n)
		}
	}
}

func (f *Fault) heal(e *history.Event) {
	f.Dropped += e.Dropped
	f.Counts = faults.AddCounts(f.Counts, e.Counts)
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

// Abs is the distance from zero.
func Abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}
