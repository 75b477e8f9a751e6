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
)

func TestPhases(t *testing.T) {
	tl := newTimeline(sampleLog())
	for at, want := range map[int64]Phase{
		0: PhaseWarmup, sec - 1: PhaseWarmup, sec: PhaseBefore, 3 * sec: PhaseBefore,
		3*sec + 1200*1000: PhaseDuring, 5*sec - 1: PhaseDuring, 5 * sec: PhaseAfter, 6 * sec: PhaseAfter,
		7 * sec: PhaseDuring, 8 * sec: PhaseAfter, 9*sec - 1: PhaseAfter, 9 * sec: PhaseSettle, 1 << 62: PhaseSettle,
	} {
		if got := tl.of(&history.Op{Intended: at}); got != want {
			t.Errorf("at %s it is %s, want %s", seconds(at), got, want)
		}
	}
	if got := tl.of(&history.Op{Intended: 2 * sec, Flags: history.Warmup}); got != PhaseWarmup {
		t.Errorf("a flagged operation is %s", got)
	}
	if got := tl.of(&history.Op{Intended: 2 * sec, Flags: history.FinalRead}); got != PhaseFinal {
		t.Errorf("a final read is %s", got)
	}
}

// TestPhaseAgreesWithWindows compares the binary search with a look at every
// fault.
func TestPhaseAgreesWithWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []history.Event
		type window struct{ begin, end int64 }
		var windows []window
		for i := range rapid.IntRange(0, 6).Draw(t, "faults") {
			id := string(rune('a' + i))
			w := window{begin: rapid.Int64Range(0, 40).Draw(t, "begin")}
			w.end = w.begin + rapid.Int64Range(0, 20).Draw(t, "length")
			windows = append(windows, w)
			events = append(events, history.Event{At: w.begin, Kind: history.EventFault, Fault: id})
			events = append(events, history.Event{At: w.end, Kind: history.EventHeal, Fault: id})
		}
		tl := newTimeline(&history.Log{Events: events})
		for at := int64(0); at < 64; at++ {
			want, first := PhaseBefore, int64(math.MaxInt64)
			for _, w := range windows {
				first = min(first, w.begin)
				if w.begin <= at && at < w.end {
					want = PhaseDuring
				}
			}
			if want == PhaseBefore && at >= first {
				want = PhaseAfter
			}
			if got := tl.at(at); got != want {
				t.Fatalf("at %d it is %s, want %s", at, got, want)
			}
		}
	})
}

func TestFaultsOfEvents(t *testing.T) {
	log := &history.Log{Events: []history.Event{
		{At: 10, Planned: 8, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}},
		{At: 12, Planned: 8, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n2"}},
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
	if f2.Executed || f2.Error != "no such node" {
		t.Errorf("f2 is %+v", f2)
	}
	if f3.Healed || f3.End != 100 || f3.Precision != -5 {
		t.Errorf("f3 is %+v", f3)
	}
	values := faultValues(faults)
	if values[0].N != 2 || values[1].N != 5 || !values[1].Known {
		t.Errorf("facts are %+v", values)
	}
	if none := faultValues(nil); none[0].N != 0 || none[1].Known {
		t.Errorf("facts without faults are %+v", none)
	}
}

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
	m := measure(log, checkers.Result{})
	values := m.ByName()
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
	if m.Counts.Acked != 1000 || m.Counts.Ops != 1006 || m.Counts.Final != 1 {
		t.Errorf("counts are %+v", m.Counts)
	}
}

func TestLagOnlyRunCountsMarkers(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Type: "lag"}}}, Ops: []history.Op{{Kind: history.Mark, Outcome: history.OK}}}
	m := measure(log, checkers.Result{})
	if m.Counts.Acked != 1 {
		t.Errorf("%d acknowledged", m.Counts.Acked)
	}
	if _, ok := m.ByName()["latency.p99"]; ok {
		t.Error("a run without load has a latency")
	}
}

func TestSeries(t *testing.T) {
	s := measure(sampleLog(), checkers.Result{}).Series
	if s.Width != fineWidth || len(s.T) != len(s.Acked) || len(s.T) != len(s.WriteMax) || len(s.T) < 89 {
		t.Fatalf("width %d, %d buckets", s.Width, len(s.T))
	}
	calm, outage := 20, 32 // 2.0 s and 3.2 s
	if s.WriteP99[calm] > 3 || s.WriteMax[outage] != 800 || s.Errors[calm] != 0 || s.Errors[outage+2] == 0 {
		t.Errorf("calm: %v ms, outage: %v ms, errors %v and %v", s.WriteP99[calm], s.WriteMax[outage], s.Errors[calm], s.Errors[outage+2])
	}
	if s.Acked[calm] != 400 {
		t.Errorf("%v operations a second, want 400", s.Acked[calm])
	}
	text, err := json.Marshal(Column{1.5, math.NaN(), 2})
	if err != nil || string(text) != "[1.5,null,2]" {
		t.Errorf("column is %s, %v", text, err)
	}
}

func TestExactAgreesWithCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Int64Range(0, 1000), 1, 50).Draw(t, "xs")
		p := rapid.Float64Range(1, 100).Draw(t, "p")
		slices.Sort(xs)
		got := exact(xs, p) * 1e6
		atMost := 0
		for _, x := range xs {
			if float64(x) <= got+0.5 {
				atMost++
			}
		}
		if float64(atMost) < p/100*float64(len(xs))-1e-9 {
			t.Fatalf("%v%% of %v is %v, but only %d are at most that", p, xs, got, atMost)
		}
	})
}

func TestBucketsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int64Min(0).Draw(t, "span")
		w := bucketWidth(span)
		if w < fineWidth || span/w+1 > maxBuckets+1 {
			t.Fatalf("a span of %d ns has buckets of %d ns", span, w)
		}
	})
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
		found := sampleResult()
		found.Stale = nil
		for i := range log.Ops {
			found.Stale = append(found.Stale, checkers.StaleSample{Staleness: times.Draw(t, "staleness"), Op: int32(i)})
		}
		m := measure(log, found)
		if _, err := json.Marshal(m.Series); err != nil {
			t.Fatal(err)
		}
		v := Judge(Input{Log: log, Measured: m, Planned: []PlannedFault{{ID: "f1", Kind: "partition"}}})
		if _, err := json.Marshal(v); err != nil {
			t.Fatal(err)
		}
		if len(m.Series.T) > maxBuckets+1 {
			t.Fatalf("%d buckets", len(m.Series.T))
		}
		if v.Measured < 0 || v.Duration < 0 {
			t.Fatalf("it lasted %d and measured %d", v.Duration, v.Measured)
		}
	})
}

func TestMeasureRunsTheCheckers(t *testing.T) {
	m := Measure(context.Background(), sampleLog(), checkers.DefaultLimits, 0)
	if v := m.ByName()["faults.count"]; v.N != 2 || len(m.Latency) == 0 {
		t.Errorf("measured %+v", m.Values)
	}
	for _, v := range m.Values {
		if _, ok := LookupFact(v.Name); !ok {
			t.Errorf("%s is measured but not listed", v.Name)
		}
	}
}

func BenchmarkMeasure(b *testing.B) {
	log := sampleLog()
	one := slices.Clone(log.Ops)
	for len(log.Ops) < 1_000_000 {
		log.Ops = append(log.Ops, one...)
	}
	b.ResetTimer()
	for b.Loop() {
		measure(log, checkers.Result{})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(log.Ops)), "ns/op-in-log")
}
