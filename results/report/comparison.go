package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
)

// compared is one row of a comparison: the runs of one plan with the same
// settings on the same host. What differs in anything but its seed is another plan,
// whatever it is called.
type compared struct {
	digest string
	target string
	mode   []string // the version that ran, the target's options and what else was varied, "path=value"
	runs   []*results.Verdict
}

// compare groups runs, sorted by target and then by plan; what a plan varies
// keeps the order of its runs.
func compare(verdicts []*results.Verdict) []compared {
	var groups []compared
	places := map[string]int{}
	for _, v := range verdicts {
		digest := v.Plan.Digest()
		key := fmt.Sprintf("%q %q %q %q %d %q %q", v.Plan.Target, v.Plan.Version, v.Plan.Name, v.Plan.Host, v.Plan.Replicas, v.Plan.Varied, digest)
		at, ok := places[key]
		if !ok {
			at = len(groups)
			places[key] = at
			groups = append(groups, compared{digest: digest, target: targetOf(v), mode: modeOf(v)})
		}
		groups[at].runs = append(groups[at].runs, v)
	}
	nameApart(groups)
	slices.SortStableFunc(groups, func(a, b compared) int {
		return cmp.Or(strings.Compare(a.target, b.target), strings.Compare(a.plan().Name, b.plan().Name), strings.Compare(a.plan().Host, b.plan().Host))
	})
	return groups
}

// digestShown is how much of a digest tells a few plans apart.
const digestShown = 8

// nameApart has rows tell their plans' digests where they look alike otherwise.
func nameApart(groups []compared) {
	seen := map[string][]int{}
	for i, g := range groups {
		p := g.plan()
		look := fmt.Sprintf("%q %q %q %q %d", g.target, g.mode, p.Name, p.Host, p.Replicas)
		seen[look] = append(seen[look], i)
	}
	for _, alike := range seen {
		for _, i := range alike {
			if _, sum, ok := strings.Cut(groups[i].digest, ":"); ok && len(alike) > 1 {
				groups[i].mode = append(groups[i].mode, "plan "+sum[:min(digestShown, len(sum))])
			}
		}
	}
}

func (c *compared) plan() *results.PlanInfo { return &c.runs[0].Plan }

// targetOf is the target's name.
func targetOf(v *results.Verdict) string {
	if v.Plan.TargetName != "" {
		return v.Plan.TargetName
	}
	name, _ := splitWords(v.Plan.Target)
	return name
}

// modeOf lists the version that ran, the target's options, and what the plan varies
// besides them and the replicas.
func modeOf(v *results.Verdict) []string {
	var mode []string
	for name, value := range v.Plan.Options {
		mode = append(mode, name+"="+value)
	}
	slices.Sort(mode) // as words, which is the order of Plan.Target
	if v.Plan.TargetName == "" {
		_, mode = splitWords(v.Plan.Target)
	}
	if v.Plan.Version != "" {
		mode = slices.Insert(mode, 0, v.Plan.Version)
	}
	for _, s := range v.Plan.Varied {
		if s.Path != "target.replicas" && !strings.HasPrefix(s.Path, "target.options.") {
			mode = append(mode, s.Path+"="+s.Value)
		}
	}
	return mode
}

// splitWords takes a target in words apart, for a verdict that has nothing else:
// of a run of old, or of a history from elsewhere.
func splitWords(target string) (name string, options []string) {
	name, rest, _ := strings.Cut(target, " ")
	return strings.TrimRight(name, ","), strings.Fields(rest)
}

// replicas is "2 replicas".
func (c *compared) replicas() string {
	if n := c.plan().Replicas; n > 0 {
		return units.Plural(n, "replica", "replicas")
	}
	return "single"
}

// maxFaultsRow is how many kinds of faults a row tells.
const maxFaultsRow = 4

// faults tells the first run's faults in short: "kill primary, 3× pause replica".
func (c *compared) faults() string {
	var kinds []string
	counts := map[string]int{}
	for _, f := range c.runs[0].Faults {
		what := f.Brief()
		if counts[what]++; counts[what] == 1 {
			kinds = append(kinds, what)
		}
	}
	if len(kinds) == 0 {
		return "none"
	}
	var told []string
	for _, what := range kinds[:min(len(kinds), maxFaultsRow)] {
		if n := counts[what]; n > 1 {
			what = fmt.Sprintf("%d× %s", n, what)
		}
		told = append(told, what)
	}
	if more := len(kinds) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(told, ", ")
}

// answer is the worst verdict and, of several runs, in how many all claims held.
func (c *compared) answer() string {
	worst, held := results.Worst(c.runs...), 0
	for _, v := range c.runs {
		if v.Verdict == results.Holds {
			held++
		}
	}
	switch {
	case len(c.runs) == 1:
		return string(worst)
	case worst == results.OnlyMeasured:
		return fmt.Sprintf("%s %d", worst, len(c.runs))
	case worst == results.Holds:
		return fmt.Sprintf("%s %d of %d", worst, held, len(c.runs))
	}
	return fmt.Sprintf("%s, held %d of %d", worst, held, len(c.runs))
}

// controlled tells in how many runs the plan's negative control showed that the plan can
// fail, of those that have a control, and by what: "2 of 2", "fsync=off writes.lost = 69".
// It is empty where no plan has one. A control of an earlier run of the same plan counts.
func (c *compared) controlled() (count, by string) {
	failed, all := 0, 0
	for _, v := range c.runs {
		if v.Control == nil {
			continue
		}
		all++
		if v.Control.CouldFail() {
			if failed++; failed == 1 {
				by = v.Control.With() + ": " + v.Control.Detail
			}
		}
	}
	if all == 0 {
		return "", ""
	}
	return fmt.Sprintf("%d of %d", failed, all), by
}

