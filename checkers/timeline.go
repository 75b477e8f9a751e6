package checkers

import (
	"slices"
	"sort"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// stretch is a part of the run's clock, its ends included.
type stretch struct{ begin, end int64 }

// overlaps tells whether an operation was under way at some instant of it.
func (s stretch) overlaps(op *history.Op) bool { return from(op) <= s.end && s.begin <= until(op) }

// timeline is what the events tell of a run.
type timeline struct {
	measured stretch
	windows  []history.Window
	active   []stretch // when some fault was in force: disjoint, in order
	events   []history.Event
}

// newTimeline reads a log's events. A log without phases was measured as long
// as its load lasted.
func newTimeline(log *history.Log) *timeline {
	t := &timeline{windows: log.Windows(), events: slices.Clone(log.Events)}
	slices.SortStableFunc(t.events, func(a, b history.Event) int {
		if a.At < b.At {
			return -1
		}
		if a.At > b.At {
			return 1
		}
		return 0
	})
	begin, end, ok := log.MeasureSpan()
	if !ok {
		begin, end = log.ClientSpan()
	}
	t.measured = stretch{begin, max(begin, end)}
	for _, w := range t.windows {
		if n := len(t.active); n > 0 && w.Begin <= t.active[n-1].end {
			t.active[n-1].end = max(t.active[n-1].end, w.End)
			continue
		}
		t.active = append(t.active, stretch{w.Begin, w.End})
	}
	return t
}

// moment is where an operation stands to the faults.
type moment uint8

const (
	beforeFaults moment = iota // it ended before the first fault
	duringFault                // some fault was in force while it was under way
	afterFaults                // neither
	moments      = 3
)

func (t *timeline) moment(op *history.Op) moment {
	if len(t.active) == 0 || until(op) < t.active[0].begin {
		return beforeFaults
	}
	i := sort.Search(len(t.active), func(i int) bool { return t.active[i].end >= from(op) })
	if i < len(t.active) && t.active[i].overlaps(op) {
		return duringFault
	}
	return afterFaults
}

// outages are the faults that can take a primary away and hit the node that
// was the primary when they took effect, as far as the events tell.
func (t *timeline) outages() []history.Window {
	var all []history.Window
	for _, w := range t.windows {
		kind, _, _ := strings.Cut(w.Name, " ")
		if !slices.Contains([]string{"kill", "stop", "pause", "partition"}, kind) {
			continue
		}
		if primary := t.primary(w.Begin); primary != "" && slices.Contains(w.Nodes, primary) {
			all = append(all, w)
		}
	}
	return all
}

// primary is the node that had last become the primary before a time: the one
// of the greatest epoch, and of one epoch the latest.
func (t *timeline) primary(before int64) string {
	node, epoch := "", uint64(0)
	for i := range t.events {
		e := &t.events[i]
		if e.At > before {
			break
		}
		became := e.Kind == history.EventFailover || e.Kind == history.EventRole && e.Detail == "primary"
		if became && (node == "" || e.Epoch >= epoch) {
			node, epoch = e.Node, e.Epoch
		}
	}
	return node
}
