package harness

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// TestHostTable: every row is whole.
func TestHostTable(t *testing.T) {
	for i, h := range Hosts() {
		if h.Available == nil || h.Remedy == "" || h.Clean == nil || h.launcher == nil {
			t.Errorf("host %s lacks something", h.Name)
		}
		if HostNames()[i+1] != h.Name {
			t.Errorf("host %s is not in %v", h.Name, HostNames())
		}
		if name := h.launcher(slog.New(slog.DiscardHandler)).Name(); name != h.Name {
			t.Errorf("host %s launches nodes on %s", h.Name, name)
		}
	}
	if _, err := chooseHost(t.Context(), "moon", slog.New(slog.DiscardHandler)); !errors.Is(err, failure.ErrInput) {
		t.Errorf("host moon: %v", err)
	}
}

// TestRequestLeavesThePlanAlone: the caller's plan keeps its zeros.
func TestRequestLeavesThePlanAlone(t *testing.T) {
	p := minimalPlan()
	r, err := newRequest(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.plan.Seed == 0 || r.plan.Duration == 0 || r.plan.Workloads[0].Keys == 0 || r.plan.Faults[0].From == "" {
		t.Errorf("the request is not complete: %+v", r.plan)
	}
	if w := p.Workloads[0]; p.Seed != 0 || p.Duration != 0 || w.Keys != 0 || p.Faults[0].From != "" || p.Host != "" {
		t.Errorf("the caller's plan was changed: %+v", p)
	}
	p.Vary = []plan.Vary{{Path: "seed", Values: []string{"1"}}}
	if _, err := newRequest(p, Options{}); !errors.Is(err, failure.ErrInput) {
		t.Errorf("a plan that varies: %v", err)
	}
}

func minimalPlan() *plan.Plan {
	return &plan.Plan{Name: "mine", Target: plan.Target{Name: "ripple"}, Workloads: []workloads.Spec{{Type: "register"}},
		Faults: []faults.Spec{{Kind: "partition", Shape: "isolate", Victim: "primary", For: time.Second}}}
}
