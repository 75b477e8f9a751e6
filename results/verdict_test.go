package results

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// holding is the sample with only claims that hold.
func holding() Input {
	in := sampleInput()
	in.Claims = []string{"writes.lost > 0", "faults.count == 2"}
	return in
}

func TestVerdictOfClaims(t *testing.T) {
	for _, tc := range []struct {
		claims []string
		want   Answer
		exit   int
	}{
		{[]string{"writes.lost > 0", "faults.count == 2"}, Holds, 0},
		{[]string{"writes.lost > 0", "failover.max < 10s"}, Unproven, 2},
		{[]string{"failover.max < 10s", "faults.count == 3", "writes.lost > 0"}, Violated, 1},
		{[]string{"writes.lost ==", "writes.lost > 0"}, Unproven, 2},
		{nil, Holds, 0},
	} {
		in := sampleInput()
		in.Claims = tc.claims
		v := Judge(in)
		if v.Verdict != tc.want || v.Verdict.ExitCode() != tc.exit {
			t.Errorf("%q: %s, exit code %d; want %s, %d", tc.claims, v.Verdict, v.Verdict.ExitCode(), tc.want, tc.exit)
		}
		if noted := strings.Contains(strings.Join(v.Notes, " "), "claims nothing"); noted != (len(tc.claims) == 0) {
			t.Errorf("%q: notes are %q", tc.claims, v.Notes)
		}
	}
}

// TestEachGateFailsOnce breaks one thing at a time in a run that holds.
func TestEachGateFailsOnce(t *testing.T) {
	event := func(in *Input, kind history.EventKind, fault string) *history.Event {
		for i := range in.Log.Events {
			if e := &in.Log.Events[i]; e.Kind == kind && e.Fault == fault {
				return e
			}
		}
		t.Fatalf("no %s of %s", kind, fault)
		return nil
	}
	for _, tc := range []struct {
		name, gate, say string
		breakIt         func(*Input)
	}{
		{"too few operations", "enough operations", "at least 1000000", func(in *Input) { in.MinOps = 1e6 }},
		{"torn", "whole history", "harness died", func(in *Input) { in.Log.Torn = true }},
		{"gate event", "run as planned", "f2 no victim", func(in *Input) {
			in.Log.Events = append(in.Log.Events, history.Event{Kind: history.EventGateFailed, Fault: "f2", Detail: "no victim"})
		}},
		{"never executed", "fault f3 pause", "never put into effect", func(in *Input) {
			in.Planned = append(in.Planned, PlannedFault{ID: "f3", Kind: "pause"})
		}},
		{"failed", "fault f1 kill", "the agent is gone", func(in *Input) {
			e := event(in, history.EventFault, "f1")
			e.Failed, e.Detail = true, "the agent is gone"
		}},
		{"nothing in flight", "fault f2 partition", "no operation was in flight", func(in *Input) {
			event(in, history.EventFault, "f2").At = 9100 * ms
			event(in, history.EventHeal, "f2").At = 9300 * ms
		}},
		{"nothing dropped", "fault f2 partition", "dropped no packet", func(in *Input) { event(in, history.EventHeal, "f2").Dropped = 0 }},
		{"heal unknown", "fault f2 partition", "heal was not recorded", func(in *Input) { event(in, history.EventHeal, "f2").Kind = history.EventNote }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := holding()
			in.Claims = []string{"writes.lost > 0"}
			tc.breakIt(&in)
			in.Measured = measure(in.Log, sampleResult())
			v := Judge(in)
			if v.Verdict != Unproven {
				t.Errorf("the verdict is %s", v.Verdict)
			}
			for _, g := range v.Gates {
				if g.Met == (g.Name == tc.gate) {
					t.Errorf("gate %q met: %v (%s)", g.Name, g.Met, g.Detail)
				}
				if g.Name == tc.gate && !strings.Contains(g.Detail, tc.say) {
					t.Errorf("gate %q says %q, want %q", g.Name, g.Detail, tc.say)
				}
			}
		})
	}
}

func TestInFlight(t *testing.T) {
	f := &Fault{At: 100, End: 200}
	for _, tc := range []struct {
		start, end int64
		flags      uint8
		want       bool
	}{
		{50, 99, 0, false}, {50, 100, 0, true}, {50, 300, 0, true}, {100, 110, 0, true}, {199, 300, 0, true}, {201, 300, 0, false},
		{150, 160, history.FinalRead, false},
	} {
		if got := inFlight(&history.Op{Start: tc.start, End: tc.end, Flags: tc.flags}, f); got != tc.want {
			t.Errorf("an operation from %d to %d (flags %d) in flight: %v", tc.start, tc.end, tc.flags, got)
		}
	}
}

