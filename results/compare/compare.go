package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// Answer is what a comparison says of one fact.
type Answer string

const (
	Better   Answer = "better"
	Worse    Answer = "worse"
	Same     Answer = "no difference" // none that so many runs can show
	NoAnswer Answer = "no answer"     // what is known of the values allows both
	Untested Answer = "not tested"
)

// Options change what is compared. The zero value is what most want.
type Options struct {
	Alpha     float64  // how often two groups that are the same may be told apart; 0: 0.05
	Tolerance float64  // of the ratio of medians, by which a fact may be worse; 0.05 is 5 %
	Facts     []string // to be tested; nil: those that the plans claim and Headline
	All       bool     // every fact that has a better side is tested
}

// Row is one fact in two groups.
type Row struct {
	Fact   string          `json:"fact"`
	Unit   checkers.Unit   `json:"unit"`
	Better checkers.Better `json:"better"`
	Base   Summary         `json:"base"`
	Head   Summary         `json:"head"`
	Answer Answer          `json:"answer"`
	Past   bool            `json:"past_tolerance,omitempty"` // worse, and by more than is tolerated
	Why    string          `json:"why,omitempty"`

	P        *Range `json:"p,omitempty"`      // of the test; nil: not tested
	Holm     *Range `json:"p_holm,omitempty"` // corrected for the number of tests
	Ratio    *Range `json:"ratio,omitempty"`  // head's median over base's
	Shift    Range  `json:"shift"`            // Hodges–Lehmann, in the fact's unit
	Biserial Range  `json:"rank_biserial"`    // -1 to 1: all of head below, above base
}

// Comparison is two groups, fact by fact.
type Comparison struct {
	Base     string   `json:"base"`
	Head     string   `json:"head"`
	Runs     [2]int   `json:"runs"`
	Tested   int      `json:"tested"` // facts, over which Holm's correction is
	Alpha    float64  `json:"alpha"`
	Warnings []string `json:"warnings,omitempty"`
	Rows     []Row    `json:"facts"` // those that were tested first
}

// Worse tells whether a fact is worse by more than is tolerated.
func (c *Comparison) Worse() bool {
	return slices.ContainsFunc(c.Rows, func(r Row) bool { return r.Past })
}

// Compare compares two groups of one plan; see SamePlan.
func Compare(base, head Group, o Options) *Comparison {
	if o.Alpha == 0 {
		o.Alpha = 0.05
	}
	c := &Comparison{Base: base.Name, Head: head.Name, Runs: [2]int{len(base.Runs), len(head.Runs)}, Alpha: o.Alpha, Warnings: differences(base, head)}
	var tests []*Row
	all := facts(base, head)
	c.Rows = make([]Row, 0, len(all))
	chosen := o.chosen(base, head, all)
	for _, fact := range inOrder(all, chosen) {
		b, h := base.sampleOf(fact.Name), head.sampleOf(fact.Name)
		t := testOf(b, h)
		row := Row{Fact: fact.Name, Unit: fact.Unit, Better: fact.Better, Base: summarize(fact, b), Head: summarize(fact, h),
			Answer: Untested, Shift: shift(b, h), Biserial: t.biserial}
		if r, ok := ratio(row.Base.Median, row.Head.Median); ok {
			row.Ratio = &r
		}
		c.Rows = append(c.Rows, row)
		last := &c.Rows[len(c.Rows)-1]
		switch {
		case !slices.Contains(chosen, fact.Name):
		case row.Base.Unknown == len(b) || row.Head.Unknown == len(h):
			last.Answer, last.Why = NoAnswer, "it is unknown in all runs of a group"
		case constant(b, h):
			last.Answer, last.Why = Same, "it is the same in all runs"
		default:
			last.P = &t.p
			tests = append(tests, last)
		}
	}
	c.Tested = len(tests)
	decide(tests, o)
	if power(c.Runs[0], c.Runs[1], len(tests)) > o.Alpha && len(tests) > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d and %d runs are too few to tell %d facts apart: make more runs (repeat) or test fewer facts", c.Runs[0], c.Runs[1], len(tests)))
	}
	return c
}

// decide corrects the p-values and answers. What holds for the greatest p-value
// that the bounds allow is certain, and so is what fails for the least.
func decide(tests []*Row, o Options) {
	var least, most []float64
	for _, r := range tests {
		least, most = append(least, r.P.Least), append(most, r.P.Most)
	}
	least, most = holm(least), holm(most)
	for i, r := range tests {
		r.Holm = &Range{least[i], most[i]}
		switch {
		case most[i] < o.Alpha:
			r.Answer = Better
			if r.Biserial.Least > 0 == (r.Better == checkers.Lower) {
				r.Answer = Worse
			}
			r.Past = r.Answer == Worse && r.past(o.Tolerance)
			if r.Answer == Worse && !r.Past {
				r.Why = "by less than is tolerated"
			}
		case least[i] >= o.Alpha:
			r.Answer = Same
		default:
			r.Answer, r.Why = NoAnswer, "what is known of its values allows both a difference and none"
		}
	}
}

