// Package watch decides in one pass, in order of start, whether the operations on
// one register are linearizable. It keeps only what is still open.
package watch

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Watch decides whether one register is linearizable while its operations come
// in, in order of their starts. It keeps only what is still open: values that
// an operation yet to come may see without a contradiction, and writes whose
// outcome is unknown and whose value nobody saw. Each operation takes constant
// time but for the values that are open at once.
//
// It decides as contradict does (which see for why that is exact). With the
// time standing at the start t of the operation that comes in, a value is
// settled when f < t: its least end is known then, for all later operations end
// later. Block A must precede block B exactly if f(A) < s(B), so an operation
// on a settled block A contradicts a settled block B exactly if f(A) < s(B),
// whose s is known so far; and A is then dead: every operation on it to come
// is a contradiction. Every contradiction of two blocks is found by the later
// of the two starts that make it. So it suffices to forget dead values at
// once: an operation that sees one finds a value that nobody has written, and
// contradicts the rest if nobody does before it ends. Within a block a value
// is dead when one that compare-and-sets made of it is settled.
//
// A value may be written again when it is dead: what sees it from then on sees
// the later write. But an operation that is under way then, and was put to the
// earlier one, may have seen either, so a contradiction found afterwards is not
// certain: the register is ambiguous. For the same reason a contradiction is
// only suspected until every operation has ended that was under way when it was
// found. A value that is written again while it is open makes the register
// ambiguous at once, and so does a compare-and-set that writes the value that
// it expects.
type Watch struct {
	State   WatchState
	Flaw    Flaw
	At      int64 // violated: the time at which it was certain
	Value   int64 // violated: the value that shows it
	Entries []entry
	free    []int32
	Table   []int32 // open addressing: index of an entry + 1
	Used    int     // entries in the table
	Blocks  []openBlock
	unused  []int32 // blocks
	ids     uint64
	Now     int64 // start of the newest operation

	pending []int32 // entries of a certain end that are not settled
	least   int64   // no entry of pending has a smaller f
	settled []int32 // entries that are settled and open

	first, second greatest // of the settled blocks, by s
	moved         bool     // first or second changed since the last sweep

	leaving []leaving // forgotten values that operations under way have seen
	Guessed bool      // one of them was written again meanwhile
}

// WatchState is what the watch knows of the register so far.
type WatchState uint8

const (
	Watching  WatchState = iota
	Violated             // not linearizable
	Ambiguous            // the method does not apply: a value came twice, or the order is wrong
	suspected            // violated, unless a value is written again that operations under way have seen
)

// entry is one open value.
type entry struct {
	v             int64
	f             int64 // least end of the operations on it; never: no certain end yet
	old           int64 // maybe: the value that the compare-and-set expected
	until         int64 // greatest end of the operations that saw it
	block         int32
	parent, child int32 // by compare-and-sets that took effect; none
	written       bool
	Settled       bool
	listed        bool // in pending
	gone          bool // dropped, but still in pending
	maybe         bool // written by a compare-and-set of unknown outcome that nobody saw the value of
	replaced      bool // a compare-and-set that took effect replaced it
}

// openBlock is a block with an open entry.
type openBlock struct {
	f, s    int64
	id      uint64 // never used again
	entries int32
	settled bool
}

// greatest is the greatest start among the operations on a settled block.
type greatest struct {
	s  int64
	id uint64
}

// NewWatch watches a register that begins without a value.
func NewWatch() Watch { return NewWatchOf(history.Nil) }

// NewWatchOf is the watch of a register that holds v.
func NewWatchOf(v int64) Watch {
	k := Watch{least: kit.Never, Now: kit.Beginning, Table: make([]int32, 16)}
	i := k.open(v)
	e := &k.Entries[i]
	e.written, e.Settled, e.f = true, true, kit.Beginning
	b := &k.Blocks[e.block]
	b.f, b.s, b.settled = kit.Beginning, kit.Beginning, true
	k.first = greatest{kit.Beginning, b.id}
	k.second = greatest{kit.Beginning, 0}
	k.settled = append(k.settled, i)
	return k
}

// Add takes the next operation. It is false when the register is violated, if
// only suspected, or ambiguous.
func (k *Watch) Add(op *history.Op) bool {
	if k.State != Watching && k.State != suspected {
		return false
	}
	start, end := kit.From(op), kit.Until(op)
	if start < k.Now {
		k.State = Ambiguous
		return false
	}
	k.Now = start
	if k.State == Watching && k.least < start {
		k.settle(start)
	}
	if k.State != Watching {
		k.suspect(op)
		return false
	}
	switch op.Kind {
	case history.Read:
		if op.Outcome == history.OK && !op.Final() {
			k.see(op.Value, start, end)
		}
	case history.Write, history.CAS:
		switch {
		case op.Outcome == history.OK:
			k.write(op, start, end)
		case op.Outcome == history.Unknown:
			k.write(op, start, kit.Never)
		case op.Kind == history.CAS && op.Flags&history.Seen != 0 && !op.Final():
			k.see(op.Observed, start, end)
		}
	}
	return k.State == Watching
}

