package checkers

import (
	"cmp"
	"slices"
	"sort"
)

// supersession tells, for each value of a register, when it was certainly superseded.
//
// Value b is certainly newer than a when f(a) < start(b): some operation on a
// had ended before the write of b began. b was certainly there at f(b). So a
// read of a that starts after f(b) is stale, by at least that time.
type supersession struct {
	at []int64 // by value; never if nothing certainly newer was seen to be there
	by []int32 // the newer value; none

	writes []int32 // the values whose write's start is known, in order of that
}

// supersede computes when each value was certainly superseded, in time
// n·log(n): over the values in order of their writes' starts, the least f of
// all later ones.
func (k *values) supersede() {
	var newer []int32
	for i := range k.all {
		if k.all[i].written() {
			newer = append(newer, int32(i))
		}
	}
	slices.SortFunc(newer, func(a, b int32) int { return cmp.Compare(k.all[a].start, k.all[b].start) })
	least := make([]int32, len(newer)) // by place in newer: the value of least f from there on
	for j := len(newer) - 1; j >= 0; j-- {
		least[j] = newer[j]
		if j+1 < len(newer) && k.all[least[j+1]].f <= k.all[newer[j]].f {
			least[j] = least[j+1]
		}
	}
	k.superseded = supersession{at: make([]int64, len(k.all)), by: make([]int32, len(k.all)), writes: newer}
	for i := range k.all {
		v := &k.all[i]
		k.superseded.at[i], k.superseded.by[i] = never, none
		if !k.sound(int32(i)) {
			continue
		}
		j := sort.Search(len(newer), func(j int) bool { return k.all[newer[j]].start > v.f })
		if j < len(newer) {
			k.superseded.at[i], k.superseded.by[i] = k.all[least[j]].f, least[j]
		}
	}
	k.supersedeReplaced(newer)
}

// supersedeReplaced adds that the value of a compare-and-set is newer than the
// one that it replaced.
func (k *values) supersedeReplaced(newer []int32) {
	for _, i := range newer {
		v := &k.all[i]
		if v.old != none && k.sound(v.old) && v.f < k.superseded.at[v.old] {
			k.superseded.at[v.old], k.superseded.by[v.old] = v.f, i
		}
	}
}

// sound tells whether a value's f may be used to show that others are newer.
func (k *values) sound(i int32) bool {
	v := &k.all[i]
	return v.ordered() && (v.fate == initial || v.fate == orphan || v.written())
}

// staleness is how long before the read at a position began the value that it
// saw had certainly been superseded; 0 if it was not. supersede must have been
// called.
func (k *values) staleness(position int32) int64 {
	i := k.read[position]
	if i == none {
		return 0
	}
	return max(0, span(from(k.op(position)), k.superseded.at[i]))
}
