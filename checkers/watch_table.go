package checkers

// The open values of a watch, by value: open addressing with linear probing,
// at most half full, so that it stays in the processor's cache.

// find is the entry of an open value, none if there is none.
func (k *watch) find(v int64) int32 {
	for at := k.slot(v); ; at = (at + 1) & (len(k.table) - 1) {
		i := k.table[at] - 1
		if i < 0 {
			return none
		}
		if k.entries[i].v == v {
			if k.dead(&k.blocks[k.entries[i].block]) {
				k.drop(i)
				return none
			}
			return i
		}
	}
}

// slot is where the search for a value begins: the product's high bits
// (Fibonacci hashing; Knuth, volume 3, section 6.4).
func (k *watch) slot(v int64) int {
	return int(uint64(v)*0x9e3779b97f4a7c15>>32) & (len(k.table) - 1)
}

// open makes an entry, in a block of its own, for a value that is not open.
func (k *watch) open(v int64) int32 {
	var i, b int32
	if n := len(k.free); n > 0 {
		i, k.free = k.free[n-1], k.free[:n-1]
	} else {
		i = int32(len(k.entries))
		k.entries = append(k.entries, entry{})
	}
	if n := len(k.unused); n > 0 {
		b, k.unused = k.unused[n-1], k.unused[:n-1]
	} else {
		b = int32(len(k.blocks))
		k.blocks = append(k.blocks, openBlock{})
	}
	k.ids++
	k.blocks[b] = openBlock{f: never, s: beginning, id: k.ids, entries: 1}
	k.entries[i] = entry{v: v, f: never, until: beginning, block: b, parent: none, child: none}
	if k.used*2 >= len(k.table) {
		k.grow()
	}
	k.put(i)
	k.used++
	return i
}

func (k *watch) put(i int32) {
	at := k.slot(k.entries[i].v)
	for k.table[at] != 0 {
		at = (at + 1) & (len(k.table) - 1)
	}
	k.table[at] = i + 1
}

func (k *watch) grow() {
	old := k.table
	k.table = make([]int32, 2*len(old))
	for _, i := range old {
		if i != 0 {
			k.put(i - 1)
		}
	}
}

// remove takes an entry out of the table, and moves those behind it that would
// not be found any more.
func (k *watch) remove(i int32) {
	mask := len(k.table) - 1
	hole := k.slot(k.entries[i].v)
	for k.table[hole] != i+1 {
		hole = (hole + 1) & mask
	}
	for at := (hole + 1) & mask; k.table[at] != 0; at = (at + 1) & mask {
		home := k.slot(k.entries[k.table[at]-1].v)
		if (at-home)&mask >= (at-hole)&mask {
			k.table[hole] = k.table[at]
			hole = at
		}
	}
	k.table[hole] = 0
	k.used--
}
