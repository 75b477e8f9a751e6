package objectives

import (
	"cmp"
	"math"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
)

// span is a measure of which bounds are known: most may be infinite. Where nothing
// is, and where something is not known exactly, why says so.
type span struct {
	least, most float64
	why         string
}

func atLeast(n float64, why string) span { return span{least: n, most: math.Inf(1), why: why} }

func nothing(why string) span { return atLeast(0, why) }

func (s span) value(name string) checkers.Value {
	switch {
	case math.IsInf(s.most, 1) && s.least <= 0:
		return checkers.Value{Name: name, Why: s.why}
	case math.IsInf(s.most, 1):
		return checkers.Value{Name: name, N: s.least, Known: true, AtLeast: true, Why: "at least; " + s.why}
	}
	return kit.Between(name, s.least, s.most, s.why)
}

// quantile is the q-quantile of what some cycles took: the bounds of its rank among
// the least and among the greatest that each can have taken hold it.
func quantile(of []span, q float64, empty string) span {
	if len(of) == 0 {
		return nothing(empty)
	}
	rank := min(max(int(math.Ceil(q*float64(len(of))-1e-9)), 1), len(of)) - 1
	least := slices.SortedFunc(slices.Values(of), func(a, b span) int { return cmp.Compare(a.least, b.least) })
	most := slices.SortedFunc(slices.Values(of), func(a, b span) int { return cmp.Compare(a.most, b.most) })
	s := span{least: least[rank].least, most: most[rank].most, why: most[rank].why}
	for i := range of {
		if s.why == "" && s.least < s.most {
			s.why = of[i].why
		}
	}
	return s
}
