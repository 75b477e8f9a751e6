package study

import (
	"math"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const fact = "latency.write.p50"

func known(name string, unit checkers.Unit, n float64) results.FactValue {
	return results.FactValue{Value: checkers.Value{Name: name, N: n, Known: true}, Unit: unit}
}

// variantOf has a run for each value of a fact in milliseconds.
func variantOf(replicas string, used float64, ms ...float64) Variant {
	v := Variant{Settings: []results.Setting{{Path: "target.replicas", Value: replicas}}, Runs: map[string][]*results.Verdict{}}
	for _, n := range ms {
		v.Runs[""] = append(v.Runs[""], &results.Verdict{Values: []results.FactValue{
			known(fact, checkers.Nanos, n*1e6), known("writes.lost", checkers.Number, n), known("cost.cpu.per_write", checkers.Nanos, n*1e3), known("machine.cpu.used", checkers.Ratio, used)}})
	}
	return v
}

func change(fact, expect string) question.Decision {
	return question.Decision{Fact: fact, Across: "target.replicas", From: "0", To: "2", Expect: expect}
}

func partOf(d question.Decision, variants ...Variant) Decision {
	return Of(Made{Plan: "p", Target: "ripple", Across: []string{"target.replicas"}, Study: question.Study{Says: "x", Decide: []question.Decision{d}}, Variants: variants}).Decisions[0]
}

// TestChanges: what is said of groups whose relation is known.
func TestChanges(t *testing.T) {
	six, close := []float64{10, 11, 12, 10.5, 11.5, 12.5}, []float64{10.1, 10.2, 10.1, 10.3, 10.2, 10.15}
	for _, tc := range []struct {
		name     string
		d        question.Decision
		from, to []float64
		busy     float64
		want     Answer
		words    string
	}{
		{"rises", change(fact, question.Rises), six, []float64{20, 22, 24, 21, 23, 25}, 0.3, Measured, "11.3ms → 22.5ms from target.replicas 0 to 2 (×2, 95 % interval 1.7"},
		{"rises, the other way", change(fact, question.Falls), six, []float64{20, 22, 24, 21, 23, 25}, 0.3, Refuted, "6 + 6 runs, p = 0.00216"},
		{"falls", change(fact, question.Falls), []float64{20, 22, 24, 21, 23, 25}, six, 0.3, Measured, "×0.5"},
		{"differs", change(fact, question.Differs), []float64{20, 22, 24, 21}, []float64{1, 2, 3, 4}, 0.3, Measured, "4 + 4 runs"},
		{"overlap", change(fact, question.Rises), six, []float64{9, 14, 11, 12, 10, 13}, 0.3, NoAnswer, "the intervals overlap"},
		{"too few", change(fact, question.Rises), []float64{1, 2}, []float64{20, 22}, 0.3, NoAnswer, "2 + 2 runs are too few"},
		{"the same", change(fact, question.Same), close, close, 0.3, Measured, "interval 0.99 to 1.01"},
		{"not the same", change(fact, question.Same), close, six, 0.3, NoAnswer, "overlap"},
		{"far from the same", change(fact, question.Same), close, []float64{30, 31, 32, 30, 31, 32}, 0.3, Refuted, "×3"},
		{"certainly no rise", change(fact, question.Rises), close, close, 0.3, Refuted, "by less than 10 %"},
		{"constant", change("writes.lost", question.Rises), []float64{0, 0, 0, 0}, []float64{0, 0, 0, 0}, 0.3, Refuted, "4 + 4 runs"},
		{"constant of few", change("writes.lost", question.Same), []float64{0}, []float64{0}, 0.3, NoAnswer, "too few"},
		{"nobody ran", change(fact, question.Rises), six, nil, 0.3, NoAnswer, "no run with target.replicas=2"},
		{"a busy machine", change(fact, question.Rises), six, []float64{20, 22, 24, 21, 23, 25}, 0.97, Machine, "its processors were 97 % busy with target.replicas=0"},
		{"no answer on a busy machine", change(fact, question.Rises), six, []float64{9, 14, 11, 12, 10, 13}, 0.97, NoAnswer, "the machine's processors were 97 % busy"},
		{"a loss on a busy machine", change("writes.lost", question.Rises), six, []float64{20, 22, 24, 21, 23, 25}, 0.97, Measured, "11.2 → 22.5"},
		{"a cost on a busy machine", change("cost.cpu.per_write", question.Rises), six, []float64{20, 22, 24, 21, 23, 25}, 0.97, Measured, "×2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := partOf(tc.d, variantOf("0", tc.busy, tc.from...), variantOf("1", 0, 5, 5, 5), variantOf("2", tc.busy, tc.to...))
			if got.Answer != tc.want || !strings.Contains(got.Words, tc.words) {
				t.Errorf("%s: %s", got.Answer, got.Words)
			}
		})
	}
}

