package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// Find is a plan's `find`: a limit of the system to search for.
type Find struct {
	Max    string  // "rate"; empty: nothing is searched for
	From   float64 // operations per second, of all workloads but lag's; 0: DefaultFrom
	To     float64 // 0: DefaultTo
	Within float64 // percent that the ends of the answer may differ by; 0: DefaultWithin
}

// What holds where a find leaves its keys out.
const (
	DefaultFrom   = 100.
	DefaultTo     = 100_000.
	DefaultWithin = 5.
)

// findShort is a find in one word.
const findShort = "max-rate"

// The bounds of what can be searched.
const (
	leastFind   = 1.
	mostFind    = 10_000_000.
	leastWithin = 1.
	mostWithin  = 100.
)

func findKeys() []schema.Key[Find] {
	return []schema.Key[Find]{
		{Field: schema.Field{Name: "max", Type: schema.Text, Absent: "nothing is searched for", Example: "rate",
			Meaning: "of what the greatest is searched for; there is only rate, the operations per second of all workloads but lag"},
			At: func(f *Find) any { return &f.Max }},
		{Field: schema.Field{Name: "from", Type: schema.Rate, Min: leastFind, Max: mostFind, Absent: "100/s",
			Meaning: "the first rate that is tried; where not even this one holds, the search ends"},
			At: func(f *Find) any { return &f.From }},
		{Field: schema.Field{Name: "to", Type: schema.Rate, Min: leastFind, Max: mostFind, Absent: "100000/s",
			Meaning: "the greatest rate that is tried"},
			At: func(f *Find) any { return &f.To }},
		{Field: schema.Field{Name: "within", Type: schema.Percent, Min: leastWithin, Max: mostWithin, Absent: "5%",
			Meaning: "how far the greatest rate that held and the least one that did not may be apart"},
			At: func(f *Find) any { return &f.Within }},
	}
}

// spellFindOut writes a find of one word as the map that it stands for.
func (s *source) spellFindOut() {
	key, ok := s.tree.Child("find")
	if !ok || key.Value.Kind != yamltree.Scalar {
		return
	}
	of, short := strings.CutPrefix(key.Value.Text, "max-")
	if !short {
		return // the decoder says what is wrong
	}
	at := key.Value.Place
	key.Value = &yamltree.Node{Place: at, Kind: yamltree.Map, Keys: []yamltree.Key{{Place: at, Name: "max", Value: &yamltree.Node{Place: at, Text: of}}}}
}

// Asked tells whether something is searched for.
func (f Find) Asked() bool { return f.Max != "" }

// Filled has the defaults in place of what is left out.
func (f Find) Filled() Find {
	for _, d := range []struct {
		to    *float64
		value float64
	}{{&f.From, DefaultFrom}, {&f.To, DefaultTo}, {&f.Within, DefaultWithin}} {
		if *d.to == 0 {
			*d.to = d.value
		}
	}
	return f
}

// checkFind checks that the search has a limit to find.
func (p *Plan) checkFind() []*Error {
	f := p.Find.Filled()
	switch {
	case !p.Find.Asked() && p.Find == Find{}:
		return nil
	case p.Find.Max != "rate":
		return []*Error{p.wrong("find.max", fmt.Sprintf("find cannot search for the greatest %q", p.Find.Max), "write find: max-rate")}
	case p.Repeat > 1:
		return []*Error{p.wrong("repeat", "find makes as many runs as it needs, and cannot be repeated", "take repeat away, or find")}
	case len(p.Claims) == 0:
		return []*Error{p.wrong("find", "find has no claim that a rate could violate", `say what has to hold, e.g. claims: ["latency.write.p99 < 20ms"]`)}
	case f.From >= f.To:
		return []*Error{p.wrong("find.from", fmt.Sprintf("find searches from %s to %s", spell(f.From), spell(f.To)), "give a lower from or a greater to")}
	}
	loads := p.loads()
	if len(loads) == 0 {
		return []*Error{p.wrong("find", "the plan has no workload whose rate could be raised", "add one besides lag, e.g. {name: register}")}
	}
	if len(loads) > 1 && slices.ContainsFunc(loads, func(i int) bool { return p.Workloads[i].Rate == 0 }) {
		return []*Error{p.wrong("find", "find cannot tell how the rate is shared out among the workloads", "give each workload a rate: their proportions are kept")}
	}
	if p.Target.Replicas > 0 && p.couldLag() && !p.watchesLag() {
		return []*Error{p.wrong("find", "nothing watches whether the replicas keep up", "add {name: lag} to workloads")}
	}
	for _, rate := range []float64{f.From, f.To} {
		for _, w := range p.WithRate(rate).Workloads {
			if _, err := workloads.New(w); err != nil {
				return []*Error{p.wrong("find", fmt.Sprintf("at %s: %s", spell(rate), err), "give another from or to")}
			}
		}
	}
	return nil
}

// loads are the numbers of the workloads that have a rate.
func (p *Plan) loads() []int {
	var all []int
	for i, w := range p.Workloads {
		if workloads.ObjectOf(w.Type) != history.ObjectMarker {
			all = append(all, i)
		}
	}
	return all
}

func (p *Plan) watchesLag() bool {
	return slices.ContainsFunc(p.Workloads, func(w workloads.Spec) bool { return workloads.ObjectOf(w.Type) == history.ObjectMarker })
}

// couldLag tells whether the target can show its replicas' lag to clients.
func (p *Plan) couldLag() bool {
	t, ok := p.System()
	if !ok {
		return p.unknownTarget()
	}
	kinds := t.Info().Kinds
	return slices.Contains(kinds, history.Mark) && slices.Contains(kinds, history.Poll)
}

// WithRate is the plan of one run of a search: so many operations per second over
// its workloads, in the proportions of their own rates, and nothing to search for.
func (p *Plan) WithRate(rate float64) *Plan {
	c := p.Clone()
	c.Find = Find{}
	sum, loads := 0., p.loads()
	for _, i := range loads {
		sum += p.Workloads[i].Rate
	}
	for _, i := range loads {
		c.Workloads[i].Rate = rate
		if sum > 0 {
			c.Workloads[i].Rate = rate * p.Workloads[i].Rate / sum
		}
	}
	return c
}

// Longer is the plan with a measured phase of so many times the length. Faults
// keep their instants.
func (p *Plan) Longer(times int) *Plan {
	c := p.Clone()
	c.Duration = min(c.Duration*time.Duration(times), time.Duration(longest))
	return c
}

// Once is the plan of one of its runs: nothing is repeated or searched for.
func (p *Plan) Once() *Plan {
	c := p.Clone()
	c.Repeat, c.Find = 0, Find{}
	return c
}

// Rounds is how often every variant runs.
func (p *Plan) Rounds() int { return max(1, p.Repeat) }

func spell(rate float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.0f", math.Round(rate)), ".") + "/s"
}
