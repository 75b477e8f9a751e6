package watch

import "github.com/aftershock-chaos/aftershock/checkers/kit"

// How the values of a watch settle, and are forgotten when they are dead.

// settle settles every value whose f is before now.
func (k *Watch) settle(now int64) {
	left := k.pending[:0]
	k.least = kit.Never
	for _, i := range k.pending {
		e := &k.Entries[i]
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

func (k *Watch) settleOne(i int32) {
	e := &k.Entries[i]
	if !e.written {
		k.violate(FlawPhantom, e.v)
		return
	}
	e.Settled = true
	b := &k.Blocks[e.block]
	if !b.settled {
		b.settled = true
		k.rank(b.id, b.s)
	}
	p := e.parent
	e.parent = kit.None
	for p != kit.None {
		if !k.Entries[p].written {
			k.violate(FlawPhantom, k.Entries[p].v)
			return
		}
		up := k.Entries[p].parent
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
func (e *entry) replacedBySettled(k *Watch) bool {
	return e.child != kit.None && k.Entries[e.child].Settled
}

// rank keeps the greatest starts of two settled blocks.
func (k *Watch) rank(id uint64, s int64) {
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
func (k *Watch) dead(b *openBlock) bool {
	if b.id == k.first.id {
		return b.f < k.second.s
	}
	return b.settled && b.f < k.first.s
}

// sweep forgets the settled values of dead blocks.
func (k *Watch) sweep() {
	k.moved = false
	for n := 0; n < len(k.settled); {
		i := k.settled[n]
		if k.dead(&k.Blocks[k.Entries[i].block]) {
			k.drop(i) // takes it out of k.settled
			continue
		}
		n++
	}
}

// drop forgets an open value.
func (k *Watch) drop(i int32) {
	k.remove(i)
	e := &k.Entries[i]
	k.leave(e)
	if e.child != kit.None {
		k.Entries[e.child].parent = kit.None
	}
	if e.parent != kit.None {
		k.Entries[e.parent].child = kit.None
	}
	e.parent, e.child = kit.None, kit.None
	b := &k.Blocks[e.block]
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

func (k *Watch) recycle(i int32) { k.free = append(k.free, i) }
