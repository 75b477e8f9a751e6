package say

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
)

func known(name string, n float64) results.FactValue {
	return results.FactValue{Value: checkers.Value{Name: name, N: n, Known: true}}
}

func ns(n int64) *int64 { return &n }

func TestHeadline(t *testing.T) {
	kill := results.Fault{ID: "f1", Name: "kill", Victims: []string{"n1"}, At: 4_000_282_788, Executed: true}
	cut := results.Fault{ID: "f2", Name: "partition isolate", Victims: []string{"n2"}, At: 10e9, Executed: true}
	lag := []results.LagRow{{Before: ns(6_100_000)}, {Node: "n2"}, {Node: "n3"}}
	least := known("writes.lost", 60)
	least.AtLeast = true
	between := known("availability.write_gap.max", 1.88e9)
	between.AtLeast, between.AtMost = true, 2.03e9
	unknown := results.FactValue{Value: checkers.Value{Name: "writes.lost", Why: "the history is torn"}}
	for _, tc := range []struct {
		name string
		v    results.Verdict
		want string
	}{
		{"kill", results.Verdict{Faults: []results.Fault{kill, cut}, Lag: lag, Values: []results.FactValue{
			known("writes.lost", 69), known("rpo.f1.ops", 69), known("rpo.f2.ops", 0), known("availability.write_gap.max", 1.31e9)}},
			"69 acknowledged writes vanished when n1 was killed at 4.0 s; no write was taken for 1.3 s; replicas were at most 6.1 ms behind before."},
		{"both, bounded", results.Verdict{Faults: []results.Fault{kill, cut}, Values: []results.FactValue{
			known("writes.lost", 3975), known("rpo.f1.ops", 5), known("rpo.f2.ops", 3970), between}},
			"3,975 acknowledged writes vanished when n1 was killed at 4.0 s and when n2 was cut off at 10.0 s; no write was taken for 1.9 s to 2 s."},
		{"one", results.Verdict{Values: []results.FactValue{known("queue.lost", 1), known("writes.lost", 0)}}, "1 confirmed message vanished."},
		{"no message", results.Verdict{Values: []results.FactValue{known("queue.lost", 0)}}, "No confirmed message was lost."},
		{"neither", results.Verdict{Values: []results.FactValue{known("set.lost", 0), known("queue.lost", 0)}}, "No acknowledged write was lost."},
		{"one of two", results.Verdict{Values: []results.FactValue{known("set.lost", 3), known("queue.lost", 0)}}, "3 acknowledged elements vanished."},
		{"bound", results.Verdict{Values: []results.FactValue{least}}, "At least 60 acknowledged writes vanished."},
		{"clean", results.Verdict{Faults: []results.Fault{kill}, Values: []results.FactValue{known("writes.lost", 0), known("availability.write_gap.max", 12e6)}},
			"No acknowledged write was lost through 1 fault; writes never paused for more than 12 ms."},
		{"stale", results.Verdict{Values: []results.FactValue{known("writes.lost", 0), known("reads.ok", 15987), known("reads.stale", 2406), known("reads.staleness.max", 3.62e9)}},
			"No acknowledged write was lost; 2,406 of 15,987 reads returned old values, by up to 3.6 s."},
		{"unknown", results.Verdict{Values: []results.FactValue{unknown}}, "Whether acknowledged writes were lost is not known."},
		{"isolation", results.Verdict{Isolation: &checkers.Isolation{Not: "serializable"}}, "Transactions were not serializable."},
		{"duplicates", results.Verdict{Values: []results.FactValue{known("set.duplicated", 16), known("set.lost", 0)}, Findings: []results.Finding{{Class: checkers.Duplicate}}},
			"No acknowledged element was lost; 16 elements returned twice in one answer."},
		{"nothing", results.Verdict{}, "Nothing was measured."},
	} {
		if got := Headline(&tc.v); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestValues(t *testing.T) {
	for _, tc := range []struct {
		v       int64
		foreign bool
		want    string
	}{
		{5<<40 + 234, false, "client 5, write 234"}, {5<<40 + 234, true, "5497558139114"}, {history.Nil, false, "nil"}, {history.Torn, false, "torn"},
		{4711, false, "4711"}, {-3, false, "-3"}, {1 << 62, false, "4611686018427387904"},
	} {
		if got := Value(tc.v, tc.foreign); got != tc.want {
			t.Errorf("%d: %q, want %q", tc.v, got, tc.want)
		}
	}
	text := "write of 5497558139114 to key 418 at 1234567890123456789012, they hold 1099511627777."
	if got, want := joined(Parts(text, false)), "write of client 5, write 234 to key 418 at 1234567890123456789012, they hold client 1, write 1."; got != want {
		t.Errorf("got %q", got)
	}
	if joined(Parts(text, true)) != text {
		t.Error("a foreign number became a client's")
	}
}

func TestCommandIsOneForTheShell(t *testing.T) {
	for dir, want := range map[string]string{"": "", "runs/a-1": "aftershock run --replay runs/a-1", "my runs/$(x)'": `aftershock run --replay 'my runs/$(x)'\'''`} {
		if got := Again(&results.Verdict{Dir: dir}); got != want {
			t.Errorf("%q: %s", dir, got)
		}
	}
}

// joined is what parts say together.
func joined(parts []Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}
