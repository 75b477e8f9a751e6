package register

import (
	"cmp"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
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
// n·Log(n): over the values in order of their writes' starts, the least f of
// all later ones.
func (k *values) supersede() {
	newer := k.superseded.writes[:0]
	for i := range k.all {
		if k.all[i].written() {
			newer = append(newer, int32(i))
		}
	}
	kit.SortNear(newer, func(a, b int32) int { return cmp.Compare(k.all[a].start, k.all[b].start) })
	s := &k.superseded
	least := make([]int32, len(newer)) // by place in newer: the value of least f from there on
	for j := len(newer) - 1; j >= 0; j-- {
		least[j] = newer[j]
		if j+1 < len(newer) && k.all[least[j+1]].f <= k.all[newer[j]].f {
			least[j] = least[j+1]
		}
	}
	*s = supersession{at: grown(s.at, len(k.all)), by: grown(s.by, len(k.all)), writes: newer}
	place := 0 // about where the value is in newer
	for i := range k.all {
		v := &k.all[i]
		s.at[i], s.by[i] = kit.Never, kit.None
		if !k.sound(int32(i)) {
			continue
		}
		for ; place < len(newer) && newer[place] < int32(i); place++ {
		}
		j := k.after(newer, v.f, place)
		if j < len(newer) {
			s.at[i], s.by[i] = k.all[least[j]].f, least[j]
		}
	}
	k.supersedeReplaced(newer)
}

// after is the place of the first of some values, in order of start, whose
// write began after a time. It is looked for from a guess on, in steps that
// double.
func (k *values) after(newer []int32, at int64, guess int) int {
	later := func(j int) bool { return k.all[newer[j]].start > at }
	if guess >= len(newer) || later(guess) {
		return sort.Search(min(guess, len(newer)), later)
	}
	low, step := guess+1, 1 // all below low began no later
	for low+step <= len(newer) && !later(low+step-1) {
		low += step
		step *= 2
	}
	return low + sort.Search(min(step, len(newer)-low), func(j int) bool { return later(low + j) })
}

// supersedeReplaced adds that the value of a compare-and-set is newer than the
// one that it replaced.
func (k *values) supersedeReplaced(newer []int32) {
	for _, i := range newer {
		v := &k.all[i]
		if v.old != kit.None && k.sound(v.old) && v.f < k.superseded.at[v.old] {
			k.superseded.at[v.old], k.superseded.by[v.old] = v.f, i
		}
	}
}

// sound tells whether a value's f may be used to show that others are newer.
func (k *values) sound(i int32) bool {
	v := &k.all[i]
	return v.ordered() && (v.fate == kit.Initial || v.fate == kit.Orphan || v.written())
}

// staleness is how long before the read at a position began the value that it
// saw had certainly been superseded; 0 if it was not. supersede must have been
// called.
func (k *values) staleness(position int32) int64 {
	i := k.read[position]
	if i == kit.None {
		return 0
	}
	return max(0, kit.Span(kit.From(k.op(position)), k.superseded.at[i]))
}