// TestUnmetGates: what was found stays a violation, what was merely not found
// proves nothing.
func TestUnmetGates(t *testing.T) {
	for _, tc := range []struct {
		claim       string
		lost        float64
		want, unmet Answer
	}{
		{"writes.lost == 0", 17, Violated, Violated},
		{"writes.lost > 0", 0, Violated, Unproven},
		{"writes.lost > 0 or writes.lost > 5", 0, Violated, Unproven},
		{"writes.lost > 0 and latency.write.p99 < 1ms", 0, Violated, Violated},
		{"latency.write.p99 < 1ms", 0, Violated, Violated},
		{"writes.lost == 0", 0, Holds, Unproven},
	} {
		for _, met := range []bool{true, false} {
			in := holding()
			in.Claims = []string{tc.claim}
			in.Measured = measure(in.Log, checkers.Result{Values: []checkers.Value{known("writes.lost", tc.lost)}})
			want := tc.want
			if !met {
				in.MinOps, want = 1e6, tc.unmet
			}
			if v := Judge(in); v.Verdict != want {
				t.Errorf("%s with %v lost, gates met %v: %s, want %s (%s)", tc.claim, tc.lost, met, v.Verdict, want, v.Claims[0].Detail)
			}
		}
	}
}

func TestWorst(t *testing.T) {
	of := func(answers ...Answer) (list []*Verdict) {
		for _, a := range answers {
			list = append(list, &Verdict{Verdict: a})
		}
		return list
	}
	if got := Worst(of(Holds, Unproven, Holds)...); got != Unproven {
		t.Error(got)
	}
	if got := Worst(of(Holds, Violated, Unproven)...); got != Violated {
		t.Error(got)
	}
	if got := Worst(of(Holds)...); got != Holds {
		t.Error(got)
	}
	if got := Worst(); got != Unproven {
		t.Error(got)
	}
}

func TestEvidence(t *testing.T) {
	elements := make([]int64, 100)
	for _, tc := range []struct {
		op   history.Op
		want string
	}{
		{history.Op{Kind: history.Write, Value: 7, Outcome: history.OK}, "write key 0 7 at n1, 0.000 s to 0.000 s, ok"},
		{history.Op{Kind: history.Read, Value: history.Nil, Outcome: history.OK}, "read key 0 nothing at n1, 0.000 s to 0.000 s, ok"},
		{history.Op{Kind: history.Read, Error: history.ErrTimeout}, "read key 0 at n1, 0.000 s to 0.000 s, unknown (timeout)"},
		{history.Op{Kind: history.CAS, Old: 1, Value: 2, Observed: 3, Flags: history.Seen, Outcome: history.Fail, Error: history.ErrCompare},
			"cas key 0 1 → 2, found 3 at n1, 0.000 s to 0.000 s, fail (compare)"},
		{history.Op{Kind: history.CAS, Old: 1, Value: 2, Outcome: history.OK, Node: -1}, "cas key 0 1 → 2, 0.000 s to 0.000 s, ok"},
		{history.Op{Kind: history.ReadSet, Elements: []int64{4, 5}, Outcome: history.OK, Flags: history.FinalRead}, "readset key 0 [4 5] at n1, 0.000 s to 0.000 s, ok, final read"},
		{history.Op{Kind: history.ReadSet, Outcome: history.OK}, "readset key 0 [] at n1, 0.000 s to 0.000 s, ok"},
		{history.Op{Kind: history.Enqueue, Value: 7}, "enqueue key 0 7 at n1, 0.000 s to 0.000 s, unknown"},
		{history.Op{Kind: history.Dequeue, Value: 7, Outcome: history.OK}, "dequeue key 0 7 at n1, 0.000 s to 0.000 s, ok"},
		{history.Op{Kind: history.Dequeue, Value: history.Nil, Outcome: history.OK}, "dequeue key 0 nothing at n1, 0.000 s to 0.000 s, ok"},
		{history.Op{Kind: history.Dequeue, Value: history.Nil, Error: history.ErrTimeout}, "dequeue key 0 at n1, 0.000 s to 0.000 s, unknown (timeout)"},
		{history.Op{Kind: history.Dequeue, Value: 7, Error: history.ErrConnLost}, "dequeue key 0 7 at n1, 0.000 s to 0.000 s, unknown (conn-lost)"},
		{history.Op{Kind: history.Drain, Value: history.Nil, Elements: []int64{4, 5}, Outcome: history.OK, Flags: history.FinalRead},
			"drain key 0 [4 5] at n1, 0.000 s to 0.000 s, ok, final"},
		{history.Op{Kind: history.Drain, Value: 6, Elements: []int64{4}, Flags: history.FinalRead},
			"drain key 0 [4], unacknowledged 6 at n1, 0.000 s to 0.000 s, unknown, final"},
	} {
		e := evidenceOf(&tc.op, []string{"n1"})
		if got := evidenceLine(&e); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	e := evidenceOf(&history.Op{Kind: history.ReadSet, Elements: elements}, nil)
	if len(e.Elements) != MaxElements || e.Size != 100 || !strings.Contains(evidenceLine(&e), "and 68 more") {
		t.Errorf("a large set gives %d of %d: %s", len(e.Elements), e.Size, evidenceLine(&e))
	}
}
