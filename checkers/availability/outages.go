package availability

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// gaps finds the longest time between instants, and between them and the ends
// of a stretch. Instants come nearly in order, and few are kept.
type gaps struct {
	kit.Stretch
	doubts        *kit.Doubts
	last, longest int64
	sure          int64 // the longest part of a gap without doubt
	pending       []int64
	unripe        int // length of pending after the last look
}

// Add takes an instant; none before the time floor will come any more.
func (g *gaps) add(at, floor int64) {
	if at < g.Begin || at > g.End {
		return
	}
	g.pending = append(g.pending, at)
	if len(g.pending) > 2*g.unripe+1024 {
		g.advance(floor)
	}
}

// advance takes note of the instants before floor, in order.
func (g *gaps) advance(floor int64) {
	slices.Sort(g.pending)
	n, _ := slices.BinarySearch(g.pending, floor)
	for _, at := range g.pending[:n] {
		g.take(at)
	}
	g.pending = slices.Delete(g.pending, 0, n)
	g.unripe = len(g.pending)
}

// take ends the gap that is open.
func (g *gaps) take(at int64) {
	length := kit.Span(at, g.last)
	g.longest = max(g.longest, length)
	if length > g.sure {
		g.sure = max(g.sure, g.doubts.LongestFree(g.last, at), g.doubts.Sure(g.last, at))
	}
	g.last = max(g.last, at)
}

// longestUntil is the longest gap of all, and the longest part of one without
// doubt, if none lasts beyond end; nothing may be added after it.
func (g *gaps) longestUntil(end int64) (longest, sure int64) {
	g.advance(kit.Never)
	g.take(max(end, g.last))
	return g.longest, g.sure
}

// Outages measures, for each fault that hit the primary, the time from its
// effect to the first acknowledgement of a write that began after it. Writes
// under way at that instant may have been done by the old primary before.
type outages struct {
	all   []history.Window // in order of Begin
	first []int64          // the acknowledgement; never
	begun int              // all[:begun] began before the write that came last
	open  []int            // those of them that a write yet to come may end
}

func newOutages(line *kit.Timeline) outages {
	o := outages{all: line.Outages()}
	o.first = slices.Repeat([]int64{kit.Never}, len(o.all))
	return o
}

// ack takes an acknowledged write, in order of start.
func (o *outages) ack(op *history.Op) {
	for ; o.begun < len(o.all) && o.all[o.begun].Begin < kit.From(op); o.begun++ {
		o.open = append(o.open, o.begun)
	}
	if len(o.open) == 0 {
		return
	}
	o.open = slices.DeleteFunc(o.open, func(i int) bool {
		o.first[i] = min(o.first[i], kit.Until(op))
		return o.first[i] <= kit.From(op)
	})
}

// values are unknown if an outage had no end, and bounds if the end may have been
// seen too late.
func (o *outages) values(doubts *kit.Doubts) []checkers.Value {
	count := kit.Counted("failover.count", len(o.all))
	if len(o.all) == 0 {
		return []checkers.Value{{Name: "failover.max", Why: "no fault hit the primary"}, count}
	}
	least, most := int64(0), int64(0)
	for i, w := range o.all {
		if o.first[i] == kit.Never {
			return []checkers.Value{{Name: "failover.max", Why: fmt.Sprintf("no write begun after %s (%s) was acknowledged", w.Fault, w.Name)}, count}
		}
		least, most = max(least, doubts.Sure(w.Begin, o.first[i])), max(most, kit.Span(o.first[i], w.Begin))
	}
	return []checkers.Value{kit.Between("failover.max", float64(least), float64(most), doubts.Why()), count}
}