// hasControls tells whether some plan has a negative control.
func hasControls(groups []compared) bool {
	return slices.ContainsFunc(groups, func(c compared) bool { count, _ := c.controlled(); return count != "" })
}

// losses are the facts that count what was lost, each in its own unit.
var losses = [...]struct{ fact, one, many string }{
	{"writes.lost", "write", "writes"},
	{"set.lost", "element", "elements"},
	{"queue.lost", "msg", "msgs"},
	{"append.lost", "append", "appends"},
}

// lost is the worst loss of the runs: "12 msgs".
func (c *compared) lost() string {
	var told []string
	for _, l := range losses {
		runs := c.ranges(l.fact)
		if len(runs) == 0 {
			continue
		}
		worst := runs[0]
		for _, r := range runs {
			worst = between{max(worst.low, r.low), max(worst.high, r.high)}
		}
		unit := l.many
		if worst.low == 1 && worst.high == 1 {
			unit = l.one
		}
		told = append(told, worst.show(units.Digits)+" "+unit)
	}
	if len(told) == 0 {
		return unmeasured
	}
	return strings.Join(told, ", ")
}

// unmeasured stands for what no run measured.
const unmeasured = "–"

// medianNanos is the median of a fact, the first of the names that was measured.
func (c *compared) medianNanos(facts ...string) string {
	for _, fact := range facts {
		if runs := c.ranges(fact); len(runs) > 0 {
			return median(runs).show(units.FloatNanos)
		}
	}
	return unmeasured
}

// medianOf is the median of a fact.
func (c *compared) medianOf(fact string, format func(float64) string) string {
	if runs := c.ranges(fact); len(runs) > 0 {
		return median(runs).show(format)
	}
	return unmeasured
}

// between is what is known of a value: it is at least low and at most high. A
// value that is unknown is anything from zero on.
type between struct{ low, high float64 }

// ranges is what is known of a fact in the runs that have it.
func (c *compared) ranges(fact string) []between {
	var all []between
	for _, v := range c.runs {
		for _, value := range v.Values {
			if value.Name == fact {
				all = append(all, rangeOf(value.Value))
			}
		}
	}
	return all
}

func rangeOf(v checkers.Value) between {
	if !v.Known {
		return between{0, math.Inf(1)}
	}
	least, most := v.Bounds()
	return between{least, most}
}

// median of values that are known in part: it lies between the median of the
// lower and the median of the upper bounds, as the median never falls when a
// value rises.
func median(values []between) between {
	var lows, highs []float64
	for _, v := range values {
		lows, highs = append(lows, v.low), append(highs, v.high)
	}
	return between{middle(lows), middle(highs)}
}

func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// show writes an exact value, a lower bound as ≥, and ? where there is none.
func (b between) show(format func(float64) string) string {
	switch {
	case b.low == b.high:
		return format(b.low)
	case b.low > 0:
		return "≥" + format(b.low)
	}
	return "?"
}

// comparedColumns are the figures of a comparison's rows.
var comparedColumns = [...]struct {
	head string
	of   string // how several runs become one figure
	cell func(*compared) string
}{
	{"lost", "worst", (*compared).lost},
	{"staleness p99", "median", func(c *compared) string { return c.medianNanos("reads.staleness.p99") }},
	{"lag p99", "median", func(c *compared) string { return c.medianNanos("lag.p99") }},
	{"failover max", "median", func(c *compared) string { return c.medianNanos("failover.max") }},
	{"write p99", "median", func(c *compared) string {
		return c.medianNanos("latency.write.p99", "latency.add.p99", "latency.enqueue.p99", "latency.txn.p99")
	}},
	{"p50", "median", func(c *compared) string { return c.medianNanos("latency.p50") }},
	{"ops/s", "median", func(c *compared) string {
		return c.medianOf("ops.rate", func(n float64) string { return strconv.FormatFloat(n, 'f', 0, 64) })
	}},
	{"errors", "median", func(c *compared) string {
		return c.medianOf("errors.rate", func(n float64) string { return units.Digits(n*100) + " %" })
	}},
	{"write gap", "median", func(c *compared) string { return c.medianNanos("availability.write_gap.max") }},
}

// heads are the columns' heads; they say how several runs became one figure.
func heads(groups []compared) []string {
	several := slices.ContainsFunc(groups, func(c compared) bool { return len(c.runs) > 1 })
	var all []string
	for _, column := range comparedColumns {
		head := column.head
		if several {
			head += ", " + column.of
		}
		all = append(all, head)
	}
	return all
}

// Comparison writes one row for each plan: how often its claims held, how often its
// control showed that it could fail, if some plan has one, the worst
// loss of its runs and the median of the other figures. Figures that are
// unknown are ?, lower bounds have a ≥, what was not measured is –.
func Comparison(w io.Writer, verdicts ...*results.Verdict) error {
	groups := compare(verdicts)
	first := []string{"plan", "mode", "host", "verdict"}
	controls := hasControls(groups)
	if controls {
		first = append(first, "could fail")
	}
	rows := [][]string{append(slices.Clone(first), heads(groups)...)}
	for i := range groups {
		c := &groups[i]
		mode := strings.Join(append(slices.Clone(c.mode), c.replicas()), " ")
		row := []string{plain(c.plan().Name), plain(mode), plain(c.plan().Host), c.answer()}
		if controls {
			count, _ := c.controlled()
			row = append(row, cmp.Or(count, unmeasured))
		}
		for _, column := range comparedColumns {
			row = append(row, column.cell(c))
		}
		rows = append(rows, row)
	}
	for _, line := range alignAfter(len(first), rows) {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}
