package kit

import (
	"cmp"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// Primaries are the events by which nodes became the primary, in order of time.
type Primaries []history.Event

// PrimariesOf picks them out.
func PrimariesOf(events []history.Event) Primaries {
	var p Primaries
	for i := range events {
		if Became(&events[i]) {
			p = append(p, events[i])
		}
	}
	slices.SortStableFunc(p, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
	return p
}

// Became tells whether an event is that a node became the primary.
func Became(e *history.Event) bool {
	return e.Kind == history.EventFailover || e.Kind == history.EventRole && e.Detail == "primary"
}

// At is the node that had last become the primary before a time: the one of the
// greatest epoch, and of one epoch the latest; empty if none had.
func (p Primaries) At(before int64) string {
	node, epoch := "", uint64(0)
	for i := range p {
		e := &p[i]
		if e.At > before {
			break
		}
		if node == "" || e.Epoch >= epoch {
			node, epoch = e.Node, e.Epoch
		}
	}
	return node
}
