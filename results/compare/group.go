// Package compare tells what several runs of one plan say together, and whether
// two such groups differ: medians with rank-based intervals, the Mann–Whitney U
// test with Holm's correction, effect sizes. It is pure; groups on disk are
// rundir's.
//
// A value that is known in part (checkers.Value with bounds) is a Range here and
// stays one: whatever is said of it holds for every value within.
package compare

import (
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// Group is several runs of the same thing, in the order of their rounds.
type Group struct {
	Name     string             // what it is called in tables
	Settings []results.Setting  // what it has of the plan's varied values; nil: the plan varies nothing
	Runs     []*results.Verdict // complete runs only
}

// Label is the settings in words: "target.replicas=2 base=head"; empty without.
func Label(settings []results.Setting) string {
	words := make([]string, len(settings))
	for i, s := range settings {
		words[i] = s.Path + "=" + s.Value
	}
	return strings.Join(words, " ")
}

// Range is what is known of a number: it lies between Least and Most, which are
// equal where it is exact, and infinite where there is no bound.
type Range struct{ Least, Most float64 }

// Exact tells whether the number is known.
func (r Range) Exact() bool { return r.Least == r.Most }

// MarshalJSON writes a bound that is missing as null.
func (r Range) MarshalJSON() ([]byte, error) {
	bound := func(n float64) *float64 {
		if math.IsInf(n, 0) || math.IsNaN(n) {
			return nil
		}
		return &n
	}
	return json.Marshal(struct {
		Least *float64 `json:"least"`
		Most  *float64 `json:"most"`
	}{bound(r.Least), bound(r.Most)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Range) UnmarshalJSON(text []byte) error {
	var bounds struct{ Least, Most *float64 }
	if err := json.Unmarshal(text, &bounds); err != nil {
		return err
	}
	*r = Range{math.Inf(-1), math.Inf(1)}
	if bounds.Least != nil {
		r.Least = *bounds.Least
	}
	if bounds.Most != nil {
		r.Most = *bounds.Most
	}
	return nil
}

// Format shows a range in a unit: 3, at least 3, 3 to 73, unknown.
func (r Range) Format(unit checkers.Unit) string {
	if math.IsInf(r.Least, -1) && !math.IsInf(r.Most, 1) {
		return "at most " + checkers.FormatValue(unit, r.Most)
	}
	low, high := checkers.FormatValue(unit, r.Least), checkers.FormatValue(unit, r.Most)
	switch {
	case math.IsInf(r.Least, -1) || math.IsNaN(r.Least) || math.IsNaN(r.Most):
		return "unknown"
	case math.IsInf(r.Most, 1):
		return "at least " + low
	case low == high:
		return low // what they differ in is less than is shown
	}
	return low + " to " + high
}

// sample is what the runs of a group measured of one fact.
type sample []Range

func (s sample) least() []float64 {
	all := make([]float64, len(s))
	for i, r := range s {
		all[i] = r.Least
	}
	return all
}

func (s sample) most() []float64 {
	all := make([]float64, len(s))
	for i, r := range s {
		all[i] = r.Most
	}
	return all
}

// sampleOf is a fact in all runs; a run that does not have it knows nothing of it.
func (g Group) sampleOf(fact string) sample {
	all := make(sample, len(g.Runs))
	for i, run := range g.Runs {
		all[i] = Range{math.Inf(-1), math.Inf(1)}
		if at := slices.IndexFunc(run.Values, func(v results.FactValue) bool { return v.Name == fact }); at >= 0 {
			least, most := run.Values[at].Bounds()
			all[i] = Range{least, most}
		}
	}
	return all
}

// facts are those that some run of the groups measured, in the order of the
// first run that has them.
func facts(groups ...Group) []checkers.Fact {
	var all []checkers.Fact
	known := map[string]bool{}
	for _, g := range groups {
		for _, run := range g.Runs {
			for _, v := range run.Values {
				if known[v.Name] {
					continue
				}
				known[v.Name] = true
				fact, _ := claims.LookupFact(v.Name)
				fact.Name, fact.Unit = v.Name, v.Unit
				fact.Better = fact.Direction()
				all = append(all, fact)
			}
		}
	}
	return all
}
