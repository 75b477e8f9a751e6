package load

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

// twoPhases is a log of 100/s for a second and 200/s for another, with further events.
func twoPhases(more ...history.Event) *history.Log {
	log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Name: "register", Type: "register"}, {Name: "other", Type: "set"}}}, Events: []history.Event{
		{At: 0, Kind: history.EventPhase, Detail: "measure"}, {At: 2 * sec, Kind: history.EventPhase, Detail: "heal"},
		{At: 0, Until: sec, Kind: history.EventLoad, Name: "slow", Detail: "100/s", Workloads: []string{"register"}},
		{At: sec, Until: 9 * sec, Kind: history.EventLoad, Name: "fast", Detail: "200/s", Workloads: []string{"register"}},
		{At: 2 * sec, Kind: history.EventDemand, Name: "other", Demand: &history.Demand{Stop: 2 * sec, Closed: true}},
	}}
	log.Events = append(log.Events, more...)
	for at := int64(0); at < 2*sec; {
		log.Ops = append(log.Ops, history.Op{Intended: at, Start: at, End: at + 5*ms, Kind: history.Write, Outcome: history.OK},
			history.Op{Intended: at, Start: at, End: at + 900*ms, Kind: history.Add, Outcome: history.Unknown, Workload: 1})
		if at += 5 * ms; at <= sec {
			at += 5 * ms
		}
	}
	return log
}

func demand(d history.Demand) history.Event {
	d.Stop = 2 * sec
	return history.Event{At: 3 * sec, Kind: history.EventDemand, Name: "register", Demand: &d}
}

