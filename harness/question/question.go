// Package question is what a plan asks of a study: a sentence that people
// believe, the facts to show of each variant, and the decisions by which the
// measurements say whether the sentence holds. The keys of a plan's `study` are
// told here once; the plan language reads, writes and checks them.
package question

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Study is a plan's `study`.
type Study struct {
	Sentence int               // number of the sentence in docs/replicas.md; 0: of none
	Says     string            // the sentence; empty: the plan is no study
	Shows    []string          // facts that are the columns of the table; empty: those that are decided on
	At       float64           // percent of the limit that was found, at which each variant then runs; 0: the plan's own rate
	Search   time.Duration     // measured phase of each run of the search; 0: the plan's duration
	Runs     int               // of each variant at At, without the plan's faults and with them; 0: one
	Decide   []Decision        // what the measurements have to say of the sentence
	Except   map[string]string // targets that the sentence is not asked of, each with the reason
	Quick    Quick
}

// Quick is what is otherwise in a study that has to be quick. It makes only the
// variants that a decision is about.
type Quick struct {
	Set    map[string]string // by path, as --set
	Repeat int               // rounds, or runs of each variant at At; 0: as the plan says
}

// Decision asks one thing of the measurements: either how a fact changes from one
// value of a varied path to another, or how often a claim is true.
type Decision struct {
	Says   string            // in words
	Fact   string            // that changes
	Across string            // the varied path
	From   string            // its value in the runs that are compared with
	To     string            // its value in the runs that are compared
	Under  map[string]string // values of other varied paths, of all runs of the decision
	Claim  string            // in place of Fact: an expression over the facts of one run
	Expect string            // one of Changes, or of a claim one of Often
	By     float64           // percent; what differs by less is the same
	Of     string            // which runs, of a study with At: one of Kinds
}

// What a fact is expected to do.
const (
	Rises   = "rises"
	Falls   = "falls"
	Same    = "same"
	Differs = "differs"
)

// How often a claim is expected to be true.
const (
	Always    = "always"
	Sometimes = "sometimes"
)

// The runs of a study with At.
const (
	Limit  = "limit"  // the search for the greatest rate
	Steady = "steady" // at a share of it, without faults
	Killed = "killed" // the same with the plan's faults
)

// MaxRate is called what a search for the greatest rate comes to, in Shows and
// Decision.Fact.
const MaxRate = "max.rate"

// OneLess is the last third of the measured phase of a Killed run: a phase of the
// load, by which facts are called (load.one-less.throughput).
const OneLess = "one-less"

// The words that expectations and kinds of runs can be.
var (
	Changes = []string{Rises, Falls, Same, Differs}
	Often   = []string{Always, Sometimes}
	Kinds   = []string{Limit, Steady, Killed}
)

// DefaultBy is what Decision.By is where it is left out, in percent.
const DefaultBy = 10.

const (
	sentences   = 10
	maxShows    = 24
	maxDecide   = 24
	maxRuns     = 100
	decideShort = "{fact: latency.write.p50, across: target.replicas, from: 0, to: 2, expect: rises}"
)

// Asked tells whether the plan is a study's.
func (s Study) Asked() bool { return s.Says != "" }

