package plan

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/failure"
)

// FuzzParsePlans: any input is either refused with errors that wrap ErrInput
// and do not grow without bound, or makes plans that are valid, expand, and
// survive being written and read.
func FuzzParsePlans(f *testing.F) {
	archive, err := txtar.ParseFile(badPlans)
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		if strings.HasSuffix(file.Name, ".yaml") {
			f.Add(file.Data)
		}
	}
	example, err := os.ReadFile(examplePlan)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("target: {name: postgres}\nworkloads:\n  - &a {name: register}\n  - {<<: *a, name: b, type: set}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		plans, err := Parse("x.yaml", data, nil, planWords())
		if err != nil {
			checkRefusal(t, err)
			return
		}
		for _, p := range plans {
			if err := p.Validate(); err != nil {
				t.Fatalf("a parsed plan does not validate: %v", err)
			}
			if _, err := p.Expand(); err != nil {
				t.Fatalf("a parsed plan does not expand: %v", err)
			}
			text, err := p.YAML()
			if err != nil {
				t.Fatalf("a parsed plan cannot be written: %v", err)
			}
			again, err := Parse("y.yaml", text, nil, planWords())
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if !samePlan(p, again[0]) {
				t.Fatalf("read back as:\n%+v\nof:\n%+v\nfrom:\n%s", bare(again[0]), bare(p), text)
			}
		}
	})
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	var first *Error
	if !errors.Is(err, failure.ErrInput) || !errors.As(err, &first) {
		t.Fatalf("not an error about the input: %v", err)
	}
	if first.Line > 0 && first.Column < 1 {
		t.Fatalf("line %d has no column", first.Line)
	}
	if lines := strings.Count(err.Error(), "\n"); lines > 3*yamltree.MaxErrors {
		t.Fatalf("%d lines of errors", lines)
	}
}

func FuzzOverride(f *testing.F) {
	for _, seed := range []string{"target.replicas=4", "seed=x", "faults.0.at=1s", "workloads.register.mix.read=3", "target.options.wal.keep=",
		"vary=1", "claims.0=writes.lost == 0", "a.b.c.d=e", "workloads.-1.rate=1", "about=null", "target.options.=x", "target..=x"} {
		f.Add(seed)
	}
	const text = smallPlan + "faults: [{at: 3s, kill: primary, for: 1s}]\nclaims: [writes.lost == 0]\nvary: {target.replicas: [1, 2]}\n"
	f.Fuzz(func(t *testing.T, set string) {
		o, err := ParseOverride(set)
		if err == nil {
			_, err = Parse("x.yaml", []byte(text), []Override{o}, planWords())
		}
		if err != nil {
			checkRefusal(t, err)
		}
	})
}