func TestFacts(t *testing.T) {
	late := func(log *history.Log) *history.Log {
		for i := range log.Ops {
			if op := &log.Ops[i]; op.Workload == 0 && op.Intended >= 1500*ms && op.Intended < 1600*ms {
				op.Start, op.End = 1600*ms, 1601*ms
			}
		}
		return log
	}
	failing := func(log *history.Log) *history.Log {
		for i := range log.Ops {
			if op := &log.Ops[i]; op.Workload == 0 && op.Intended < 500*ms {
				op.Outcome = history.Fail
			}
		}
		return log
	}
	for name, tc := range map[string]struct {
		log         *history.Log
		fact        string
		least, most float64 // most 0: no bound; least -1: unknown
	}{
		"throughput":                       {twoPhases(demand(history.Demand{Asked: 300})), "load.slow.throughput", 100, 100},
		"of the second":                    {twoPhases(demand(history.Demand{Asked: 300})), "load.fast.throughput", 199, 200}, // one is answered as the phase ends
		"asked":                            {twoPhases(demand(history.Demand{Asked: 300})), "load.fast.asked", 200, 200},
		"latency of the phase's workloads": {twoPhases(demand(history.Demand{})), "load.fast.latency.max", 5e6, 5e6},
		"errors":                           {failing(twoPhases(demand(history.Demand{}))), "load.slow.error_rate", 0.5, 0.5},
		"no errors of the other":           {failing(twoPhases(demand(history.Demand{}))), "load.fast.error_rate", 0, 0},
		"late, of all":                     {late(twoPhases(demand(history.Demand{}))), "load.late", 18. / 602, 18. / 598},
		"late, of the phase":               {late(twoPhases(demand(history.Demand{}))), "load.fast.late", 18. / 200, 18. / 200},
		"late, not of the other":           {late(twoPhases(demand(history.Demand{}))), "load.slow.late", 0, 0},
		"late by how much":                 {late(twoPhases(demand(history.Demand{}))), "load.fast.latency.max", 101e6, 101e6},
		"sent at once":                     {late(twoPhases(demand(history.Demand{}))), "load.burst", 580, 620},
		"untold":                           {twoPhases(), "load.late", -1, 0},
		"untold drops":                     {twoPhases(), "load.dropped", -1, 0},
		"harness, not told":                {twoPhases(demand(history.Demand{})), "load.late.harness", -1, 0},
		"harness":                          {twoPhases(demand(history.Demand{Own: &history.Own{Sent: 300, Late: 6, P99: 12e6, Max: 30e6}})), "load.late.harness", 0.02, 0.02},
		"harness, p99":                     {twoPhases(demand(history.Demand{Own: &history.Own{Sent: 300, Late: 6, P99: 12e6, Max: 30e6}})), "load.late.harness.p99", 12e6, 12e6},
		"dropped": {twoPhases(demand(history.Demand{Unsent: []history.Unsent{{From: 1100 * ms, Until: 1200 * ms, Count: 20, Skipped: true, Waited: 700 * ms},
			{From: 1900 * ms, Until: 1950 * ms, Count: 5}}})), "load.dropped", 25, 25},
		"dropped are late, of all": {twoPhases(demand(history.Demand{Unsent: []history.Unsent{{From: 1100 * ms, Until: 1200 * ms, Count: 20, Skipped: true}}})), "load.late", 20. / 622, 20. / 618},
		"dropped are late":         {twoPhases(demand(history.Demand{Unsent: []history.Unsent{{From: 1100 * ms, Until: 1200 * ms, Count: 20, Skipped: true}}})), "load.fast.late", 20. / 220, 20. / 220},
		"dropped, as waiting":      {twoPhases(demand(history.Demand{Unsent: []history.Unsent{{From: 1100 * ms, Until: 1200 * ms, Count: 20, Skipped: true, Waited: 700 * ms}}})), "load.fast.latency.p99", 700e6, 0},
		"left, as waiting":         {twoPhases(demand(history.Demand{Unsent: []history.Unsent{{From: 1100 * ms, Until: 1200 * ms, Count: 20}}})), "load.fast.latency.p99", 1800e6, 0},
		"dropped, asked for":       {twoPhases(demand(history.Demand{Unsent: []history.Unsent{{From: 1100 * ms, Until: 1200 * ms, Count: 20, Skipped: true}}})), "load.fast.asked", 220, 220},
		"dropped, of another":      {twoPhases(demand(history.Demand{Unsent: []history.Unsent{{From: 1100 * ms, Until: 1200 * ms, Count: 20, Skipped: true}}})), "load.slow.dropped", 0, 0},
		"in doubt": {twoPhases(demand(history.Demand{}), history.Event{At: 1200 * ms, Until: 1400 * ms, Kind: history.EventUntrusted, Detail: "did not run"}),
			"load.fast.throughput", 199, (199. + 0) / 0.8},
	} {
		values := map[string]checkers.Value{}
		slices.SortStableFunc(tc.log.Ops, func(a, b history.Op) int { return history.Less(&a, &b) })
		for _, v := range Checker().Check(t.Context(), checkers.Input{Log: tc.log}).Values {
			values[v.Name] = v
		}
		v, ok := values[tc.fact]
		if !ok || v.Known == (tc.least < 0) {
			t.Errorf("%s: %s is %+v", name, tc.fact, v)
			continue
		}
		least, most := v.Bounds()
		near := func(got, want float64) bool { return math.Abs(got-want) <= want/100+1e-9 }
		switch {
		case tc.least < 0:
		case !v.AtLeast && tc.most > tc.least*1.15:
			t.Errorf("%s: %s is exactly %+v, want bounds", name, tc.fact, v)
		case !v.AtLeast:
			if v.N < tc.least*0.999 || v.N > tc.most*1.001 {
				t.Errorf("%s: %s is %+v, want %g to %g", name, tc.fact, v, tc.least, tc.most)
			}
		case !near(least, tc.least) || tc.most == 0 && !math.IsInf(most, 1) || tc.most > 0 && !near(most, tc.most) || v.Why == "":
			t.Errorf("%s: %s is %+v, want %g to %g", name, tc.fact, v, tc.least, tc.most)
		}
	}
}

// TestACalledOffPhase ends with the load, and one that had not begun has no figures.
func TestACalledOffPhase(t *testing.T) {
	log := twoPhases(history.Event{At: 9 * sec, Until: 10 * sec, Kind: history.EventLoad, Name: "never", Workloads: []string{"register"}}, demand(history.Demand{Asked: 300}))
	for _, v := range Checker().Check(t.Context(), checkers.Input{Log: log}).Values {
		if v.Name == "load.never.throughput" && (v.Known || v.Why == "") {
			t.Errorf("%+v", v)
		}
	}
}
