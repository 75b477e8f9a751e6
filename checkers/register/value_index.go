package register

import "github.com/aftershock-chaos/aftershock/checkers/kit"

// valueIndex finds values in a list of them: open addressing with linear
// probing, at most half full. It holds no values itself, so that it is small.
type valueIndex struct {
	slots []int32 // index + 1
	used  int
}

// reserve empties the index and makes room for n values.
func (x *valueIndex) reserve(n int) {
	size := 16
	for size < 2*n {
		size *= 2
	}
	x.slots, x.used = grown(x.slots, size), 0
	clear(x.slots)
}

// slot is where the search for v begins (Fibonacci hashing).
func (x *valueIndex) slot(v int64) int {
	return int(uint64(v)*0x9e3779b97f4a7c15>>24) & (len(x.slots) - 1)
}

// Find is the index of v in all, none if it is not there.
func (x *valueIndex) find(all []value, v int64) int32 {
	for at := x.slot(v); ; at = (at + 1) & (len(x.slots) - 1) {
		i := x.slots[at] - 1
		if i < 0 {
			return kit.None
		}
		if all[i].v == v {
			return i
		}
	}
}

// Put adds all[i], whose value is not there yet.
func (x *valueIndex) put(all []value, i int32) {
	if x.used++; 2*x.used > len(x.slots) {
		old := x.slots
		x.slots = make([]int32, 2*len(old))
		for _, o := range old {
			if o != 0 {
				x.insert(all, o-1)
			}
		}
	}
	x.insert(all, i)
}

func (x *valueIndex) insert(all []value, i int32) {
	at := x.slot(all[i].v)
	for x.slots[at] != 0 {
		at = (at + 1) & (len(x.slots) - 1)
	}
	x.slots[at] = i + 1
}
