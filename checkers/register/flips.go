package register

import (
	"cmp"
	"fmt"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// candidate is a plain value that was read.
type candidate struct {
	f, w, r int64 // least end, start of the write, greatest start of a read
	value   int32
}

// orderFlip finds two values a and b, neither certainly newer than the other,
// each of which must precede the other: f(a) < r(b) and f(b) < r(a), r being
// the greatest start of a read, while start(a) <= f(b) and start(b) <= f(a). So
// the two writes were concurrent, some reads saw a before b and others b before
// a, and none of these is stale. Only values count that no compare-and-set made
// or replaced.
//
// Let f(a) <= f(b). Then b is among those values, in order of f, that follow a
// and whose f is less than r(a). Going through the values in order of f, those
// with a write that has begun are in a tree of their greatest r: time n·Log(n).
func (k *values) orderFlip() (a, b int32, found bool) {
	all := k.plainValues()
	byWrite := make([]int32, len(all))
	for i := range byWrite {
		byWrite[i] = int32(i)
	}
	kit.SortNear(byWrite, func(a, b int32) int { return cmp.Compare(all[a].w, all[b].w) })
	begun, next := newMaxima(len(all)), 0
	for i := range all {
		c := &all[i]
		for ; next < len(byWrite) && all[byWrite[next]].w <= c.f; next++ {
			begun.raise(int(byWrite[next]), all[byWrite[next]].r)
		}
		if i+1 == len(all) || all[i+1].f >= c.r {
			continue
		}
		end := sort.Search(len(all), func(j int) bool { return all[j].f >= c.r })
		if begun.most(i+1, end) <= c.f {
			continue
		}
		for j := i + 1; j < end; j++ {
			if all[j].w <= c.f && all[j].r > c.f {
				return c.value, all[j].value, true
			}
		}
	}
	return kit.None, kit.None, false
}

// plainValues are the values that may flip, in order of f.
func (k *values) plainValues() []candidate {
	replaced := make([]bool, len(k.all))
	for i := range k.all {
		if old := k.all[i].old; old != kit.None {
			replaced[i], replaced[old] = true, true
		}
	}
	var all []candidate
	for i := range k.all {
		if v := &k.all[i]; v.written() && v.fate != kit.Refused && !replaced[i] && v.readStartOp != kit.None {
			all = append(all, candidate{v.f, v.start, v.readStart, int32(i)})
		}
	}
	kit.SortNear(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.f, b.f), cmp.Compare(a.value, b.value)) })
	return all
}

// maxima answers the greatest of a stretch of numbers: a segment tree.
type maxima []int64

func newMaxima(n int) maxima {
	m := make(maxima, 2*n)
	for i := range m {
		m[i] = kit.Beginning
	}
	return m
}

func (m maxima) raise(i int, to int64) {
	for i += len(m) / 2; i > 0 && m[i] < to; i /= 2 {
		m[i] = to
	}
}

// most is the greatest from begin to before end.
func (m maxima) most(begin, end int) int64 {
	most := kit.Beginning
	for begin, end = begin+len(m)/2, end+len(m)/2; begin < end; begin, end = begin/2, end/2 {
		if begin%2 == 1 {
			most = max(most, m[begin])
			begin++
		}
		if end%2 == 1 {
			end--
			most = max(most, m[end])
		}
	}
	return most
}

func flip(w *kit.Words, g *kit.Group, k *values, a, b int32) *checkers.Finding {
	va, vb := &k.all[a], &k.all[b]
	at := max(va.readStart, vb.readStart)
	f := kit.NewFinding(w, g, checkers.OrderFlip, at, k.logged([]int32{va.write, va.fOp, va.readStartOp, vb.write, vb.fOp, vb.readStartOp}),
		"readers of key %d disagree on the order of the concurrent writes of %d and %d: %s and %s%s", g.Key, va.v, vb.v,
		k.stayed(w, va), k.stayed(w, vb), w.During(at))
	return &f
}

// stayed tells since when a value was there and when a read of it began.
func (k *values) stayed(w *kit.Words, v *value) string {
	how := "read"
	if v.fOp == v.write {
		how = "acknowledged"
	}
	return fmt.Sprintf("%d had been %s by %s and was read at %s by a read begun at %s", v.v, how, units.Instant(v.f), w.Node(k.op(v.readStartOp).Node), units.Instant(v.readStart))
}
