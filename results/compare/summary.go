package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// Confidence of the intervals.
const Confidence = 0.95

// FewestRuns is how many runs it takes for an interval of the median: with n
// values the widest one, from the least to the greatest, holds the median with a
// probability of 1 − 2^(1−n), which is 0.969 for 6 and 0.938 for 5.
const FewestRuns = 6

// Summary is one fact over the runs of a group.
type Summary struct {
	Fact   string          `json:"fact"`
	Unit   checkers.Unit   `json:"unit"`
	Better checkers.Better `json:"better"`
	Values []Range         `json:"values"` // of each run, in their order
	Median Range           `json:"median"`
	// Interval holds the median of all runs that could be made with at least
	// Confidence; nil: there are fewer than FewestRuns values, or it has no end.
	Interval *Range `json:"interval"`
	Unknown  int    `json:"unknown,omitempty"` // runs that know nothing of it
}

// Summarize tells every fact that some run of the group measured, by name.
func Summarize(g Group) []Summary {
	var all []Summary
	for _, fact := range facts(g) {
		all = append(all, summarize(fact, g.sampleOf(fact.Name)))
	}
	slices.SortStableFunc(all, func(a, b Summary) int { return compareText(a.Fact, b.Fact) })
	return all
}

// SummaryOf is one fact over the runs of a group; false if no run measured it.
func SummaryOf(g Group, name string) (Summary, bool) {
	for _, fact := range facts(g) {
		if fact.Name == name {
			return summarize(fact, g.sampleOf(name)), true
		}
	}
	return Summary{Fact: name}, false
}

func summarize(fact checkers.Fact, values sample) Summary {
	s := Summary{Fact: fact.Name, Unit: fact.Unit, Better: fact.Better, Values: values}
	for _, v := range values {
		if math.IsInf(v.Least, -1) && math.IsInf(v.Most, 1) {
			s.Unknown++
		}
	}
	least, most := values.least(), values.most()
	s.Median = Range{median(least), median(most)}
	s.Interval = interval(least, most)
	return s
}

// median of values of which some may be infinite. The median never falls when a
// value rises, so that of bounds is a bound of the median.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1 || values[n/2-1] == values[n/2]:
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// interval is the rank-based interval of the median: from one order statistic to
// another, whose ranks come from the binomial distribution (David and Nagaraja,
// Order Statistics, 7.1). It assumes nothing of how the values are distributed.
func interval(least, most []float64) *Range {
	ranks := stats.QuantileCI(len(least), 0.5, Confidence)
	if len(least) < FewestRuns || ranks.LoOrder < 1 || ranks.HiOrder > len(least) {
		return nil
	}
	r := Range{slices.Sorted(slices.Values(least))[ranks.LoOrder-1], slices.Sorted(slices.Values(most))[ranks.HiOrder-1]}
	if ranks.Ambiguous { // an even number of ranks: the wider of both is taken
		r.Most = slices.Sorted(slices.Values(most))[min(ranks.HiOrder, len(most)-1)]
	}
	if math.IsInf(r.Least, -1) || math.IsInf(r.Most, 1) {
		return nil
	}
	return &r
}

// Words is the summary in short: "1.2ms, 95 % 1.1ms to 1.4ms, n=6".
func (s Summary) Words() string {
	return fmt.Sprintf("%s, 95 %% %s, n=%d", s.Median.Format(s.Unit), s.IntervalWords(), len(s.Values))
}

// IntervalWords is the interval, or "none".
func (s Summary) IntervalWords() string {
	if s.Interval == nil {
		return "none"
	}
	return s.Interval.Format(s.Unit)
}