// past tells whether the medians certainly differ by more than a share.
func (r *Row) past(tolerance float64) bool {
	base, head := r.Base.Median, r.Head.Median
	if r.Better == checkers.Lower {
		return head.Least > base.Most*(1+tolerance) || base.Most <= 0 && head.Least > base.Most
	}
	return head.Most < base.Least*(1-tolerance)
}

// constant tells whether a fact is known and the same in all runs. A test of it
// could never find a difference, so it takes no part in the correction (Tarone,
// A Modified Bonferroni Method for Discrete Data, 1990).
func constant(base, head sample) bool {
	all := slices.Concat(base, head)
	for _, r := range all {
		if !r.Exact() || r != all[0] {
			return false
		}
	}
	return len(all) > 0
}

// power is the least p-value, corrected, that groups of these sizes can have.
func power(n, m, tests int) float64 {
	choose := 1.0
	for i := range min(n, m) {
		choose *= float64(n+m-i) / float64(i+1)
	}
	return min(1, 2/choose*float64(tests))
}

// Headline are the facts that are tested besides those that the plans claim, as
// the table has them: what a run is for, not every percentile of it, since each
// further test takes from the others' power.
var Headline = []string{
	"ops.rate", "errors.rate", "latency.<kind>.p50", "latency.<kind>.p99", "lag.p50", "lag.p99", "availability.write_gap.max",
	"failover.max", "recovery.time", "writes.lost", "set.lost", "queue.lost", "append.lost", "counter.lost", "reads.stale_ratio",
	"load.dropped", "cost.cpu.per_write", "cost.network.per_write", "cost.disk.per_write", "rto.client.write", "rto.client.read", "rpo.ops",
}

// Rank is a fact's place in Headline; their number for those that are not there.
func Rank(name string) int {
	pattern := claims.PatternOf(name)
	if at := slices.IndexFunc(Headline, func(h string) bool { return h == name || h == pattern }); at >= 0 {
		return at
	}
	return len(Headline)
}

// Claimed are the facts that the plans of runs claim something of, in their order.
func Claimed(runs ...*results.Verdict) []string {
	var all []string
	for _, run := range runs {
		for _, result := range run.Claims {
			if claim, err := claims.ParseClaim(result.Claim); err == nil {
				all = append(all, claim.Facts()...)
			}
		}
	}
	return all
}

// chosen are the facts to test.
func (o Options) chosen(base, head Group, all []checkers.Fact) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range o.Facts {
		add(name)
	}
	if len(o.Facts) > 0 {
		return names
	}
	for _, name := range Claimed(slices.Concat(base.Runs, head.Runs)...) {
		add(name)
	}
	for _, fact := range all {
		if unknown(fact.Name, base, head) {
			continue
		}
		if o.All || Rank(fact.Name) < len(Headline) {
			add(fact.Name)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(all, func(f checkers.Fact) bool { return f.Name == name && f.Better == checkers.Neither })
	})
}

// unknown tells whether no run knows anything of a fact.
func unknown(fact string, groups ...Group) bool {
	for _, g := range groups {
		for _, r := range g.sampleOf(fact) {
			if !math.IsInf(r.Least, -1) || !math.IsInf(r.Most, 1) {
				return false
			}
		}
	}
	return true
}

// inOrder has the chosen facts first.
func inOrder(all []checkers.Fact, chosen []string) []checkers.Fact {
	all = slices.Clone(all)
	place := func(f checkers.Fact) int {
		if i := slices.Index(chosen, f.Name); i >= 0 {
			return i
		}
		return len(chosen)
	}
	slices.SortStableFunc(all, func(a, b checkers.Fact) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return compareText(a.Name, b.Name)
	})
	return all
}

func compareText(a, b string) int { return strings.Compare(a, b) }

// differences are what two groups do not share besides the plan.
func differences(base, head Group) []string {
	var warnings []string
	note := func(what, b, h string) {
		if b != h {
			warnings = append(warnings, fmt.Sprintf("%s differs: %s and %s", what, orUnknown(b), orUnknown(h)))
		}
	}
	if len(base.Runs) == 0 || len(head.Runs) == 0 {
		return nil
	}
	b, h := base.Runs[0], head.Runs[0]
	note("the host", b.Plan.Host, h.Plan.Host)
	note("the version of "+b.Plan.TargetName, b.Plan.Version, h.Plan.Version)
	note("the image", b.Plan.Image, h.Plan.Image)
	bMachine, hMachine := machineOf(b), machineOf(h)
	for _, key := range sortedKeys(bMachine, hMachine) {
		note("the machine's "+key, bMachine[key], hMachine[key])
	}
	for _, g := range []Group{base, head} {
		unknown := 0
		for _, run := range g.Runs {
			if run.Verdict == results.Unproven && len(run.Claims) > 0 {
				unknown++
			}
		}
		if unknown > 0 {
			warnings = append(warnings, fmt.Sprintf("%s: the verdict of %d of %d runs is unknown; see their reports", g.Name, unknown, len(g.Runs)))
		}
	}
	return warnings
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// round3 is a ratio for people.
func round3(n float64) string {
	if math.IsInf(n, 0) || math.IsNaN(n) {
		return "?"
	}
	return fmt.Sprintf("%.3g", n)
}
