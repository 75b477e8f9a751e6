package checkers

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// watch decides whether one register is linearizable while its operations come
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
type watch struct {
	state   watchState
	flaw    flaw
	at      int64 // violated: the time at which it was certain
	value   int64 // violated: the value that shows it
	entries []entry
	free    []int32
	table   []int32 // open addressing: index of an entry + 1
	used    int     // entries in the table
	blocks  []openBlock
	unused  []int32 // blocks
	ids     uint64
	now     int64 // start of the newest operation

	pending []int32 // entries of a certain end that are not settled
	least   int64   // no entry of pending has a smaller f
	settled []int32 // entries that are settled and open

	first, second greatest // of the settled blocks, by s
	moved         bool     // first or second changed since the last sweep

	leaving []leaving // forgotten values that operations under way have seen
	guessed bool      // one of them was written again meanwhile
}

type watchState uint8

const (
	watching  watchState = iota
	violated             // not linearizable
	ambiguous            // the method does not apply: a value came twice, or the order is wrong
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
	settled       bool
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

// leaving is a value that operations have seen of which the last ends at until.
type leaving struct {
	v, until int64
	written  bool
}

// greatest is the greatest start among the operations on a settled block.
type greatest struct {
	s  int64
	id uint64
}

func newWatch() watch { return newWatchOf(history.Nil) }

// newWatchOf is the watch of a register that holds v.
func newWatchOf(v int64) watch {
	k := watch{least: never, now: beginning, table: make([]int32, 16)}
	i := k.open(v)
	e := &k.entries[i]
	e.written, e.settled, e.f = true, true, beginning
	b := &k.blocks[e.block]
	b.f, b.s, b.settled = beginning, beginning, true
	k.first = greatest{beginning, b.id}
	k.second = greatest{beginning, 0}
	k.settled = append(k.settled, i)
	return k
}

// add takes the next operation. It is false when the register is violated, if
// only suspected, or ambiguous.
func (k *watch) add(op *history.Op) bool {
	if k.state != watching && k.state != suspected {
		return false
	}
	start, end := from(op), until(op)
	if start < k.now {
		k.state = ambiguous
		return false
	}
	k.now = start
	if k.state == watching && k.least < start {
		k.settle(start)
	}
	if k.state != watching {
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
			k.write(op, start, never)
		case op.Kind == history.CAS && op.Flags&history.Seen != 0 && !op.Final():
			k.see(op.Observed, start, end)
		}
	}
	return k.state == watching
}

// rest tells which value is there at the time now, at which no operation is
// under way, if that is certain.
func (k *watch) rest(now int64) (v int64, certain bool) {
	if k.state == watching && k.least < now {
		k.settle(now)
	}
	if k.state != watching || k.guessed || k.used != 1 || len(k.settled) != 1 {
		return 0, false
	}
	return k.entries[k.settled[0]].v, true
}

// finish takes the end of the history.
func (k *watch) finish() watchState {
	if k.state == watching {
		k.settle(never)
	}
	if k.state == suspected {
		k.state = violated
	}
	return k.state
}

func (k *watch) violate(f flaw, v int64) {
	switch {
	case k.state != watching:
		return
	case k.guessed:
		k.state = ambiguous
		return
	}
	k.state, k.flaw, k.value, k.at = suspected, f, v, k.now
	for _, at := range k.table {
		if at != 0 {
			k.leave(&k.entries[at-1])
		}
	}
	k.stay()
}

// suspect takes an operation after a contradiction was found.
func (k *watch) suspect(op *history.Op) {
	k.stay()
	if k.state == suspected && writes(op) && k.again(op.Value) {
		k.state = ambiguous
	}
}

// leave notes a value that is about to be forgotten.
func (k *watch) leave(e *entry) {
	if e.until >= k.now {
		k.leaving = append(k.leaving, leaving{e.v, e.until, e.written})
	}
}

// stay keeps of the forgotten values those that operations under way have
// seen. If there are none, what was suspected is certain.
func (k *watch) stay() {
	k.leaving = slices.DeleteFunc(k.leaving, func(l leaving) bool { return l.until < k.now })
	if k.state == suspected && len(k.leaving) == 0 {
		k.state, k.at = violated, k.now
	}
}

// writes tells whether an operation wrote its value, or may have.
func writes(op *history.Op) bool {
	return (op.Kind == history.Write || op.Kind == history.CAS) && op.Outcome != history.Fail
}

// again tells whether a write of v is not the first of it that an operation
// under way may have seen.
func (k *watch) again(v int64) bool {
	second := false
	for i := range k.leaving {
		if l := &k.leaving[i]; l.v == v {
			second = second || l.written
			l.written = true
		}
	}
	return second
}

// see takes an operation that saw v.
func (k *watch) see(v, start, end int64) {
	i := k.find(v)
	if i == none {
		i = k.open(v)
	}
	e := &k.entries[i]
	e.until = max(e.until, end)
	if e.maybe {
		k.replace(i, e.old, end)
	}
	k.touch(i, start, end)
}