// Keys are those of a plan's `study`.
func Keys() []schema.Key[Study] {
	return []schema.Key[Study]{
		{Field: schema.Field{Name: "says", Type: schema.Text, Absent: "the plan is no study", Example: "synchronous replicas cost write latency",
			Meaning: "the sentence that `aftershock study` tests"},
			At: func(s *Study) any { return &s.Says }},
		{Field: schema.Field{Name: "sentence", Type: schema.Whole, Max: sentences, Absent: "none", Example: "4",
			Meaning: "number of the sentence in docs/replicas.md"},
			At: func(s *Study) any { return &s.Sentence }},
		{Field: schema.Field{Name: "shows", Type: schema.List, Of: schema.Text, Max: maxShows, Absent: "those that are decided on", Example: "[latency.write.p50, lag.p99]",
			Meaning: "facts that are the columns of the table and the pictures of the page; max.rate is what find comes to"},
			At: func(s *Study) any { return &s.Shows }},
		{Field: schema.Field{Name: "at", Type: schema.Percent, Min: 1, Max: 100, Absent: "every run at the plan's rate", Example: "70%",
			Meaning: "with find: each variant then runs at this share of the greatest rate, first without the plan's faults (steady) and then with them (killed), whose last third is the phase one-less of the load"},
			At: func(s *Study) any { return &s.At }},
		{Field: schema.Field{Name: "search", Type: schema.Duration, Max: float64(24 * time.Hour), Absent: "the plan's duration", Example: "5s",
			Meaning: "with at: the measured phase of the runs that search for the greatest rate"},
			At: func(s *Study) any { return &s.Search }},
		{Field: schema.Field{Name: "runs", Type: schema.Whole, Min: 1, Max: maxRuns, Absent: "1", Example: "6",
			Meaning: "with at: how often each variant runs steady and killed"},
			At: func(s *Study) any { return &s.Runs }},
		{Field: schema.Field{Name: "decide", Type: schema.List, Max: maxDecide, Absent: "the table decides nothing", Example: "[" + decideShort + "]", Fields: schema.Fields(DecisionKeys()),
			Meaning: "what the measurements have to say of the sentence"},
			At: func(s *Study) any { return &s.Decide }},
		{Field: schema.Field{Name: "except", Type: schema.Map, Of: schema.Text, Absent: "nothing is told of other targets", Example: "{memcached: caches do not replicate}",
			Meaning: "targets that the sentence is not asked of, each with the reason"},
			At: func(s *Study) any { return &s.Except }},
		schema.Group(schema.Field{Name: "quick", Example: "{repeat: 4, set: {duration: 2s}}",
			Meaning: "what is otherwise with --quick, which makes only the variants that a decision is about"},
			quickKeys(), func(s *Study) *Quick { return &s.Quick }),
	}
}

func quickKeys() []schema.Key[Quick] {
	return []schema.Key[Quick]{
		{Field: schema.Field{Name: "set", Type: schema.Map, Of: schema.Text, Absent: "the plan's own values", Example: "{duration: 2s}",
			Meaning: "paths of this plan, each with its value"},
			At: func(q *Quick) any { return &q.Set }},
		{Field: schema.Field{Name: "repeat", Type: schema.Whole, Min: 1, Max: maxRuns, Absent: "as the plan says", Example: "4",
			Meaning: "rounds, or with at runs of each variant; 4 are the fewest of which a difference can be certain"},
			At: func(q *Quick) any { return &q.Repeat }},
	}
}

