package study

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"

	"github.com/aftershock-chaos/aftershock/results/compare"
)

// confidence of the intervals of ratios.
const confidence = 0.95

// cut is how many of the ordered pairs of n and m values lie outside an interval
// on each side, counting its end: the greatest c for which that many pairs at most
// are on one side with a probability of no more than half of what is left. It is 0
// where there are too few values for any interval.
func cut(n, m int) int {
	u := stats.UDist{N1: n, N2: m}
	c := 0
	for c < n*m/2 && u.CDF(float64(c)) <= (1-confidence)/2 {
		c++
	}
	return c
}

// enough tells whether n and m values can be told apart at all.
func enough(n, m int) bool { return n > 0 && m > 0 && cut(n, m) > 0 }

// ratios is the interval of how many times as great a value of head is as one of
// base: from one to another of the ordered ratios of all pairs, by the ranks that
// the Mann–Whitney distribution gives (Bauer, Constructing Confidence Sets Using
// Rank Statistics, 1972; Hodges and Lehmann's shift, of logarithms). It is
// consistent with the test: where that finds no difference, 1 is inside. Where
// values are known in part it holds for all that they can be. It is false where
// there are too few values, or some are not above 0.
func ratios(base, head []compare.Range) (compare.Range, bool) {
	c := cut(len(base), len(head))
	if c == 0 {
		return compare.Range{}, false
	}
	var least, most []float64
	for _, h := range head {
		for _, b := range base {
			if !(b.Least > 0) || !(h.Least >= 0) {
				return compare.Range{}, false
			}
			least, most = append(least, h.Least/b.Most), append(most, h.Most/b.Least)
		}
	}
	slices.Sort(least)
	slices.Sort(most)
	r := compare.Range{Least: least[c-1], Most: most[len(most)-c]}
	return r, !math.IsNaN(r.Least) && !math.IsNaN(r.Most) && !math.IsInf(r.Most, 1)
}
