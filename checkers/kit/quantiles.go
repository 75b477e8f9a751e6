package kit

import (
	"fmt"
	"math"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// Times is a sample of durations. Of those in doubt it has the least and the
// greatest that they can have been, in the same order.
type Times struct{ Sure, Least, Doubted []int64 }

// Add takes a duration, which is in doubt if the doubts touch the time from begin
// to end, of which it is a part.
func (t *Times) Add(ns int64, d *Doubts, begin, end int64) {
	if d.Touch(begin, end) {
		whole := max(Span(end, begin), ns, 0)
		lost := whole - min(d.Sure(begin, end), whole)
		t.Least, t.Doubted = append(t.Least, max(ns-lost, 0)), append(t.Doubted, whole)
		return
	}
	t.Sure = append(t.Sure, ns)
}

// Merge takes in all of another.
func (t *Times) Merge(o *Times) {
	t.Sure, t.Least, t.Doubted = append(t.Sure, o.Sure...), append(t.Least, o.Least...), append(t.Doubted, o.Doubted...)
}

// Quantiles are those of the sample, so many zeros, and so many times that are
// greater than any that was measured. It sorts the sample in place.
func (t *Times) Quantiles(zeros, above int, d *Doubts) Quantiles {
	q := NewQuantiles(t.Sure, zeros, above)
	if len(t.Doubted) > 0 {
		q.least, q.most = slices.Concat(t.Sure, t.Least), slices.Concat(t.Sure, t.Doubted)
		slices.Sort(q.least)
		slices.Sort(q.most)
		q.doubted, q.why = len(t.Doubted), d.Why()
	}
	return q
}

// Quantiles answers quantiles of a sample of times exactly, or by bounds where
// some are in doubt.
type Quantiles struct {
	sorted      []int64
	zeros       int     // this many further values, all 0
	above       int     // this many further values, greater than any that was measured
	doubted     int     // this many further values, in doubt
	least, most []int64 // sorted, with them as short and as long as they can have been
	why         string  // why they are
}

// NewQuantiles takes a sample of positive times, which it sorts in place, so many zeros, and so many times
// that are greater than any that was measured.
func NewQuantiles(positive []int64, zeros, above int) Quantiles {
	slices.Sort(positive)
	return Quantiles{sorted: positive, zeros: zeros, above: above}
}

// Value is the q-quantile by nearest rank: the least value that at least the
// share q of all values does not exceed. It is unknown without values, and
// where it is one of those that were never measured.
func (s Quantiles) Value(name string, q float64, empty, unmeasured string) checkers.Value {
	n := len(s.sorted) + s.zeros + s.above + s.doubted
	if n == 0 {
		return checkers.Value{Name: name, Why: empty}
	}
	least := quantileOf(q, s.sorted, s.zeros, s.above)
	if s.doubted > 0 {
		least = quantileOf(q, s.least, s.zeros, s.above)
	}
	if math.IsInf(least, 1) {
		return checkers.Value{Name: name, Why: fmt.Sprintf("%d of %d %s", s.above, n, unmeasured)}
	}
	if s.doubted == 0 {
		return checkers.Value{Name: name, N: least, Known: true}
	}
	most := quantileOf(q, s.most, s.zeros, s.above)
	if n > s.doubted {
		most = max(most, quantileOf(q, s.sorted, s.zeros, s.above)) // as if what is in doubt had not been
	}
	switch {
	case math.IsInf(most, 1) && least == 0:
		return checkers.Value{Name: name, Why: s.why}
	case math.IsInf(most, 1):
		return checkers.Value{Name: name, N: least, Known: true, AtLeast: true, Why: "at least; " + s.why}
	}
	return Between(name, least, most, s.why)
}

// With is the q-quantile of these and of so many further values of which nothing
// is known: exact where it is the same wherever they lie, else between bounds;
// unknown where they may be greater than any that was measured.
func (s Quantiles) With(unknown int, name string, q float64, empty, unmeasured string) checkers.Value {
	low, high := s, s
	low.zeros, high.above = s.zeros+unknown, s.above+unknown
	most := high.Value(name, q, empty, unmeasured)
	if unknown == 0 || !most.Known {
		return most
	}
	least, _ := low.Value(name, q, empty, unmeasured).Bounds()
	_, greatest := most.Bounds()
	if math.IsInf(greatest, 1) {
		return checkers.Value{Name: name, N: max(least, 0), Known: true, AtLeast: true, Why: most.Why}
	}
	return Between(name, max(least, 0), greatest, fmt.Sprintf("of %d more it is not known", unknown))
}

// quantileOf is the quantile of so many zeros, sorted values and so many infinite ones.
func quantileOf(q float64, sorted []int64, zeros, above int) float64 {
	n := len(sorted) + zeros + above
	rank := min(max(int(math.Ceil(q*float64(n)-1e-9)), 1), n)
	switch {
	case rank <= zeros:
		return 0
	case rank <= zeros+len(sorted):
		return float64(sorted[rank-zeros-1])
	}
	return math.Inf(1)
}
