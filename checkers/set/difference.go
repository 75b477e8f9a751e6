package set

const (
	// diffBlock is how many elements of two answers are compared at once.
	diffBlock = 64
	// diffWindow is how far an element is looked for that has moved because
	// others came or went before it.
	diffWindow = 64
	// diffMisses is how many elements, and diffShare which part of all, may
	// not be found so before two answers count as not similar.
	diffMisses, diffShare = 64, 256
)

// difference appends to removed what the answer a has and b has not, and to
// added what b has and a has not. What only moved may be in both, as often in
// the one as in the other. Answers that are similar agree in the order of most
// elements; of others it tells only that they are not.
func difference(a, b, removed, added []int64) (gone, come []int64, similar bool) {
	misses := diffMisses + max(len(a), len(b))/diffShare
	for {
		n := agree(a, b)
		a, b = a[n:], b[n:]
		if len(a) == 0 || len(b) == 0 {
			return append(removed, a...), append(added, b...), true
		}
		come, gone := find(b, a[0]), find(a, b[0])
		switch {
		case come > 0 && (gone == 0 || come <= gone):
			added, b = append(added, b[:come]...), b[come:]
		case gone > 0:
			removed, a = append(removed, a[:gone]...), a[gone:]
		case misses == 0:
			return removed, added, false
		default:
			misses--
			removed, added = append(removed, a[0]), append(added, b[0])
			a, b = a[1:], b[1:]
		}
	}
}

// agree is how many elements two answers begin with in common.
func agree(a, b []int64) int {
	n := 0
	for len(a)-n >= diffBlock && len(b)-n >= diffBlock && *(*[diffBlock]int64)(a[n:]) == *(*[diffBlock]int64)(b[n:]) {
		n += diffBlock
	}
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Find is where in an answer's next elements one is; 0: it is in none.
func find(in []int64, v int64) int {
	for n := 1; n < min(len(in), diffWindow); n++ {
		if in[n] == v {
			return n
		}
	}
	return 0
}

// elementIndex is a hash table from elements to indexes: open addressing, at
// most half full.
type elementIndex struct {
	slots []elementSlot
	used  int
	shift int
}

// elementSlot holds 1 + the index of an element; 0: it is free.
type elementSlot struct {
	v  int64
	at int32
}

// Find is the slot of an element, or the free one that it would have. It is
// good until the next put.
func (x *elementIndex) find(v int64) *elementSlot {
	if len(x.slots) == 0 {
		x.resize(10)
	}
	for h := int(uint64(v) * 0x9e3779b97f4a7c15 >> x.shift); ; h++ {
		if s := &x.slots[h&(len(x.slots)-1)]; s.at == 0 || s.v == v {
			return s
		}
	}
}

// Put fills a free slot.
func (x *elementIndex) put(slot *elementSlot, v int64, i int32) {
	*slot = elementSlot{v, i + 1}
	x.used++
	if 2*x.used > len(x.slots) {
		x.resize(65 - x.shift)
	}
}

func (x *elementIndex) resize(bits int) {
	old := x.slots
	x.slots, x.shift = make([]elementSlot, 1<<bits), 64-bits
	for _, s := range old {
		if s.at != 0 {
			*x.find(s.v) = s
		}
	}
}
