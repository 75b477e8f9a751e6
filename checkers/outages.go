package checkers

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// gaps finds the longest time between instants, and between them and the ends
// of a stretch. Instants come nearly in order, and few are kept.
type gaps struct {
	stretch
	last, longest int64
	pending       []int64
	unripe        int // length of pending after the last look
}

// add takes an instant; none before the time floor will come any more.
func (g *gaps) add(at, floor int64) {
	if at < g.begin || at > g.end {
		return
	}
	g.pending = append(g.pending, at)
	if len(g.pending) > 2*g.unripe+1024 {
		g.take(floor)
	}
}

// take takes the instants before floor in order.
func (g *gaps) take(floor int64) {
	slices.Sort(g.pending)
	n, _ := slices.BinarySearch(g.pending, floor)
	for _, at := range g.pending[:n] {
		g.longest, g.last = max(g.longest, span(at, g.last)), max(g.last, at)
	}
	g.pending = slices.Delete(g.pending, 0, n)
	g.unripe = len(g.pending)
}

// longestOf is the longest gap of all; nothing may be added after it.
func (g *gaps) longestOf() int64 {
	g.take(never)
	return max(g.longest, span(g.end, g.last))
}

// outages measures, for each fault that hit the primary, the time from its
// effect to the first acknowledgement of a write that began after it. Writes
// under way at that instant may have been done by the old primary before.
type outages struct {
	all   []history.Window // in order of Begin
	first []int64          // the acknowledgement; never
	begun int              // all[:begun] began before the write that came last
	open  []int            // those of them that a write yet to come may end
}

func newOutages(line *timeline) outages {
	o := outages{all: line.outages()}
	o.first = slices.Repeat([]int64{never}, len(o.all))
	return o
}

// ack takes an acknowledged write, in order of start.
func (o *outages) ack(op *history.Op) {
	for ; o.begun < len(o.all) && o.all[o.begun].Begin < from(op); o.begun++ {
		o.open = append(o.open, o.begun)
	}
	if len(o.open) == 0 {
		return
	}
	o.open = slices.DeleteFunc(o.open, func(i int) bool {
		o.first[i] = min(o.first[i], until(op))
		return o.first[i] <= from(op)
	})
}

func (o *outages) values() []Value {
	longest := Value{Name: "failover.max", Known: len(o.all) > 0}
	if len(o.all) == 0 {
		longest.Why = "no fault hit the primary"
	}
	for i, w := range o.all {
		if o.first[i] == never {
			longest.Known, longest.N = false, 0
			longest.Why = fmt.Sprintf("no write begun after %s (%s) was acknowledged", w.Fault, w.Name)
			break
		}
		longest.N = max(longest.N, float64(span(o.first[i], w.Begin)))
	}
	return []Value{longest, counted("failover.count", len(o.all))}
}
