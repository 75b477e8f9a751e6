package reign

import (
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// member takes that a node came to the cluster or went. While its server runs, one
// that went may acknowledge something yet.
func (d *reader) member(i int, e *history.Event) {
	n := &d.nodes[i]
	n.left = e.Name == history.MemberLeft
	if n.left && n.down > 0 {
		d.leave(i, e.At)
	}
}

// leave takes that a node that does not belong to the cluster any more acknowledges
// nothing: its server has ended.
func (d *reader) leave(i int, at int64) {
	d.end(i, at, at)
	d.nodes[i].role = ""
}

// count watches over how many primaries there are after an event of which one
// knows only that it lies between two instants.
func (d *reader) count(after, at int64) {
	primaries := 0
	for i := range d.nodes {
		if n := &d.nodes[i]; n.role == rolePrimary && n.down == 0 {
			primaries++
		}
	}
	switch {
	case primaries > 1 && d.double == kit.Never:
		d.double = after
	case primaries <= 1 && d.double != kit.Never:
		d.window(d.double, at, "two primaries from "+units.Instant(d.double)+" to "+units.Instant(at))
		d.double = kit.Never
	}
}
