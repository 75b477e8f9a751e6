package compare

import (
	"cmp"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// uTest is the exact two-sided Mann–Whitney U test: its p-value, and how many of
// the pairs have the greater value in head, ties counted by half.
func uTest(base, head []float64) (p, u float64) {
	r, err := stats.MannWhitneyUTest(head, base, stats.LocationDiffers)
	if err != nil { // all values are equal, or there are none
		return 1, float64(len(base)*len(head)) / 2
	}
	return min(r.P, 1), r.U
}

// tested is what the test says of two samples of ranges. U never falls when a
// value of head rises or one of base falls, so its extremes are those of the
// bounds; p is least at one of them, and greatest there or, where they lie on
// both sides of no difference, 1.
type tested struct {
	p        Range // Least is the smallest that the bounds allow
	biserial Range // rank-biserial correlation: 1 where every value of head is the greater
}

func testOf(base, head sample) tested {
	pairs := float64(len(base) * len(head))
	pLow, uLow := uTest(base.most(), head.least())
	pHigh, uHigh := uTest(base.least(), head.most())
	t := tested{p: Range{min(pLow, pHigh), max(pLow, pHigh)}, biserial: Range{2*uLow/pairs - 1, 2*uHigh/pairs - 1}}
	if t.biserial.Least*t.biserial.Most < 0 {
		t.p.Most = 1
	}
	return t
}

// holm corrects p-values of several tests so that the probability of any false
// finding stays below what one is held to (Holm, A Simple Sequentially Rejective
// Multiple Test Procedure, 1979).
func holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	corrected, floor := make([]float64, len(p)), 0.0
	for rank, i := range order {
		floor = max(floor, min(1, p[i]*float64(len(p)-rank)))
		corrected[i] = floor
	}
	return corrected
}

// shift is the Hodges–Lehmann estimate of how much greater head is: the median
// of all differences.
func shift(base, head sample) Range {
	var least, most []float64
	for _, h := range head {
		for _, b := range base {
			least, most = append(least, h.Least-b.Most), append(most, h.Most-b.Least)
		}
	}
	return Range{orNone(median(least), -1), orNone(median(most), 1)}
}

// orNone is n, or no bound on that side.
func orNone(n float64, side int) float64 {
	if math.IsNaN(n) {
		return math.Inf(side)
	}
	return n
}

// ratio of two medians that are not negative; false where it means nothing.
func ratio(base, head Range) (Range, bool) {
	if !(base.Least > 0) || math.IsInf(base.Most, 1) || !(head.Least >= 0) || math.IsInf(head.Most, 1) {
		return Range{}, false
	}
	return Range{head.Least / base.Most, head.Most / base.Least}, true
}