// DecisionKeys are those of an entry of decide.
func DecisionKeys() []schema.Key[Decision] {
	return []schema.Key[Decision]{
		{Field: schema.Field{Name: "says", Type: schema.Text, Absent: "what is expected", Example: "the median write takes longer",
			Meaning: "what is decided, in words"},
			At: func(d *Decision) any { return &d.Says }},
		{Field: schema.Field{Name: "fact", Type: schema.Text, Absent: "claim", Example: "latency.write.p50",
			Meaning: "the fact that changes"},
			At: func(d *Decision) any { return &d.Fact }},
		{Field: schema.Field{Name: "across", Type: schema.Text, Absent: "with claim: nothing", Example: "target.replicas",
			Meaning: "the varied path with which it changes"},
			At: func(d *Decision) any { return &d.Across }},
		{Field: schema.Field{Name: "from", Type: schema.Text, Absent: "with claim: nothing", Example: "0",
			Meaning: "the path's value in the runs that are compared with"},
			At: func(d *Decision) any { return &d.From }},
		{Field: schema.Field{Name: "to", Type: schema.Text, Absent: "with claim: nothing", Example: "2",
			Meaning: "the path's value in the runs that are compared"},
			At: func(d *Decision) any { return &d.To }},
		{Field: schema.Field{Name: "claim", Type: schema.Text, Absent: "fact", Example: "writes.lost == 0",
			Meaning: "in place of a fact: an expression over the facts of one run"},
			At: func(d *Decision) any { return &d.Claim }},
		{Field: schema.Field{Name: "expect", Type: schema.Word, Words: slices.Concat(Changes, Often), Required: true, Example: Rises,
			Meaning: "what a fact does (rises, falls, same, differs), or how often a claim is true (always, sometimes)"},
			At: func(d *Decision) any { return &d.Expect }},
		{Field: schema.Field{Name: "under", Type: schema.Map, Of: schema.Text, Absent: "all variants", Example: "{target.options.replication: sync}",
			Meaning: "values of varied paths that the runs of the decision have"},
			At: func(d *Decision) any { return &d.Under }},
		{Field: schema.Field{Name: "by", Type: schema.Percent, Min: 0.1, Max: 1000, Absent: "10%", Example: "10%",
			Meaning: "a fact that certainly differs by less is the same"},
			At: func(d *Decision) any { return &d.By }},
		{Field: schema.Field{Name: "of", Type: schema.Word, Words: Kinds, Absent: "with at: of max.rate limit, else steady", Example: Killed,
			Meaning: "with at: which runs the decision is about"},
			At: func(d *Decision) any { return &d.Of }},
	}
}

// Normal is the study with nothing in the place of what is empty, so that equal
// ones are equal values.
func (s Study) Normal() Study {
	orNil := func(m map[string]string) map[string]string {
		if len(m) == 0 {
			return nil
		}
		return m
	}
	s.Except, s.Quick.Set = orNil(s.Except), orNil(s.Quick.Set)
	if len(s.Shows) == 0 {
		s.Shows = nil
	}
	s.Decide = slices.Clone(s.Decide)
	for i := range s.Decide {
		s.Decide[i].Under = orNil(s.Decide[i].Under)
	}
	return s
}

// Clone is a copy that shares nothing with the study.
func (s Study) Clone() Study {
	s.Shows, s.Except, s.Quick.Set, s.Decide = slices.Clone(s.Shows), maps.Clone(s.Except), maps.Clone(s.Quick.Set), slices.Clone(s.Decide)
	for i := range s.Decide {
		s.Decide[i].Under = maps.Clone(s.Decide[i].Under)
	}
	return s
}

// Facts are those that the decision is about, but for MaxRate.
func (d Decision) Facts() []string {
	if d.Claim == "" {
		return slices.DeleteFunc([]string{d.Fact}, func(name string) bool { return name == MaxRate || name == "" })
	}
	claim, err := claims.ParseClaim(d.Claim)
	if err != nil {
		return nil
	}
	return claim.Facts()
}

// RunsOf is the kind of runs that a decision is about; empty in a study without At.
func (s Study) RunsOf(d Decision) string {
	switch {
	case s.At == 0:
		return ""
	case d.Of != "":
		return d.Of
	case d.Fact == MaxRate:
		return Limit
	}
	return Steady
}

// Matches tells whether a variant is one of the decision's runs: of the two that
// are compared, of a change.
func (d Decision) Matches(setting func(path string) string) bool {
	for path, value := range d.Under {
		if setting(path) != value {
			return false
		}
	}
	return d.Claim != "" || setting(d.Across) == d.From || setting(d.Across) == d.To
}

// Words is the decision in words.
func (d Decision) Words() string {
	switch {
	case d.Says != "":
		return d.Says
	case d.Claim != "":
		return d.Claim + " " + d.Expect
	case d.Expect == Same:
		return d.Fact + " stays the same"
	}
	return d.Fact + " " + d.Expect
}

// Wrong is a mistake of a study, with its path below `study`.
type Wrong struct{ Path, Message, Remedy string }

