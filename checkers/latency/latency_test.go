package latency

import (
	"math"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

func TestLatencyFacts(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Type: "register"}}}, Events: []history.Event{
		{At: 0, Kind: history.EventPhase, Detail: "measure"},
		{At: 500 * ms, Kind: history.EventFault, Fault: "f1", Name: "kill"},
		{At: 700 * ms, Kind: history.EventHeal, Fault: "f1"},
		{At: sec, Kind: history.EventPhase, Detail: "heal"},
	}}
	for i := int64(0); i < 1000; i++ {
		log.Ops = append(log.Ops, history.Op{
			Intended: i * ms, Start: i*ms + ms/2, End: i*ms + (i+1)*1000, Kind: history.Write, Outcome: history.OK,
		})
	}
	outside := []history.Op{
		{Intended: 1, Start: 1, End: 9 * sec, Kind: history.Write, Outcome: history.OK, Flags: history.Warmup},
		{Intended: 1, Start: 1, End: 9 * sec, Kind: history.Write, Outcome: history.OK, Flags: history.FinalRead},
		{Intended: 1, Start: 1, End: 9 * sec, Kind: history.Write, Outcome: history.Unknown},
		{Intended: 1, Start: 1, End: 9 * sec, Kind: history.Mark, Outcome: history.OK},
		{Intended: sec, Start: sec, End: 9 * sec, Kind: history.Write, Outcome: history.OK},
		{Intended: 1, Start: 1, End: 9 * sec, Kind: history.Read, Outcome: history.Fail},
	}
	log.Ops = append(log.Ops, outside...)
	values := map[string]checkers.Value{}
	for _, v := range Checker().Check(t.Context(), checkers.Input{Log: log}).Values {
		values[v.Name] = v
	}
	for name, want := range map[string]float64{
		"latency.write.p50": 500e3, "latency.write.p90": 900e3, "latency.write.p99": 990e3, "latency.write.p999": 999e3, "latency.write.max": 1000e3,
		"latency.p99": 990e3, "latency.write.before.p99": 495e3, "latency.write.during.p99": 698e3, "latency.write.after.p99": 997e3, "ops.late.p99": 500e3,
	} {
		if v := values[name]; !v.Known || math.Abs(v.N-want) > want*0.002+512 {
			t.Errorf("%s = %+v, want %v", name, v, want)
		}
	}
	if v := values["latency.write.max"]; v.N != 1000e3 {
		t.Errorf("the maximum is %v, not exact", v.N)
	}
	if v := values["latency.read.p99"]; v.Known || v.Why == "" {
		t.Errorf("reads that all failed give %+v", v)
	}
	if _, ok := values["latency.cas.p99"]; ok {
		t.Error("a kind that was not in the workload has a fact")
	}
}

// TestNoLoad: markers alone have no latency.
func TestNoLoad(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Type: "lag"}}}, Ops: []history.Op{{Kind: history.Mark, Outcome: history.OK}}}
	if r := Checker().Check(t.Context(), checkers.Input{Log: log}); len(r.Values) > 0 || len(r.Latency) > 0 {
		t.Errorf("a run without load has %v", r.Values)
	}
}

// TestLatencyInDoubt: what a stall can have changed, and what was never sent, are
// bounds; the rows leave them out.
func TestLatencyInDoubt(t *testing.T) {
	build := func(events ...history.Event) *history.Log {
		log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Name: "register", Type: "register"}}},
			Events: append([]history.Event{{At: 0, Kind: history.EventPhase, Detail: "measure"}, {At: sec, Kind: history.EventPhase, Detail: "heal"}}, events...)}
		for i := int64(0); i < 100; i++ {
			log.Ops = append(log.Ops, history.Op{Intended: i * 10 * ms, Start: i * 10 * ms, End: i*10*ms + ms, Kind: history.Write, Outcome: history.OK, Worker: uint16(i)})
		}
		return log
	}
	unsent := func(kinds ...string) history.Event {
		return history.Event{At: 2 * sec, Kind: history.EventDemand, Name: "register",
			Demand: &history.Demand{Stop: sec, Kinds: kinds, Unsent: []history.Unsent{{From: 800 * ms, Until: sec - 1, Count: 10}}}}
	}
	slept := history.Event{At: 200 * ms, Until: 900 * ms, Kind: history.EventUntrusted, Detail: "did not run"}
	late := build(slept)
	for i := range late.Ops {
		if op := &late.Ops[i]; op.Intended >= 200*ms && op.Intended < 900*ms {
			op.Start, op.End = 900*ms, 901*ms
		}
	}
	for _, tc := range []struct {
		name       string
		log        *history.Log
		fact       string
		least, max float64 // max 0: no bound
	}{
		{"nothing in doubt", build(), "latency.p99", 1e6, 1e6},
		{"asleep", late, "latency.p99", 1e6, 691e6},
		{"asleep, but not that often", late, "latency.write.p50", 0, 201e6},
		{"never sent", build(unsent("write")), "latency.p99", 1e9, 0},
		{"never sent, of one kind", build(unsent("write")), "latency.write.p99", 1e9, 0},
		{"never sent, of some kind", build(unsent("write", "read")), "latency.write.p99", 1e6, 0},
		{"never sent, and not that often", build(unsent("write")), "latency.p50", 1e6, 1e6},
		{"never sent, of another kind", build(unsent("read")), "latency.write.p99", 1e6, 1e6},
	} {
		r := Checker().Check(t.Context(), checkers.Input{Log: tc.log})
		near := func(got, want float64) bool { return math.Abs(got-want) <= want/400+1000 }
		for _, v := range r.Values {
			if v.Name != tc.fact {
				continue
			}
			if least, most := v.Bounds(); !near(least, tc.least) || tc.max == 0 && !math.IsInf(most, 1) || tc.max > 0 && !near(most, tc.max) {
				t.Errorf("%s: %s is %+v, want %v to %v", tc.name, v.Name, v, tc.least, tc.max)
			}
			if v.AtLeast && v.Why == "" {
				t.Errorf("%s: %s is bounded for no reason", tc.name, v.Name)
			}
		}
		row := r.Latency[0]
		if slept := tc.log == late; slept != (row.Doubted == 71) || row.Max != ms {
			t.Errorf("%s: the row is %+v", tc.name, row)
		}
	}
}
