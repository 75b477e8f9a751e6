package series

import (
	"math"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

// TestNobodyLagsAlone: without a replica, a rate holds though nothing is known of
// lag; with one it does not, and a claim that is about more is asked of both.
func TestNobodyLagsAlone(t *testing.T) {
	unknown := results.FactValue{Value: checkers.Value{Name: "lag.slope"}}
	if least, _ := unknown.Bounds(); !math.IsInf(least, -1) {
		t.Fatalf("an unknown fact is at least %v", least)
	}
	for _, c := range []struct {
		name   string
		nodes  int
		claim  string
		answer results.Answer
		holds  bool
	}{
		{"alone", 1, "lag.p99 < 1s", results.Unproven, true},
		{"with a replica", 2, "lag.p99 < 1s", results.Unproven, false},
		{"alone, of writes", 1, "latency.write.p99 < 1s", results.Unproven, false},
		{"alone, of both", 1, "lag.p99 < latency.write.p99", results.Unproven, false},
		{"alone, violated", 1, "lag.unseen == 0", results.Violated, false},
	} {
		v := &results.Verdict{Nodes: make([]string, c.nodes), Claims: []results.ClaimResult{{Claim: c.claim, Answer: c.answer}}, Values: []results.FactValue{unknown}}
		if why, _ := broken(v); (len(why) == 0) != c.holds {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}
