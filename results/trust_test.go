package results

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestDistrust: of events that are not whole nothing stays that rests on them,
// and of a run that somebody disturbed no time.
func TestDistrust(t *testing.T) {
	facts := []string{"writes.lost", "linearizable", "latency.p99", "ops.rate", "errors.rate", "faults.count", "recovered", "lag.n1.p99", "cost.network.per_write", "rpo.ops.max"}
	away := history.Event{At: 3e9, Kind: history.EventAway, Node: "n2", Detail: "its container was removed"}
	for _, tc := range []struct {
		name    string
		log     history.Log
		unknown string
		why     string
	}{
		{"whole", history.Log{}, "", ""},
		{"torn events", history.Log{EventsTorn: "it was cut"}, "latency.p99 ops.rate errors.rate faults.count recovered lag.n1.p99 cost.network.per_write rpo.ops.max", "events.jsonl: it was cut"},
		{"a node lost", history.Log{Events: []history.Event{away}}, "latency.p99 ops.rate errors.rate lag.n1.p99 cost.network.per_write", "n2 was lost (its container was removed) at 3.000s"},
		{"killed from outside", history.Log{Events: []history.Event{{Kind: history.EventExit, Node: "n2", Cause: history.ByOther}}}, "latency.p99 ops.rate errors.rate lag.n1.p99 cost.network.per_write", ""},
		{"crashed", history.Log{Events: []history.Event{{Kind: history.EventExit, Node: "n2", Cause: history.ByItself}}}, "", ""},
		{"killed by the plan", history.Log{Events: []history.Event{{Kind: history.EventExit, Node: "n2", Cause: history.ByFault}}}, "", ""},
	} {
		var values []checkers.Value
		for _, name := range facts {
			values = append(values, checkers.Value{Name: name, Known: true, N: 1})
		}
		distrust(values, &tc.log)
		var unknown []string
		for _, v := range values {
			if !v.Known {
				unknown = append(unknown, v.Name)
				if !strings.Contains(v.Why, tc.why) {
					t.Errorf("%s: %s is unknown: %s", tc.name, v.Name, v.Why)
				}
			}
		}
		if got := strings.Join(unknown, " "); got != tc.unknown {
			t.Errorf("%s: unknown are %q, want %q", tc.name, got, tc.unknown)
		}
	}
}
