package checkers

import (
	"fmt"
	"math"
	"slices"
)

const tornWhy = "the history is torn: the last operations are missing"

// counted is a known number.
func counted(name string, n int) Value { return Value{Name: name, N: float64(n), Known: true} }

// anomalies is a count of anomalies. In a torn history those found are proven,
// and there may be more; that there are none is unknown.
func anomalies(name string, n int, torn bool) Value {
	if torn {
		return proven(name, n, tornWhy)
	}
	return proven(name, n, "")
}

// proven is a count of anomalies that is complete only if missing is empty.
func proven(name string, n int, missing string) Value {
	v := counted(name, n)
	if missing != "" {
		v.Known, v.Why = n > 0, missing
		if n > 0 {
			v.AtLeast, v.Why = true, "at least; "+missing
		}
	}
	return v
}

// quantiles answers quantiles of a sample of times exactly.
type quantiles struct {
	sorted []int64
	zeros  int // this many further values, all 0
	above  int // this many further values, greater than any that was measured
}

func newQuantiles(positive []int64, zeros, above int) quantiles {
	slices.Sort(positive)
	return quantiles{positive, zeros, above}
}

// value is the q-quantile by nearest rank: the least value that at least the
// share q of all values does not exceed. It is unknown without values, and
// where it is one of those that were never measured.
func (s quantiles) value(name string, q float64, empty, unmeasured string) Value {
	n := len(s.sorted) + s.zeros + s.above
	if n == 0 {
		return Value{Name: name, Why: empty}
	}
	rank := min(max(int(math.Ceil(q*float64(n)-1e-9)), 1), n)
	switch {
	case rank <= s.zeros:
		return Value{Name: name, Known: true}
	case rank <= s.zeros+len(s.sorted):
		return Value{Name: name, N: float64(s.sorted[rank-s.zeros-1]), Known: true}
	}
	return Value{Name: name, Why: fmt.Sprintf("%d of %d %s", s.above, n, unmeasured)}
}

// ratio is part/whole, unknown of an empty whole.
func ratio(name string, part, whole int, empty string) Value {
	if whole == 0 {
		return Value{Name: name, Why: empty}
	}
	return Value{Name: name, N: float64(part) / float64(whole), Known: true}
}
