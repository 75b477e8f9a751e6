package compare

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

// groupOf has a run for each value of a fact.
func groupOf(name, fact string, unit checkers.Unit, values ...checkers.Value) Group {
	g := Group{Name: name}
	for _, v := range values {
		v.Name = fact
		g.Runs = append(g.Runs, &results.Verdict{Verdict: results.Holds, Values: []results.FactValue{{Value: v, Unit: unit}}})
	}
	return g
}

func exact(ns ...float64) []checkers.Value {
	var all []checkers.Value
	for _, n := range ns {
		all = append(all, checkers.Value{N: n, Known: true})
	}
	return all
}

func rowOf(t *testing.T, c *Comparison, fact string) Row {
	t.Helper()
	i := slices.IndexFunc(c.Rows, func(r Row) bool { return r.Fact == fact })
	if i < 0 {
		t.Fatalf("%s is not compared", fact)
	}
	return c.Rows[i]
}

// TestAnswers: what a comparison says of one fact, with its direction and bounds.
func TestAnswers(t *testing.T) {
	between := func(least, most float64) checkers.Value {
		return checkers.Value{N: least, Known: true, AtLeast: true, AtMost: most}
	}
	apart := []checkers.Value{between(20, 21), between(20, 22), between(21, 22), between(20, 23), between(22, 23), between(21, 24)}
	wide := []checkers.Value{between(2, 30), between(3, 30), between(2, 31), between(3, 32), between(2, 33), between(2, 34)}
	overlap := []checkers.Value{between(8, 21), between(20, 22), between(21, 22), between(20, 23), between(22, 23), between(21, 24)}
	open := []checkers.Value{{N: 20, Known: true, AtLeast: true}, {N: 21, Known: true, AtLeast: true}, {N: 20, Known: true, AtLeast: true},
		{N: 25, Known: true, AtLeast: true}, {N: 20, Known: true, AtLeast: true}, {N: 20, Known: true, AtLeast: true}}
	ten := exact(10, 11, 12, 10.5, 11.5, 12.5)
	for _, tc := range []struct {
		name       string
		fact       string
		unit       checkers.Unit
		base, head []checkers.Value
		want       Answer
		past       bool
	}{
		{"slower", "latency.p99", checkers.Nanos, ten, exact(20, 21, 22, 23, 24, 25), Worse, true},
		{"faster", "latency.p99", checkers.Nanos, exact(20, 21, 22, 23, 24, 25), ten, Better, false},
		{"less throughput", "ops.rate", checkers.PerSec, exact(100, 101, 102, 103, 104, 105), exact(80, 81, 82, 83, 84, 85), Worse, true},
		{"more throughput", "ops.rate", checkers.PerSec, exact(80, 81, 82, 83, 84, 85), exact(100, 101, 102, 103, 104, 105), Better, false},
		{"a little slower", "latency.p99", checkers.Nanos, exact(1000, 1001, 1002, 1003, 1004, 1005), exact(1010, 1011, 1012, 1013, 1014, 1015), Worse, false},
		{"mixed", "latency.p99", checkers.Nanos, ten, exact(10.2, 11.1, 12.1, 10.6, 11.4, 12.6), Same, false},
		{"losses where there were none", "writes.lost", checkers.Number, exact(0, 0, 0, 0, 0, 0), exact(1, 2, 3, 4, 5, 6), Worse, true},
		{"the same everywhere", "writes.lost", checkers.Number, exact(0, 0, 0), exact(0, 0, 0), Same, false},
		{"a truth that fell", "linearizable", checkers.Boolean, exact(1, 1, 1, 1, 1, 1), exact(0, 0, 0, 0, 0, 0), Worse, true},
		{"bounds that are apart", "latency.p99", checkers.Nanos, ten, apart, Worse, true},
		{"bounds that reach over all", "latency.p99", checkers.Nanos, ten, wide, NoAnswer, false},
		{"one bound that reaches over", "latency.p99", checkers.Nanos, ten, overlap, NoAnswer, false},
		{"lower bounds suffice", "latency.p99", checkers.Nanos, ten, open, Worse, true},
		{"lower bounds do not suffice", "latency.p99", checkers.Nanos, open, ten, Better, false},
		{"unknown", "latency.p99", checkers.Nanos, ten, make([]checkers.Value, 6), NoAnswer, false},
		{"one run unknown", "latency.p99", checkers.Nanos, ten, append(exact(20, 21, 22, 23, 24), checkers.Value{}), NoAnswer, false},
		{"too few", "latency.p99", checkers.Nanos, exact(10, 11), exact(20, 21), Same, false},
	} {
		c := Compare(groupOf("a", tc.fact, tc.unit, tc.base...), groupOf("b", tc.fact, tc.unit, tc.head...), Options{Tolerance: 0.05, Facts: []string{tc.fact}})
		row := rowOf(t, c, tc.fact)
		if row.Answer != tc.want || row.Past != tc.past || c.Worse() != tc.past {
			t.Errorf("%s: %s, past tolerance %v, want %s %v: %+v", tc.name, row.Answer, row.Past, tc.want, tc.past, row)
		}
		if tc.name == "too few" && len(c.Warnings) == 0 {
			t.Error("that two runs cannot tell anything apart is not said")
		}
	}
}