// Check finds the mistakes that the study shows by itself; varied are the values
// of each varied path, and searched whether the plan searches for a limit.
func (s Study) Check(varied map[string][]string, searched bool) []Wrong {
	if !s.Asked() {
		if s.Sentence != 0 || len(s.Decide) > 0 || len(s.Shows) > 0 || s.At != 0 || s.Runs != 0 || len(s.Except) > 0 {
			return []Wrong{{"", "the study does not say its sentence", `add says: "more replicas cost more"`}}
		}
		return nil
	}
	var found []Wrong
	switch {
	case s.At != 0 && !searched:
		found = append(found, Wrong{"at", "at is a share of the greatest rate, and nothing searches for it", "add find: max-rate"})
	case s.At == 0 && searched:
		found = append(found, Wrong{"", "find is a study's only with at, the share of the limit to run at", "add at: 70%"})
	case s.At == 0 && s.Search != 0:
		found = append(found, Wrong{"search", "search is for a study with at", "take it away"})
	case s.At == 0 && s.Runs != 0:
		found = append(found, Wrong{"runs", "runs is for a study with at", "use the plan's repeat"})
	}
	for i, d := range s.Decide {
		if w := d.check(s, varied); w.Message != "" {
			w.Path = strings.TrimSuffix(fmt.Sprintf("decide.%d.%s", i, w.Path), ".")
			found = append(found, w)
		}
	}
	return found
}

func (d Decision) check(s Study, varied map[string][]string) Wrong {
	paths := make([]string, 0, len(varied))
	for path := range varied {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	value := func(key, path, value string) Wrong {
		values, ok := varied[path]
		switch {
		case !ok && len(paths) == 0:
			return Wrong{key, "the plan varies nothing", "add vary: {target.replicas: [0, 2]}"}
		case !ok:
			return Wrong{key, fmt.Sprintf("the plan does not vary %q", spelling.Short(path)), spelling.DidYouMean(path, paths)}
		case !slices.Contains(values, value):
			return Wrong{key, fmt.Sprintf("%s does not vary to %q", path, spelling.Short(value)), "its values are " + strings.Join(values, ", ")}
		}
		return Wrong{}
	}
	switch {
	case (d.Claim == "") == (d.Fact == ""):
		return Wrong{"", "a decision is about either a fact or a claim", "e.g. " + decideShort}
	case d.Claim != "" && (d.Across != "" || d.From != "" || d.To != ""):
		return Wrong{"across", "a claim is about each run, not about a change", "say under which values, with under"}
	case d.Claim != "" && !slices.Contains(Often, d.Expect):
		return Wrong{"expect", fmt.Sprintf("a claim is true always or sometimes, not %q", spelling.Short(d.Expect)), "write expect: always"}
	case d.Claim == "" && !slices.Contains(Changes, d.Expect):
		return Wrong{"expect", fmt.Sprintf("a fact cannot be expected to be %q", spelling.Short(d.Expect)), "write one of " + strings.Join(Changes, ", ")}
	case d.From == d.To && d.Claim == "":
		return Wrong{"to", "a decision compares two values of across", "give another from or to"}
	case d.Of != "" && s.At == 0:
		return Wrong{"of", "of is for a study with at", "take it away"}
	case d.Fact == MaxRate && s.At == 0:
		return Wrong{"fact", "max.rate is what find comes to", "add find: max-rate, and at"}
	case (d.Fact == MaxRate) != (s.RunsOf(d) == Limit):
		return Wrong{"of", "of a search only max.rate is known", "take of away"}
	}
	for path, v := range d.Under {
		if w := value("under", path, v); w.Message != "" {
			return w
		}
	}
	if d.Claim != "" {
		if _, err := claims.ParseClaim(d.Claim); err != nil {
			return Wrong{"claim", err.Error(), ""}
		}
		return Wrong{}
	}
	if w := value("from", d.Across, d.From); w.Message != "" {
		return w
	}
	return value("to", d.Across, d.To)
}
