package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

var (
	defect  = regexp.MustCompile(`(?m)^# Defect: \S+`)
	trigger = regexp.MustCompile(`(?m)^# Trigger: \S+`)
	address = regexp.MustCompile(`(?m)^# Reports?: https://\S+`)
)

// TestExhibits: every plan of the museum can be run, names the defect, its report
// and its trigger, says which versions have it and which have not, and expects of
// the former what facts can show.
func TestExhibits(t *testing.T) {
	all, err := exhibits("../../"+folder, nil)
	if err != nil || len(all) < 5 {
		t.Fatal(len(all), err)
	}
	table, err := os.ReadFile("../../docs/museum.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		text, err := os.ReadFile(e.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []*regexp.Regexp{defect, address, trigger} {
			if !want.Match(text) {
				t.Errorf("%s has no line like %s", e.path, want)
			}
		}
		if e.plan.Name != "museum-"+e.name || e.plan.Target.Version == "" {
			t.Errorf("%s is called %q and runs version %q: want museum-%s and a version", e.path, e.plan.Name, e.plan.Target.Version, e.name)
		}
		control, err := e.plan.ControlPlan()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{e.plan.Target.Image, control.Target.Image} {
			if want := "aftershock/" + e.plan.Target.Name + ":"; p != "" && !strings.HasPrefix(p, want) {
				t.Errorf("%s: %s is no image that scripts/images makes", e.path, p)
			}
		}
		if image := control.Target.Image; image != "" && image != "aftershock/"+control.Target.Name+":"+control.Target.Version {
			t.Errorf("%s: the control's image %s is not of its version %s", e.path, image, control.Target.Version)
		}
		for _, claim := range e.plan.Control.Violates {
			parsed, err := claims.ParseClaim(claim)
			if err != nil {
				t.Fatal(err)
			}
			for _, fact := range parsed.Facts() {
				if _, ok := claims.LookupFact(fact); !ok {
					t.Errorf("%s expects %s, and there is no such fact", e.path, fact)
				}
			}
		}
		if !strings.Contains(string(table), "museum/"+e.name+".yaml") {
			t.Errorf("docs/museum.md does not tell of %s", e.name)
		}
	}
}

// TestExhibitsOfOtherPlans: a plan without a control shows no defect.
func TestExhibitsOfOtherPlans(t *testing.T) {
	if _, err := exhibits("../../plans", []string{"quickstart"}); err == nil {
		t.Error("a file of two plans is an exhibit")
	}
	if _, err := exhibits(t.TempDir(), []string{"none"}); err == nil {
		t.Error("a file that is not there is an exhibit")
	}
	dir := t.TempDir()
	text := "target: {name: ripple}\nworkloads: [{name: register}]\nclaims: [writes.lost == 0]\n"
	if err := os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exhibits(dir, []string{"x"}); err == nil || !strings.Contains(err.Error(), "control") {
		t.Errorf("a plan without a control is an exhibit: %v", err)
	}
}

func TestMissed(t *testing.T) {
	v := &results.Verdict{Verdict: results.Violated, Claims: []results.ClaimResult{
		{Claim: "set.diverged == 0", Answer: results.Violated}, {Claim: "recovered", Answer: results.Unproven, Detail: "no time"}}}
	for _, test := range []struct {
		claims []string
		want   string
	}{
		{[]string{"set.diverged == 0"}, ""},
		{[]string{"set.diverged == 0", "recovered"}, "recovered is unknown: no time"},
		{[]string{"set.lost == 0"}, "set.lost == 0 is not claimed"},
	} {
		got := ""
		if err := errors.Join(missed(test.claims, v)...); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%v: %q, want %q", test.claims, got, test.want)
		}
	}
	if len(missed([]string{"recovered"}, nil)) == 0 {
		t.Error("a run without a verdict found the defect")
	}
}

// TestHold: a run that decides nothing is not one that holds, nor one that does not.
func TestHold(t *testing.T) {
	var all tally
	for _, answer := range []results.Answer{results.Holds, results.Unproven, results.Violated, results.Holds} {
		err := all.hold(&results.Verdict{Verdict: answer, Gates: []results.Gate{{Name: "fault f1", Detail: "no victim"}}})
		if (err == nil) != (answer == results.Holds) || err != nil && !strings.Contains(err.Error(), "no victim") {
			t.Errorf("%s: %v", answer, err)
		}
	}
	_ = all.hold(nil)
	if all.sound != 3 || all.held != 2 || all.undecided != 2 {
		t.Errorf("%+v", all)
	}
}

func TestRow(t *testing.T) {
	never := tally{runs: 3, sound: 1, held: 1, with: "etcd 3.5.2", without: "etcd 3.5.3"}
	if got, want := never.row("x"), "| `x` | etcd 3.5.2 | 0 of 3 | – | etcd 3.5.3 | 1 of 1 |"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	never.found, never.first, never.undecided = 2, 89*time.Second, 1
	if got, want := never.row("x"), "| `x` | etcd 3.5.2 | 2 of 3 | 89 s | etcd 3.5.3 | 1 of 1, 1 undecided |"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
