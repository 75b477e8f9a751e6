package objectives

import (
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
)

// incident is one fault.
type incident struct {
	history.Window
	next    int64  // when the next fault that does not overlap began; Never
	over    int64  // when the last of those that overlap with it was over
	lasts   bool   // one of them was never seen to be over
	reach   int64  // until when what it does to roles was seen, at the latest
	primary string // that it hit; empty: none
	cycle   int    // index of the cycle that it belongs to
}

// cycle are faults that overlap. Its times are those of the first that counts.
type cycle struct {
	first  int // index of the incident
	counts bool
	over   int64 // when the last was over
	lasts  bool  // one was never seen to be over
}

// incidents are a log's faults in order of their begin, and the cycles that they make.
func incidents(log *history.Log) ([]incident, []cycle) {
	line := kit.NewTimeline(log)
	var all []incident
	var cycles []cycle
	end := kit.Beginning
	for _, w := range line.Windows {
		if len(cycles) == 0 || w.Begin > end {
			cycles = append(cycles, cycle{first: len(all)})
		}
		end = max(end, w.End)
		c := &cycles[len(cycles)-1]
		c.over, c.lasts = end, c.lasts || !w.Healed
		all = append(all, incident{Window: w, next: kit.Never, cycle: len(cycles) - 1})
	}
	hit := map[string]bool{}
	for _, w := range line.Outages() {
		hit[w.Fault] = true
	}
	changes := changesOf(log)
	for i := range all {
		f := &all[i]
		if hit[f.Fault] {
			f.primary = changes.primaries.At(f.Begin)
		}
		c := cycles[f.cycle]
		f.over, f.lasts = c.over, c.lasts
		if f.cycle+1 < len(cycles) {
			f.next = all[cycles[f.cycle+1].first].Begin
		}
	}
	for i := range all {
		all[i].reach = max(all[i].End, changes.last(all[i].Begin, all[i].next))
	}
	choose(all, cycles, hit, changes)
	return all, cycles
}

// choose tells which cycles count, and which fault of each its times are of.
func choose(all []incident, cycles []cycle, hit map[string]bool, changes changes) {
	counts := func(f *incident) bool { return hit[f.Fault] }
	if len(changes.primaries) == 0 {
		counts = func(f *incident) bool {
			kind, _ := faults.Lookup(history.FaultKind(f.Name))
			return kind.Outage
		}
	}
	for i := range all {
		if c := &cycles[all[i].cycle]; !c.counts && counts(&all[i]) {
			c.first, c.counts = i, true
		}
	}
}

// changes are what the events tell of roles.
type changes struct {
	primaries kit.Primaries
	instants  []int64 // of all of them, and of nodes that were pointed to another primary
}

func changesOf(log *history.Log) changes {
	c := changes{primaries: kit.PrimariesOf(log.Events)}
	for i := range log.Events {
		if e := &log.Events[i]; kit.Became(e) || e.Kind == history.EventRole || e.Kind == history.EventRejoin {
			c.instants = append(c.instants, e.At)
		}
	}
	slices.Sort(c.instants)
	return c
}

// another is when first another node than one became the primary in the time from
// begin to end.
func (c *changes) another(than string, begin, end int64) *history.Event {
	for i := range c.primaries {
		if e := &c.primaries[i]; e.At > begin && e.At < end && e.Node != than {
			return e
		}
	}
	return nil
}

// last is when roles last changed from begin on and before end; Beginning if they
// did not.
func (c *changes) last(begin, end int64) int64 {
	i := sort.Search(len(c.instants), func(i int) bool { return c.instants[i] >= end })
	if i == 0 || c.instants[i-1] < begin {
		return kit.Beginning
	}
	return c.instants[i-1]
}
