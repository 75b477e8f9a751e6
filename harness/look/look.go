// Package look knows when a worker has to read a key before it overwrites it: what a
// primary that was replaced had acknowledged may be lost, and a write would hide it.
package look

import (
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// Looks are what a worker has seen of its keys on the node that it takes for the
// primary, since it had to choose one anew. Before that it needs no look.
type Looks struct {
	Keys  int      // that are written blindly; 0: none is
	had   []uint64 // a bit for each key; nil: it is still with its first primary
	Times uint32   // how often they began anew
}

// Reset begins anew: the primary may be another, or have lost what it had.
func (l *Looks) Reset() {
	l.Times++
	switch {
	case l.Keys == 0:
	case l.had == nil:
		l.had = make([]uint64, (l.Keys+63)/64)
	default:
		clear(l.had)
	}
}

// Seen takes that the primary has shown, or taken, a value of the key.
func (l *Looks) Seen(key uint32) {
	if int(key) < 64*len(l.had) {
		l.had[key/64] |= 1 << (key % 64)
	}
}

// Due tells whether a request would hide what the primary has lost.
func (l *Looks) Due(r *workloads.Request) bool {
	op := &r.Op
	return op.Kind == history.Write && r.Route == workloads.ToPrimary && int(op.Key) < l.Keys && l.had != nil && l.had[op.Key/64]&(1<<(op.Key%64)) == 0
}

// For is the read that comes before a request.
func For(r *workloads.Request) workloads.Request {
	return workloads.Request{Op: history.Op{Kind: history.Read, Key: r.Op.Key, Intended: r.Op.Intended, Start: r.Op.Start, Flags: r.Op.Flags}, Route: r.Route, Pick: r.Pick}
}
