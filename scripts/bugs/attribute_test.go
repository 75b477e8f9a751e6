package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/targets/ripple/server"
)

func TestEveryPlanAndEveryDefectIsExpected(t *testing.T) {
	plans, err := filepath.Glob("../../plans/bugs/*.yaml")
	if err != nil || len(plans) == 0 {
		t.Fatal(plans, err)
	}
	var names, planned []string
	for _, e := range expected {
		names = append(names, e.plan)
	}
	if !slices.IsSorted(names) || len(names) != len(plans) {
		t.Errorf("%d plans; expected, in this order, are %d: %q", len(plans), len(names), names)
	}
	for _, path := range plans {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		if !slices.Contains(names, name) {
			t.Errorf("nothing is expected of %s", name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`bug: ([a-z-]+)`).FindSubmatch(text)
		if found == nil || !strings.HasPrefix(name, string(found[1])) {
			t.Fatalf("%s is not the plan of its defect, but of %q", name, found)
		}
		planned = append(planned, string(found[1]))
	}
	for _, b := range server.Bugs {
		if !slices.Contains(planned, b.Name) {
			t.Errorf("the defect %s has no plan", b.Name)
		}
	}
}

func TestExpectationsAreDecided(t *testing.T) {
	facts := map[string]bool{}
	for _, f := range claims.Facts() {
		facts[f.Name] = f.Unit == checkers.Number
	}
	for class, names := range counts {
		for _, name := range names {
			if !facts[name] {
				t.Errorf("%s is counted by %s, which counts nothing", class, name)
			}
		}
	}
	for _, e := range expected {
		if e.why == "" {
			t.Errorf("%s: no reason", e.plan)
		}
		proof := slices.DeleteFunc(slices.Clone(e.must), func(c checkers.Class) bool { return slices.Contains(e.anyway, c) })
		if len(proof) == 0 {
			t.Errorf("%s: nothing that is required tells the defect from a sound store", e.plan)
		}
		for _, c := range e.may {
			if slices.Contains(e.must, c) || slices.Contains(e.anyway, c) {
				t.Errorf("%s: %s both may be and must be, or is anyway", e.plan, c)
			}
		}
	}
}

// violated is a verdict with findings of these classes.
func violated(found ...checkers.Class) *results.Verdict {
	v := &results.Verdict{Verdict: results.Violated, Claims: []results.ClaimResult{{Claim: "set.lost == 0", Answer: results.Violated}}}
	for _, class := range found {
		v.Findings = append(v.Findings, results.Finding{Class: class, Text: "text of " + string(class)})
	}
	return v
}

func TestAttribution(t *testing.T) {
	e := expectation{must: []checkers.Class{checkers.StaleRead, checkers.MonotonicRead}, may: []checkers.Class{checkers.Diverged},
		anyway: []checkers.Class{checkers.StaleRead}}
	half := violated(checkers.StaleRead, checkers.MonotonicRead)
	half.Claims = append(half.Claims, results.ClaimResult{Claim: "linearizable", Answer: results.Unproven, Detail: "no time"})
	nothing := violated(checkers.StaleRead, checkers.MonotonicRead)
	nothing.Claims = nil
	for _, tc := range []struct {
		name            string
		v               *results.Verdict
		sound           bool
		missed, accused string
	}{
		{"right", violated(checkers.StaleRead, checkers.MonotonicRead), false, "", ""},
		{"by chance", violated(checkers.StaleRead, checkers.Diverged, checkers.MonotonicRead), false, "", ""},
		{"merely violated", violated(checkers.StaleRead), false, "no monotonic-reads was found", ""},
		{"as something else", violated(checkers.LostWrite, checkers.LostWrite), false, "no stale-read was found, no monotonic-reads was found",
			"lost-write cannot be: text of lost-write"},
		{"as something else as well", violated(checkers.StaleRead, checkers.MonotonicRead, checkers.LostWrite), false, "",
			"lost-write cannot be: text of lost-write"},
		{"a claim is unknown", half, false, "the claim linearizable is unknown: no time", ""},
		{"no claim", nothing, false, "the plan claims nothing", ""},
		{"sound", violated(checkers.StaleRead), true, "no monotonic-reads was found", ""},
		{"not sound", violated(checkers.MonotonicRead, checkers.Diverged), true, "no stale-read was found",
			"monotonic-reads cannot be: text of monotonic-reads, diverged-replicas cannot be: text of diverged-replicas"},
	} {
		if got := strings.Join(e.missed(tc.v), ", "); got != tc.missed {
			t.Errorf("%s: missed %q, want %q", tc.name, got, tc.missed)
		}
		if got := strings.Join(e.accused(tc.v, tc.sound), ", "); got != tc.accused {
			t.Errorf("%s: accused of %q, want %q", tc.name, got, tc.accused)
		}
	}
}

func TestRowCountsByFacts(t *testing.T) {
	first, second := violated(checkers.LostElement, checkers.NotLinear, checkers.NotLinear), violated(checkers.LostElement, checkers.StaleSet)
	first.Values = []results.FactValue{{Value: checkers.Value{Name: "set.lost", N: 83, Known: true}}, {Value: checkers.Value{Name: "set.stale", N: 5, Known: true}}}
	second.Values = []results.FactValue{{Value: checkers.Value{Name: "set.lost", N: 98, Known: true}}, {Value: checkers.Value{Name: "set.stale", N: 7}}}
	all := tally{runs: 2, right: 1, found: map[checkers.Class][]int{}}
	all.add(first)
	all.add(second)
	want := "| `x` | 1 of 2 | lost-element 83–98, no lost-write | not-linearizable 2 (in 1), stale-set-read 1 (in 1) |"
	if got := all.row("x", []checkers.Class{checkers.LostElement, checkers.LostWrite}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
