package results

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
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
		{nil, OnlyMeasured, 0},
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
		{"nothing in flight", "fault f2 partition", "no operation was attempted or answered", func(in *Input) {
			event(in, history.EventFault, "f2").At = 9100 * ms
			event(in, history.EventHeal, "f2").At = 9300 * ms
		}},
		{"nothing dropped", "fault f2 partition", "dropped no packet", func(in *Input) { event(in, history.EventHeal, "f2").Dropped = 0 }},
		{"nothing dropped, by the event's name alone", "fault f2", "dropped no packet", func(in *Input) {
			event(in, history.EventFault, "f2").Name = "partition isolate"
			event(in, history.EventHeal, "f2").Dropped = 0
			in.Planned[1].Kind = ""
		}},
		{"heal unknown", "fault f2 partition", "heal was not recorded", func(in *Input) { event(in, history.EventHeal, "f2").Kind = history.EventNote }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := holding()
			in.Claims = []string{"writes.lost > 0"}
			tc.breakIt(&in)
			in.Measured = MeasureFound(in.Log, resultstest.Found())
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

func TestTouches(t *testing.T) {
	f := &Fault{At: 100, End: 200}
	for _, tc := range []struct {
		start, end int64
		flags      uint8
		outcome    history.Outcome
		why        history.Error
		want       bool
	}{
		{start: 50, end: 99, outcome: history.OK}, {start: 201, end: 300, outcome: history.OK},
		{start: 50, end: 100, outcome: history.OK, want: true}, {start: 50, end: 150, want: true}, // it was answered, or given up, while the fault was in force
		{start: 100, end: 110, outcome: history.OK, want: true}, {start: 199, end: 300, want: true}, // it was attempted
		{start: 50, end: 300, outcome: history.OK, want: true}, // it was under way, and answered in the end
		{start: 50, end: 300, outcome: history.Unknown},        // nobody ever answered it
		{start: 150, end: 160, outcome: history.OK, flags: history.FinalRead},
		{start: 150, end: 160, outcome: history.Fail, why: history.ErrNoTarget},
		{start: 150, end: 160, outcome: history.Fail, why: history.ErrConnect, want: true},
	} {
		op := &history.Op{Start: tc.start, End: tc.end, Flags: tc.flags, Outcome: tc.outcome, Error: tc.why}
		if got := touches(op, f); got != tc.want {
			t.Errorf("an operation from %d to %d (flags %d, %s %s) tells of the fault: %v", tc.start, tc.end, tc.flags, tc.outcome, tc.why, got)
		}
	}
	cut := &history.Op{Start: 50, End: 300, Outcome: history.Unknown}
	if !touches(cut, &Fault{At: 100, End: 200, Counts: map[string]uint64{"connections reset": 1}}) {
		t.Error("an operation whose connection was reset tells nothing of it")
	}
	cut.Error = history.ErrNoQuorum // WAIT ended after the pause, and told of too few replicas
	if !touches(cut, &Fault{At: 100, End: 200}) {
		t.Error("an answer that the write is on too few replicas shows nothing of the fault that it lasted through")
	}
}

// TestStartedServerIsShownAfterwards: who starts a server that had ended by itself shows it
// by what is answered then.
func TestStartedServerIsShownAfterwards(t *testing.T) {
	for started, want := range map[uint64]bool{0: false, 1: true} {
		log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Type: "set"}}}, Events: []history.Event{
			{At: 10, Kind: history.EventFault, Fault: "f1", Name: "restart", Nodes: []string{"n1"}, Counts: map[string]uint64{faults.CountStarted: started}},
			{At: 20, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n1"}},
		}}
		for i, op := range []history.Op{{Outcome: history.Fail, Error: history.ErrNoTarget, Start: 15}, {Outcome: history.Fail, Error: history.ErrNoTarget, Start: 25}, {Outcome: history.OK, Start: 30}} {
			op.Kind, op.Intended, op.End, op.Value = history.Add, op.Start, op.Start+1, int64(i)
			log.Ops = append(log.Ops, op)
		}
		if got := MeasureFound(log, checkers.Result{}).Faults[0].met; got != want {
			t.Errorf("with %d servers started it is seen: %v", started, got)
		}
	}
}