// Rest tells which value is there at the time now, at which no operation is
// under way, if that is certain.
func (k *Watch) Rest(now int64) (v int64, certain bool) {
	if k.State == Watching && k.least < now {
		k.settle(now)
	}
	if k.State != Watching || k.Guessed || k.Used != 1 || len(k.settled) != 1 {
		return 0, false
	}
	return k.Entries[k.settled[0]].v, true
}

// Finish takes the end of the history.
func (k *Watch) Finish() WatchState {
	if k.State == Watching {
		k.settle(kit.Never)
	}
	if k.State == suspected {
		k.State = Violated
	}
	return k.State
}

// Writes tells whether an operation wrote its value, or may have.
func Writes(op *history.Op) bool {
	return (op.Kind == history.Write || op.Kind == history.CAS) && op.Outcome != history.Fail
}

// See takes an operation that saw v.
func (k *Watch) see(v, start, end int64) {
	i := k.Find(v)
	if i == kit.None {
		i = k.open(v)
	}
	e := &k.Entries[i]
	e.until = max(e.until, end)
	if e.maybe {
		k.replace(i, e.old, end)
	}
	k.touch(i, start, end)
}

// Write takes the write of op's value.
func (k *Watch) write(op *history.Op, start, end int64) {
	i := k.Find(op.Value)
	if len(k.leaving) > 0 {
		k.stay()
		k.Guessed = k.again(op.Value) || k.Guessed
	}
	seen := i != kit.None
	switch {
	case !seen:
		i = k.open(op.Value)
	case k.Entries[i].written:
		k.State = Ambiguous
		return
	}
	k.Entries[i].written = true
	if op.Kind == history.CAS {
		switch {
		case op.Old == op.Value:
			k.State = Ambiguous
			return
		case seen || end != kit.Never:
			k.replace(i, op.Old, min(end, k.Entries[i].f))
		default:
			k.Entries[i].maybe, k.Entries[i].old = true, op.Old
		}
	}
	k.touch(i, start, end)
}

// touch takes the times of an operation on an open value.
func (k *Watch) touch(i int32, start, end int64) {
	if k.State != Watching {
		return
	}
	e := &k.Entries[i]
	b := &k.Blocks[e.block]
	b.s = start // the greatest so far, as operations come in order of start
	if b.settled {
		k.rank(b.id, start)
		if k.moved {
			k.sweep()
		}
	}
	if end >= e.f {
		return
	}
	e.f = end
	b.f = min(b.f, end)
	if !e.listed {
		e.listed = true
		k.pending = append(k.pending, i)
	}
	k.least = min(k.least, end)
}

// replace links the value of a compare-and-set that took effect, until end,
// with the one that it replaced, which has then been seen itself.
func (k *Watch) replace(i int32, old, end int64) {
	k.Entries[i].maybe = false
	p := k.Find(old)
	if p == kit.None {
		p = k.open(old)
	}
	k.Entries[p].until = max(k.Entries[p].until, end)
	if k.Entries[p].maybe {
		k.replace(p, k.Entries[p].old, end)
	}
	e, parent := &k.Entries[i], &k.Entries[p]
	switch {
	case k.State != Watching:
		return
	case parent.replaced:
		k.violate(FlawUpdate, old)
		return
	case e.block == parent.block:
		k.violate(FlawCycle, old)
		return
	}
	parent.replaced, parent.child, e.parent = true, i, p
	a, b := parent.block, e.block
	into, gone := &k.Blocks[a], &k.Blocks[b]
	into.f, into.s = min(into.f, gone.f), max(into.s, gone.s)
	for j := i; j != kit.None; j = k.Entries[j].child {
		k.Entries[j].block = a
		into.entries++
		gone.entries--
	}
	if gone.entries == 0 {
		k.unused = append(k.unused, b)
	}
	if into.settled {
		k.rank(into.id, into.s)
	}
}

// Text tells why a register is violated.
func (k *Watch) Text(key uint32) string {
	return fmt.Sprintf("key %d: %s (value %s, certain at %s)", key, FlawTexts[k.Flaw], kit.Content(k.Value), units.Instant(k.At))
}
