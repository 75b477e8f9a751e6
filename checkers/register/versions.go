package register

import (
	"cmp"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
)

// countVersions fills in the version lag of stale reads: a read r of v lags by
// the number of values that are certainly newer than v, see supersession, and
// were certainly there before r began: those v' with f(v) < start(v'), or whose
// compare-and-set replaced v, and f(v') < start(r). Values in between of which
// that is not certain are not counted, so that it is a lower bound. It is at
// least 1 exactly if r is stale. supersede must have been called.
//
// It goes through the reads in order of their starts and keeps, in a Fenwick
// tree over the values in order of their writes, those that were there: time
// n·Log(n).
func (k *values) countVersions(stale []checkers.StaleSample) {
	if len(stale) == 0 {
		return
	}
	writes := k.superseded.writes
	type sight struct {
		f     int64
		place int // in writes
	}
	there := make([]sight, len(writes))
	for j, i := range writes {
		there[j] = sight{k.all[i].f, j}
	}
	kit.SortNear(there, func(a, b sight) int { return cmp.Compare(a.f, b.f) })
	reads := make([]int32, len(stale))
	for n := range reads {
		reads[n] = int32(n)
	}
	begun := func(n int32) int64 { return kit.From(&k.log.Ops[stale[n].Op]) }
	kit.SortNear(reads, func(a, b int32) int { return cmp.Compare(begun(a), begun(b)) })
	replaced := k.replacedEarly()
	tree, passed := make(kit.Fenwick, len(writes)+1), 0
	for _, n := range reads {
		for ; passed < len(there) && there[passed].f < begun(n); passed++ {
			tree.Add(there[passed].place)
		}
		i := k.index.find(k.all, k.log.Ops[stale[n].Op].Value)
		older := sort.Search(len(writes), func(j int) bool { return k.all[writes[j]].start > k.all[i].f })
		stale[n].Versions = int32(passed - tree.Below(older))
		for _, by := range replaced[i] {
			if k.all[by].f < begun(n) {
				stale[n].Versions++
			}
		}
	}
}

// replacedEarly lists, by value, the values of compare-and-sets that replaced
// it and whose writes began no later than the value was certainly there: their
// times alone do not show that they are newer. It is nil if there are none.
func (k *values) replacedEarly() map[int32][]int32 {
	var all map[int32][]int32
	for _, i := range k.superseded.writes {
		v := &k.all[i]
		if v.old == kit.None || !k.sound(v.old) || v.start > k.all[v.old].f {
			continue
		}
		if all == nil {
			all = map[int32][]int32{}
		}
		all[v.old] = append(all[v.old], i)
	}
	return all
}
