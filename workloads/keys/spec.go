package keys

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// The names of the distributions.
const (
	Uniform     = "uniform"
	Zipfian     = "zipfian"
	Latest      = "latest"
	Hotspot     = "hotspot"
	Sequential  = "sequential"
	Exponential = "exponential"
)

// Names are the distributions, the default first.
func Names() []string { return []string{Uniform, Zipfian, Latest, Hotspot, Sequential, Exponential} }

// Spec is what a plan says of a distribution. Zeros stand for the defaults, which
// are YCSB's.
type Spec struct {
	Name       string  // one of Names
	Theta      float64 // zipfian, latest: the exponent
	Keys       float64 // percent; hotspot: how many are hot; exponential: how many get the percentile
	Operations float64 // percent; hotspot: the share of the hot keys
	Percentile float64 // exponential: the share of the first keys
}

// Bounds of a spec's numbers.
const (
	minTheta, maxTheta = 0.01, 10
	minPercent         = 0.0001
	maxPercentile      = 99.999
)

func (s Spec) theta() float64         { return cmp.Or(s.Theta, 0.99) }
func (s Spec) hotKeys() float64       { return cmp.Or(s.Keys, 20) }
func (s Spec) hotOperations() float64 { return cmp.Or(s.Operations, 80) }
func (s Spec) percentile() float64    { return cmp.Or(s.Percentile, 95) }
func (s Spec) frontKeys() float64     { return cmp.Or(s.Keys, 85.71) }

// Key is the row of a distribution in the table of something that has one. It is
// written as a word, or as a map where it has more to say.
func Key[T any](byDefault, meaning string, at func(*T) *Spec) schema.Key[T] {
	return schema.Group(schema.Field{Name: "distribution", Short: "name", Example: "{name: zipfian, theta: 1.2}", Meaning: meaning}, rows(byDefault), at)
}

func rows(byDefault string) []schema.Key[Spec] {
	return []schema.Key[Spec]{
		{Field: schema.Field{Name: "name", Type: schema.Word, Words: Names(), Default: byDefault,
			Meaning: "zipfian has few hot keys; latest writes one key after the other and reads most those written last; hotspot has a share of hot keys; sequential goes through the keys; exponential has more operations towards the last keys"},
			At: func(s *Spec) any { return &s.Name }},
		{Field: schema.Field{Name: "theta", Type: schema.Number, Min: minTheta, Max: maxTheta, Absent: "0.99", Example: "1.2",
			Meaning: "zipfian, latest: the exponent; the r-th most frequent key is chosen with a chance proportional to 1/r^theta"},
			At: func(s *Spec) any { return &s.Theta }},
		{Field: schema.Field{Name: "keys", Type: schema.Percent, Min: minPercent, Max: 100, Absent: "hotspot: 20%, exponential: 85.71%", Example: "20%",
			Meaning: "hotspot: how many of the keys are hot; exponential: how many get percentile of the operations"},
			At: func(s *Spec) any { return &s.Keys }},
		{Field: schema.Field{Name: "operations", Type: schema.Percent, Min: minPercent, Max: 100, Absent: "80%", Example: "80%",
			Meaning: "hotspot: the part of the operations that the hot keys get"},
			At: func(s *Spec) any { return &s.Operations }},
		{Field: schema.Field{Name: "percentile", Type: schema.Number, Min: minPercent, Max: maxPercentile, Absent: "95", Example: "95",
			Meaning: "exponential: the percent of the operations that the given part of the keys gets"},
			At: func(s *Spec) any { return &s.Percentile }},
	}
}

// users are the distributions that have a number, by its name in a plan.
var users = []struct {
	key   string
	given func(Spec) bool
	of    []string
}{
	{"theta", func(s Spec) bool { return s.Theta != 0 }, []string{Zipfian, Latest}},
	{"keys", func(s Spec) bool { return s.Keys != 0 }, []string{Hotspot, Exponential}},
	{"operations", func(s Spec) bool { return s.Operations != 0 }, []string{Hotspot}},
	{"percentile", func(s Spec) bool { return s.Percentile != 0 }, []string{Exponential}},
}

// Check says what is wrong with a spec; its words begin with the key.
func (s Spec) Check() error {
	if !slices.Contains(Names(), s.Name) {
		return fmt.Errorf("distribution is %q: %s", s.Name, spelling.DidYouMean(s.Name, Names()))
	}
	for _, u := range users {
		if u.given(s) && !slices.Contains(u.of, s.Name) {
			return fmt.Errorf("distribution is %s, which has no %s; take it away, or use %s", s.Name, u.key, strings.Join(u.of, " or "))
		}
	}
	for _, slot := range schema.Slots(rows(Uniform), &s) {
		if slot.Empty() {
			continue
		}
		if m := slot.Check(slot.Name); m != nil {
			return fmt.Errorf("distribution: %s; %s", m.Message, m.Remedy)
		}
	}
	return nil
}