// TestBounds: where what is known of the values allows both, there is no answer.
func TestBounds(t *testing.T) {
	of := func(replicas string, bounds ...[2]float64) Variant {
		v := variantOf(replicas, 0.1, make([]float64, len(bounds))...)
		for i, b := range bounds {
			v.Runs[""][i].Values[0].Value = checkers.Value{Name: fact, N: b[0], Known: true, AtLeast: true, AtMost: b[1]}
		}
		return v
	}
	low := of("0", [2]float64{1, 2}, [2]float64{1, 2}, [2]float64{1, 2}, [2]float64{1, 2})
	if d := partOf(change(fact, question.Rises), low, of("2", [2]float64{3, 4}, [2]float64{3, 4}, [2]float64{3, 4}, [2]float64{3, 4})); d.Answer != Measured || !strings.Contains(d.Words, "×1.5 to 4") {
		t.Errorf("apart: %s: %s", d.Answer, d.Words)
	}
	if d := partOf(change(fact, question.Rises), low, of("2", [2]float64{1, 4}, [2]float64{1, 4}, [2]float64{1, 4}, [2]float64{1, 4})); d.Answer != NoAnswer || !strings.Contains(d.Words, "allows both") {
		t.Errorf("one inside the other: %s: %s", d.Answer, d.Words)
	}
	some := variantOf("0", 0.1, 3, 5, 9)
	some.Runs[""][1].Values = nil
	if d := partOf(question.Decision{Claim: "writes.lost > 0", Expect: question.Sometimes}, some); !strings.Contains(d.Words, "writes.lost 3 to 9, unknown in 1") {
		t.Errorf("%s: %s", d.Answer, d.Words)
	}
}

// TestOften: how often claims are true, and which runs are asked.
func TestOften(t *testing.T) {
	lost := func(ns ...float64) []Variant {
		return []Variant{variantOf("0", 0.99, 7, 7), variantOf("2", 0.99, ns...)}
	}
	for _, tc := range []struct {
		name     string
		claim    string
		expect   string
		variants []Variant
		want     Answer
		words    string
	}{
		{"always", "writes.lost > 0", question.Always, lost(3, 5, 9), Measured, "in 3 of 3 runs with target.replicas=2 (writes.lost: median 5, all 3 to 9)"},
		{"not always", "writes.lost > 0", question.Always, lost(3, 0), Refuted, "in 1 of 2 runs"},
		{"sometimes", "writes.lost > 0", question.Sometimes, lost(3, 0), Measured, "in 1 of 2 runs"},
		{"never", "writes.lost > 0", question.Sometimes, lost(0, 0), Refuted, "in 0 of 2 runs"},
		{"unknown", "lag.p99 > 1s", question.Always, lost(3, 0), NoAnswer, "unknown"},
		{"no run", "writes.lost > 0", question.Always, lost(), NoAnswer, "no run"},
		{"a time on a busy machine", "latency.write.p50 > 1ms", question.Always, lost(3), Machine, "99 % busy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := partOf(question.Decision{Claim: tc.claim, Expect: tc.expect, Under: map[string]string{"target.replicas": "2"}}, tc.variants...)
			if got.Answer != tc.want || !strings.Contains(got.Words, tc.words) {
				t.Errorf("%s: %s", got.Answer, got.Words)
			}
		})
	}
}

// TestUnmetGates: a run that was not what the plan asked for decides nothing, and
// is told of.
func TestUnmetGates(t *testing.T) {
	v := variantOf("2", 0.1, 3, 4)
	v.Runs[""][1].Gates = []results.Gate{{Name: "kill primary", Detail: "it was never put into effect"}}
	p := Of(Made{Study: question.Study{Says: "x", Decide: []question.Decision{{Claim: "writes.lost == 3", Expect: question.Always}}}, Variants: []Variant{v}, Wanted: 2})
	if p.Decisions[0].Answer != Measured || p.Runs != 1 || p.RunsWords() != "1 of 2 runs" || p.Rows[0].Left != 1 || len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "never put into effect") {
		t.Errorf("%+v", p)
	}
}