// While what is over in an instant took effect nothing may have been under way: what is
// answered afterwards shows the system with it behind. Without that nothing does.
func TestInstantIsShownAfterwards(t *testing.T) {
	for _, tc := range []struct {
		name   string
		healed bool
		after  history.Outcome
		want   bool
	}{{"reset", true, history.OK, true}, {"reset", true, history.Unknown, false}, {"reset", false, history.OK, false}, {"partition isolate", true, history.OK, false}} {
		log := &history.Log{Meta: history.Meta{Run: "r", Nodes: []string{"n1"}, Workloads: []history.WorkloadMeta{{Name: "set", Type: "set", Keys: 1}}}, Events: []history.Event{
			{At: 10, Kind: history.EventFault, Fault: "f1", Name: tc.name, Nodes: []string{"n1"}},
		}}
		if tc.healed {
			log.Events = append(log.Events, history.Event{At: 11, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n1"}})
		}
		log.Ops = []history.Op{{Kind: history.Add, Outcome: history.OK, Intended: 1, Start: 1, End: 2, Value: 1}, {Kind: history.Add, Outcome: tc.after, Intended: 40, Start: 40, End: 41, Value: 2}}
		if !tc.healed {
			log.Ops = log.Ops[:1]
		}
		if f := MeasureFound(log, checkers.Result{}).Faults[0]; f.met != tc.want || f.answered != tc.want {
			t.Errorf("%s, healed %t, then %s: met %t, answered %t", tc.name, tc.healed, tc.after, f.met, f.answered)
		}
	}
}

// TestRandomFaults: of an entry of random faults some may find no victim; of
// those that the plan names an instant for, none.
func TestRandomFaults(t *testing.T) {
	happened := []Fault{}
	planned := []PlannedFault{}
	for i := range 20 {
		id := fmt.Sprintf("f%d", i+1)
		happened = append(happened, Fault{ID: id, Name: "kill", Executed: true, met: true})
		planned = append(planned, PlannedFault{ID: id, Kind: "kill", Entry: 1, Every: "every 1s"})
	}
	for _, tc := range []struct {
		missing int
		effect  float64
		met     bool
		says    string
	}{
		{0, 0.9, true, "20 of 20 took effect"}, {1, 0.9, true, "19 of 20 took effect while operations were in flight, at least 18 needed; not fault f1 kill (it did not take effect: no victim"},
		{2, 0.9, true, ""}, {3, 0.9, false, "17 of 20"}, {3, 0.85, true, ""}, {1, 0, false, ""}, {20, 0.01, false, "at least 1 needed"},
	} {
		some := slices.Clone(happened)
		for i := range tc.missing {
			some[i] = Fault{ID: some[i].ID, Name: "kill", Error: "no victim: no node says that it is the primary now"}
		}
		gates := faultGates(Input{Planned: planned, Effect: tc.effect, Scheduled: true}, some)
		if len(gates) != 1 || gates[0].Met != tc.met || !strings.Contains(gates[0].Detail, tc.says) {
			t.Errorf("%d missing, share %v: %+v", tc.missing, tc.effect, gates)
		}
		strict := slices.Clone(planned)
		for i := range strict {
			strict[i].Entry = 0
		}
		unmet := slices.DeleteFunc(faultGates(Input{Planned: strict, Effect: tc.effect, Scheduled: true}, some), func(g Gate) bool { return g.Met })
		if len(unmet) != tc.missing {
			t.Errorf("%d missing at instants of the plan: %d gates are not met", tc.missing, len(unmet))
		}
	}
	if gates := faultGates(Input{Planned: planned[1:], Effect: 0.9, Scheduled: true}, happened); len(gates) != 2 || gates[1].Met {
		t.Errorf("a fault that the schedule lost: %+v", gates)
	}
}

// TestFaultsThatNobodySaw: without a schedule no gate speaks of faults, and a note
// tells of those during which nobody was answered.
func TestFaultsThatNobodySaw(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Run: "r", Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: 1}}},
		Ops: []history.Op{
			{Kind: history.Write, Value: 1, Start: 10, End: 20, Outcome: history.OK}, {Kind: history.Read, Value: 1, Start: 110, End: 1 << 62},
			{Kind: history.Read, Value: 1, Start: 310, End: 320, Outcome: history.OK}},
		Events: []history.Event{{At: 100, Kind: history.EventFault, Fault: "f1", Name: "partition"}, {At: 200, Kind: history.EventHeal, Fault: "f1"},
			{At: 300, Kind: history.EventFault, Fault: "f2", Name: "kill"}, {At: 400, Kind: history.EventHeal, Fault: "f2"}}}
	in := Input{Claims: []string{"linearizable"}, Log: log, Measured: MeasureFound(log, checkers.Result{Values: []checkers.Value{known("linearizable", 1)}})}
	in.Notes = Judge(in).Notes // a verdict's notes are kept when it is judged again
	v := Judge(in)
	if len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "while f1 (partition) was in force") || v.Verdict != Holds {
		t.Errorf("%s, notes %q", v.Verdict, v.Notes)
	}
	in.Scheduled = true
	if v := Judge(in); v.Verdict != Unproven {
		t.Errorf("a run whose schedule lacks its faults: %s", v.Verdict)
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
			latencies := slices.DeleteFunc(resultstest.Found().Values, func(v checkers.Value) bool { return !strings.HasPrefix(v.Name, "latency.") })
			in.Measured = MeasureFound(in.Log, checkers.Result{Values: append(latencies, known("writes.lost", tc.lost))})
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

// TestSystem: the version that ran stands behind the target's name.
func TestSystem(t *testing.T) {
	for want, p := range map[string]PlanInfo{
		"postgres 17.6 fsync=off": {Target: "postgres fsync=off", Version: "17.6"},
		"postgres 17.6":           {Target: "postgres", Version: "17.6"},
		"ripple replication=sync": {Target: "ripple replication=sync"},
		"EDN history":             {Target: "EDN history"},
	} {
		if got := p.System(); got != want {
			t.Errorf("%q, want %q", got, want)
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
	if got := Worst(of(OnlyMeasured, Holds, OnlyMeasured)...); got != Holds {
		t.Error(got)
	}
	if got := Worst(of(OnlyMeasured)...); got != OnlyMeasured {
		t.Error(got)
	}
	if got := Worst(); got != Unproven {
		t.Error(got)
	}
}

// TestTrimmedAnswersTellWhatTheyWere: evidence keeps of a set only the elements that
// matter, and tells how many there were and which were missing.
func TestTrimmedAnswersTellWhatTheyWere(t *testing.T) {
	read := history.Op{Kind: history.ReadSet, Outcome: history.OK, Elements: []int64{}}
	with := read
	with.Elements = []int64{7}
	f := checkers.Finding{Class: checkers.LostElement, Evidence: []history.Op{read, with, {Kind: history.Add, Value: 2, Outcome: history.OK}},
		Trimmed: []checkers.Trim{{Size: 5240, Without: []int64{2}}, {Size: 3}, {}}}
	got := findingOf(&f, nil, nil)
	for i, want := range []string{"5240 elements, without 2", "3 elements, with 7", ""} {
		if e := got.Evidence[i]; e.Shown != want {
			t.Errorf("operation %d is %q, want %q", i, e.Shown, want)
		}
	}
	if got.Evidence[0].Size != 5240 || len(got.Evidence[0].Without) != 1 {
		t.Errorf("the first is %+v", got.Evidence[0])
	}
}