// write takes the write of op's value.
func (k *watch) write(op *history.Op, start, end int64) {
	i := k.find(op.Value)
	if len(k.leaving) > 0 {
		k.stay()
		k.guessed = k.again(op.Value) || k.guessed
	}
	seen := i != none
	switch {
	case !seen:
		i = k.open(op.Value)
	case k.entries[i].written:
		k.state = ambiguous
		return
	}
	k.entries[i].written = true
	if op.Kind == history.CAS {
		switch {
		case op.Old == op.Value:
			k.state = ambiguous
			return
		case seen || end != never:
			k.replace(i, op.Old, min(end, k.entries[i].f))
		default:
			k.entries[i].maybe, k.entries[i].old = true, op.Old
		}
	}
	k.touch(i, start, end)
}

// touch takes the times of an operation on an open value.
func (k *watch) touch(i int32, start, end int64) {
	if k.state != watching {
		return
	}
	e := &k.entries[i]
	b := &k.blocks[e.block]
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
func (k *watch) replace(i int32, old, end int64) {
	k.entries[i].maybe = false
	p := k.find(old)
	if p == none {
		p = k.open(old)
	}
	k.entries[p].until = max(k.entries[p].until, end)
	if k.entries[p].maybe {
		k.replace(p, k.entries[p].old, end)
	}
	e, parent := &k.entries[i], &k.entries[p]
	switch {
	case k.state != watching:
		return
	case parent.replaced:
		k.violate(flawUpdate, old)
		return
	case e.block == parent.block:
		k.violate(flawCycle, old)
		return
	}
	parent.replaced, parent.child, e.parent = true, i, p
	a, b := parent.block, e.block
	into, gone := &k.blocks[a], &k.blocks[b]
	into.f, into.s = min(into.f, gone.f), max(into.s, gone.s)
	for j := i; j != none; j = k.entries[j].child {
		k.entries[j].block = a
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

// settle settles every value whose f is before now.
func (k *watch) settle(now int64) {
	left := k.pending[:0]
	k.least = never
	for _, i := range k.pending {
		e := &k.entries[i]
		switch {
		case e.gone:
			k.recycle(i)
		case e.f < now:
			e.listed = false
			k.settleOne(i)
		default:
			k.least = min(k.least, e.f)
			left = append(left, i)
		}
	}
	k.pending = left
	if k.moved {
		k.sweep()
	}
}

func (k *watch) settleOne(i int32) {
	e := &k.entries[i]
	if !e.written {
		k.violate(flawPhantom, e.v)
		return
	}
	e.settled = true
	b := &k.blocks[e.block]
	if !b.settled {
		b.settled = true
		k.rank(b.id, b.s)
	}
	p := e.parent
	e.parent = none
	for p != none {
		if !k.entries[p].written {
			k.violate(flawPhantom, k.entries[p].v)
			return
		}
		up := k.entries[p].parent
		k.drop(p)
		p = up
	}
	k.settled = append(k.settled, i)
	if e.replacedBySettled(k) {
		k.drop(i)
	}
}

// replacedBySettled tells whether a value that compare-and-sets made of this
// one has settled before it: then this one is dead.
func (e *entry) replacedBySettled(k *watch) bool {
	return e.child != none && k.entries[e.child].settled
}

// rank keeps the greatest starts of two settled blocks.
func (k *watch) rank(id uint64, s int64) {
	switch {
	case id == k.first.id:
		k.first.s = max(k.first.s, s)
	case s >= k.first.s:
		k.second, k.first = k.first, greatest{s, id}
	case id == k.second.id || s > k.second.s:
		k.second = greatest{max(s, k.second.s), id}
	default:
		return
	}
	k.moved = true
}

// dead tells whether every further operation on the block is a contradiction.
func (k *watch) dead(b *openBlock) bool {
	if b.id == k.first.id {
		return b.f < k.second.s
	}
	return b.settled && b.f < k.first.s
}

// sweep forgets the settled values of dead blocks.
func (k *watch) sweep() {
	k.moved = false
	for n := 0; n < len(k.settled); {
		i := k.settled[n]
		if k.dead(&k.blocks[k.entries[i].block]) {
			k.drop(i) // takes it out of k.settled
			continue
		}
		n++
	}
}

// drop forgets an open value.
func (k *watch) drop(i int32) {
	k.remove(i)
	e := &k.entries[i]
	k.leave(e)
	if e.child != none {
		k.entries[e.child].parent = none
	}
	if e.parent != none {
		k.entries[e.parent].child = none
	}
	e.parent, e.child = none, none
	b := &k.blocks[e.block]
	b.entries--
	if b.entries == 0 {
		k.unused = append(k.unused, e.block)
	}
	for n, s := range k.settled {
		if s == i {
			last := len(k.settled) - 1
			k.settled[n] = k.settled[last]
			k.settled = k.settled[:last]
			break
		}
	}
	if e.listed {
		e.gone = true
		return
	}
	k.recycle(i)
}

func (k *watch) recycle(i int32) { k.free = append(k.free, i) }
