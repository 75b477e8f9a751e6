package results

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

func TestFaultsOfEvents(t *testing.T) {
	log := &history.Log{Events: []history.Event{
		{At: 10, Planned: 8, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}, Counts: map[string]uint64{"pages lost": 5}},
		{At: 12, Planned: 8, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n2"}, Counts: map[string]uint64{"pages lost": 2}},
		{At: 20, Planned: 20, Kind: history.EventFault, Fault: "f2", Failed: true, Detail: "no such node"},
		{At: 30, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n1"}, Dropped: 3},
		{At: 31, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n2"}, Dropped: 4},
		{At: 40, Planned: 45, Kind: history.EventFault, Fault: "f3", Nodes: []string{"n1"}},
		{At: 50, Kind: history.EventHeal, Fault: "stray"},
		{At: 100, Kind: history.EventPhase, Detail: "end"},
	}}
	faults := newTimeline(log).faults
	if len(faults) != 3 {
		t.Fatalf("got %+v", faults)
	}
	f1, f2, f3 := faults[0], faults[1], faults[2]
	if f1.At != 10 || f1.End != 31 || f1.Precision != 4 || f1.Dropped != 7 || !f1.Healed || !f1.Executed || !slices.Equal(f1.Victims, []string{"n1", "n2"}) {
		t.Errorf("f1 is %+v", f1)
	}
	if f1.Counts["pages lost"] != 7 {
		t.Errorf("f1 counts %v", f1.Counts)
	}
	if f2.Executed || f2.Error != "no such node" {
		t.Errorf("f2 is %+v", f2)
	}
	if f3.Healed || f3.End != 100 || f3.Precision != -5 {
		t.Errorf("f3 is %+v", f3)
	}
}

func TestLagOnlyRunCountsMarkers(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Type: "lag"}}}, Ops: []history.Op{{Kind: history.Mark, Outcome: history.OK}}}
	m := MeasureFound(log, checkers.Result{})
	if m.Counts.Acked != 1 {
		t.Errorf("%d acknowledged", m.Counts.Acked)
	}
}

// TestHostileHistories: whatever a damaged history holds, nothing panics and
// memory stays bounded.
func TestHostileHistories(t *testing.T) {
	times := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-10, 10), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}))
	rapid.Check(t, func(t *rapid.T) {
		log := &history.Log{Torn: rapid.Bool().Draw(t, "torn"), Meta: history.Meta{Nodes: []string{"n1"}, Workloads: []history.WorkloadMeta{{Type: "register"}}}}
		for range rapid.IntRange(0, 20).Draw(t, "ops") {
			log.Ops = append(log.Ops, history.Op{
				Intended: times.Draw(t, "intended"), Start: times.Draw(t, "start"), End: times.Draw(t, "end"),
				Kind: history.Kind(rapid.Uint8().Draw(t, "kind")), Outcome: history.Outcome(rapid.Uint8().Draw(t, "outcome")),
				Flags: rapid.Uint8().Draw(t, "flags"), Node: rapid.Int8().Draw(t, "node"), Workload: rapid.Uint8().Draw(t, "workload"),
			})
		}
		kinds := []history.EventKind{history.EventPhase, history.EventFault, history.EventHeal, history.EventGateFailed, "strange"}
		for range rapid.IntRange(0, 10).Draw(t, "events") {
			log.Events = append(log.Events, history.Event{
				At: times.Draw(t, "at"), Planned: times.Draw(t, "planned"), Kind: rapid.SampledFrom(kinds).Draw(t, "event"),
				Fault: rapid.SampledFrom([]string{"f1", "f2", ""}).Draw(t, "fault"), Failed: rapid.Bool().Draw(t, "failed"),
				Detail: rapid.SampledFrom([]string{"warmup", "measure", "heal", "final", "end", ""}).Draw(t, "detail"),
			})
		}
		found := resultstest.Found()
		found.Stale = nil
		for i := range log.Ops {
			found.Stale = append(found.Stale, checkers.StaleSample{Staleness: times.Draw(t, "staleness"), Op: int32(i)})
		}
		m := MeasureFound(log, found)
		v := Judge(Input{Log: log, Measured: m, Planned: []PlannedFault{{ID: "f1", Kind: "partition"}}})
		if _, err := json.Marshal(v); err != nil {
			t.Fatal(err)
		}
		if v.Measured < 0 || v.Duration < 0 {
			t.Fatalf("it lasted %d and measured %d", v.Duration, v.Measured)
		}
	})
}

func TestMeasureRunsTheCheckers(t *testing.T) {
	m := Measure(context.Background(), resultstest.Log(), checkers.DefaultLimits, 0)
	if v := m.ByName()["faults.count"]; v.N != 2 || len(m.Latency) == 0 {
		t.Errorf("measured %+v", m.Values)
	}
	for _, v := range m.Values {
		if _, ok := claims.LookupFact(v.Name); !ok {
			t.Errorf("%s is measured but not listed", v.Name)
		}
	}
}

func BenchmarkMeasure(b *testing.B) {
	log := resultstest.Log()
	one := slices.Clone(log.Ops)
	for len(log.Ops) < 1_000_000 {
		log.Ops = append(log.Ops, one...)
	}
	b.ResetTimer()
	for b.Loop() {
		MeasureFound(log, checkers.Result{})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(log.Ops)), "ns/op-in-log")
}