// TestLimits: searches are compared by their bounds.
func TestLimits(t *testing.T) {
	of := func(replicas string, least, most float64) Variant {
		v := variantOf(replicas, 0)
		v.Limit = &Limit{Least: least, Most: most, Words: "some"}
		return v
	}
	decide := func(expect string, a, b Variant) Decision {
		d := change(question.MaxRate, expect)
		return Of(Made{Study: question.Study{Says: "x", At: 70, Decide: []question.Decision{d}}, Variants: []Variant{a, b}}).Decisions[0]
	}
	if d := decide(question.Falls, of("0", 900, 1000), of("2", 400, 500)); d.Answer != Measured || !strings.Contains(d.Words, "900/s to 1000/s → 400/s to 500/s") || !strings.Contains(d.Words, "×0.4 to 0.556") {
		t.Errorf("%s: %s", d.Answer, d.Words)
	}
	if d := decide(question.Falls, of("0", 900, 1000), of("2", 950, 1100)); d.Answer != NoAnswer {
		t.Errorf("%s: %s", d.Answer, d.Words)
	}
	hot := of("2", 400, 500)
	hot.Limit.Used = []results.FactValue{known("machine.cpu.used", checkers.Ratio, 0.99), known("machine.cpu.used", checkers.Ratio, 0.97)}
	if d := decide(question.Falls, of("0", 900, 1000), hot); d.Answer != Machine || !strings.Contains(d.Words, "97 % busy with target.replicas=2") {
		t.Errorf("%s: %s", d.Answer, d.Words)
	}
	if d := decide(question.Rises, of("0", 900, math.Inf(1)), of("2", 1000, 1100)); d.Answer != NoAnswer {
		t.Errorf("with no bound %s: %s", d.Answer, d.Words)
	}
}

// TestRatios: the interval holds the ratio of what two groups come from in 95 % of
// cases at least, counted over a grid of known quantiles, and is consistent with
// the test.
func TestRatios(t *testing.T) {
	if cut(3, 3) != 0 || cut(4, 4) != 1 || cut(6, 6) != 6 || enough(3, 4) || !enough(3, 5) {
		t.Errorf("cuts of 3, 4 and 6 are %d, %d, %d", cut(3, 3), cut(4, 4), cut(6, 6))
	}
	at := func(ns ...float64) []compare.Range {
		var all []compare.Range
		for _, n := range ns {
			all = append(all, compare.Range{Least: n, Most: n})
		}
		return all
	}
	if r, ok := ratios(at(1, 1, 1, 1), at(2, 3, 2, 4)); !ok || r.Least != 2 || r.Most != 4 {
		t.Errorf("%v %v", r, ok)
	}
	if _, ok := ratios(at(0, 1, 1, 1), at(2, 3, 2, 4)); ok {
		t.Error("there is a ratio to 0")
	}
	wide := []compare.Range{{Least: 1, Most: 2}, {Least: 1, Most: 2}, {Least: 1, Most: 2}, {Least: 1, Most: 2}}
	if r, ok := ratios(wide, at(2, 2, 2, 2)); !ok || r.Least != 1 || r.Most != 2 {
		t.Errorf("of bounds %v %v", r, ok)
	}
}

// TestSplice: parts come into the places of their own, and others stay.
func TestSplice(t *testing.T) {
	s := &Study{Name: "cost", Parts: []Part{{Plan: "cost-ripple", System: "ripple"}}}
	file := "a\n<!-- study cost: begin -->\n<!-- study cost: end -->\nb\n"
	once, err := Splice(file, s)
	if err != nil || !strings.HasPrefix(once, "a\n") || !strings.HasSuffix(once, "b\n") || strings.Count(once, "**ripple**") != 1 {
		t.Fatalf("%s %v", once, err)
	}
	s.Parts[0].System = "another"
	again, err := Splice(once, s)
	if err != nil || again != once {
		t.Errorf("no run was made, and what is there did not stay: %s %v", again, err)
	}
	s.Parts[0].Runs = 2
	if again, err = Splice(once, s); err != nil || again != strings.Replace(once, "**ripple** (0 runs)", "**another** (2 runs)", 1) {
		t.Errorf("%s %v", again, err)
	}
	other, err := Splice(once, &Study{Name: "cost", Parts: []Part{{Plan: "cost-redis", System: "redis"}}})
	if err != nil || !strings.Contains(other, "**ripple**") || !strings.Contains(other, "**redis**") {
		t.Errorf("%s %v", other, err)
	}
	for _, bad := range []string{"a", "<!-- study cost: end --><!-- study cost: begin -->", file + file} {
		if _, err := Splice(bad, s); err == nil || !strings.Contains(err.Error(), "begin -->") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