// TestEffects are figures that can be found by hand.
func TestEffects(t *testing.T) {
	c := Compare(groupOf("a", "ops.rate", checkers.PerSec, exact(1, 2, 3, 4, 5, 6)...), groupOf("b", "ops.rate", checkers.PerSec, exact(11, 12, 13, 14, 15, 16)...), Options{})
	row := rowOf(t, c, "ops.rate")
	if row.Shift != (Range{10, 10}) || row.Biserial != (Range{1, 1}) || math.Abs(row.Ratio.Least-13.5/3.5) > 1e-9 || math.Abs(row.P.Most-2./924) > 1e-9 {
		t.Errorf("%+v p %+v", row, row.P)
	}
	if s := row.Base; s.Median != (Range{3.5, 3.5}) || s.Interval == nil || *s.Interval != (Range{1, 6}) {
		t.Errorf("six values: %+v %+v", s.Median, s.Interval)
	}
	five, _ := SummaryOf(groupOf("a", "ops.rate", checkers.PerSec, exact(1, 2, 3, 4, 5)...), "ops.rate")
	if five.Interval != nil || five.Median != (Range{3, 3}) || five.IntervalWords() != "none" {
		t.Errorf("five values have an interval: %+v", five)
	}
}

// TestIntervalCovers: the interval holds the true median in at least 95 % of samples.
func TestIntervalCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{6, 7, 8, 9, 12, 20} {
		const samples = 4000
		held := 0
		for range samples {
			var values []checkers.Value
			for range n {
				values = append(values, exact(random.ExpFloat64())...)
			}
			s, _ := SummaryOf(groupOf("a", "latency.p99", checkers.Nanos, values...), "latency.p99")
			if s.Interval.Least <= math.Ln2 && math.Ln2 <= s.Interval.Most {
				held++
			}
		}
		if share := float64(held) / samples; share < 0.94 {
			t.Errorf("n=%d: the interval holds the median in %.3f of the samples", n, share)
		}
	}
}

// TestFamilyError: of groups that are the same, one in twenty at most is told
// apart in any of its facts.
func TestFamilyError(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const pairs = 400
	facts := []string{"latency.read.p50", "latency.read.p99", "latency.write.p50", "latency.write.p99", "lag.p50", "lag.p99", "ops.rate", "errors.rate"}
	group := func() Group {
		g := Group{Name: "g"}
		for range 6 {
			v := &results.Verdict{}
			for _, name := range facts {
				v.Values = append(v.Values, results.FactValue{Value: checkers.Value{Name: name, N: random.NormFloat64() + 10, Known: true}})
			}
			g.Runs = append(g.Runs, v)
		}
		return g
	}
	wrong := 0
	for range pairs {
		c := Compare(group(), group(), Options{})
		if c.Tested != len(facts) {
			t.Fatalf("%d facts were tested", c.Tested)
		}
		for _, r := range c.Rows {
			if r.Answer != Same {
				wrong++
				break
			}
		}
	}
	if wrong > pairs*7/100 {
		t.Errorf("%d of %d pairs of the same were told apart", wrong, pairs)
	}
}

func TestHolm(t *testing.T) {
	got := holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("got %v", got)
			break
		}
	}
}

// TestSamePlan: other names, claims and seeds are the same plan; what is varied
// may differ; all else is named.
func TestSamePlan(t *testing.T) {
	group := func(yaml string, settings ...results.Setting) Group {
		return Group{Settings: settings, Runs: []*results.Verdict{{Plan: results.PlanInfo{YAML: yaml}}}}
	}
	const a = "name: a\nseed: 1\ntarget: {name: ripple, options: {slow: 0%}}\nworkloads:\n  - {name: register, rate: 100/s}\nclaims: [writes.lost == 0]\n"
	same := strings.NewReplacer("name: a", "name: b", "seed: 1", "seed: 2", "claims: [writes.lost == 0]", "").Replace(a)
	slow := strings.Replace(a, "slow: 0%", "slow: 20%", 1)
	fast := strings.Replace(a, "rate: 100/s", "rate: 200/s", 1)
	for _, tc := range []struct {
		name       string
		base, head Group
		want       string
	}{
		{"names and seeds", group(a), group(same), ""},
		{"an option", group(a), group(slow), "target.options.slow (0% and 20%)"},
		{"a varied option", group(a, results.Setting{Path: "target.options.slow", Value: "0%"}), group(slow, results.Setting{Path: "target.options.slow", Value: "20%"}), ""},
		{"a workload's rate", group(a), group(fast), "workloads.0.rate (100/s and 200/s)"},
		{"a varied workload by name", group(a, results.Setting{Path: "workloads.register.rate", Value: "100/s"}), group(fast), ""},
	} {
		paths, err := SamePlan(tc.base, tc.head)
		if err != nil || strings.Join(paths, "; ") != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.name, paths, err, tc.want)
		}
	}
	if Digest(a) != Digest(same) || Digest(a) == Digest(slow) || Digest(a) == "" || Digest("") != "" {
		t.Error("the digest does not tell plans apart as SamePlan does")
	}
	if _, err := SamePlan(group(""), group(a)); err == nil {
		t.Error("a run without a plan is compared")
	}
}

// TestPrint: all forms tell the answer, and JSON can be written for values
// without bounds.
func TestPrint(t *testing.T) {
	values := append(exact(20, 21, 22, 23, 24), checkers.Value{N: 5, Known: true, AtLeast: true})
	c := Compare(groupOf("ba|se", "latency.p99", checkers.Nanos, exact(1, 2, 3, 4, 5, 6)...), groupOf("head", "latency.p99", checkers.Nanos, values...), Options{Facts: []string{"latency.p99"}})
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { return Text(b, c) }, "markdown": func(b *bytes.Buffer) error { return Markdown(b, c) },
		"json": func(b *bytes.Buffer) error { return JSON(b, c) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !strings.Contains(out.String(), string(rowOf(t, c, "latency.p99").Answer)) {
			t.Errorf("%s does not tell the answer:\n%s", name, &out)
		}
		if name == "json" && !json.Valid(out.Bytes()) {
			t.Error("the JSON cannot be read")
		}
	}
}
