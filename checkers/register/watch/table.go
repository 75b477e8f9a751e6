package watch

import "github.com/aftershock-chaos/aftershock/checkers/kit"

// The open values of a watch, by value: open addressing with linear probing,
// at most half full, so that it stays in the processor's cache.

// Find is the entry of an open value, none if there is none.
func (k *Watch) Find(v int64) int32 {
	for at := k.slot(v); ; at = (at + 1) & (len(k.Table) - 1) {
		i := k.Table[at] - 1
		if i < 0 {
			return kit.None
		}
		if k.Entries[i].v == v {
			if k.dead(&k.Blocks[k.Entries[i].block]) {
				k.drop(i)
				return kit.None
			}
			return i
		}
	}
}

// slot is where the search for a value begins: the product's high bits
// (Fibonacci hashing; Knuth, volume 3, section 6.4).
func (k *Watch) slot(v int64) int {
	return int(uint64(v)*0x9e3779b97f4a7c15>>32) & (len(k.Table) - 1)
}

// open makes an entry, in a block of its own, for a value that is not open.
func (k *Watch) open(v int64) int32 {
	var i, b int32
	if n := len(k.free); n > 0 {
		i, k.free = k.free[n-1], k.free[:n-1]
	} else {
		i = int32(len(k.Entries))
		k.Entries = append(k.Entries, entry{})
	}
	if n := len(k.unused); n > 0 {
		b, k.unused = k.unused[n-1], k.unused[:n-1]
	} else {
		b = int32(len(k.Blocks))
		k.Blocks = append(k.Blocks, openBlock{})
	}
	k.ids++
	k.Blocks[b] = openBlock{f: kit.Never, s: kit.Beginning, id: k.ids, entries: 1}
	k.Entries[i] = entry{v: v, f: kit.Never, until: kit.Beginning, block: b, parent: kit.None, child: kit.None}
	if k.Used*2 >= len(k.Table) {
		k.grow()
	}
	k.put(i)
	k.Used++
	return i
}

func (k *Watch) put(i int32) {
	at := k.slot(k.Entries[i].v)
	for k.Table[at] != 0 {
		at = (at + 1) & (len(k.Table) - 1)
	}
	k.Table[at] = i + 1
}

func (k *Watch) grow() {
	old := k.Table
	k.Table = make([]int32, 2*len(old))
	for _, i := range old {
		if i != 0 {
			k.put(i - 1)
		}
	}
}

// remove takes an entry out of the table, and moves those behind it that would
// not be found any more.
func (k *Watch) remove(i int32) {
	mask := len(k.Table) - 1
	hole := k.slot(k.Entries[i].v)
	for k.Table[hole] != i+1 {
		hole = (hole + 1) & mask
	}
	for at := (hole + 1) & mask; k.Table[at] != 0; at = (at + 1) & mask {
		home := k.slot(k.Entries[k.Table[at]-1].v)
		if (at-home)&mask >= (at-hole)&mask {
			k.Table[hole] = k.Table[at]
			hole = at
		}
	}
	k.Table[hole] = 0
	k.Used--
}
