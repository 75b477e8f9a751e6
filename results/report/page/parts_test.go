package page

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

// TestLevelsAgree: no level has lost or made an operation.
func TestLevelsAgree(t *testing.T) {
	in := million(20_000)
	d := dataOf(&in, nil)
	if len(d.Levels) < 2 || d.Levels[0].Bins > 240 {
		t.Fatalf("%d levels, the coarsest of %d bins", len(d.Levels), d.Levels[0].Bins)
	}
	for _, l := range d.Levels {
		sum, cells := 0.0, uint32(0)
		for _, x := range l.Reads.OK {
			sum += x * l.Width
		}
		for _, rows := range l.Reads.Heat {
			for _, n := range rows {
				cells += n
			}
		}
		want := 0
		for i := range in.Log.Ops {
			if op := &in.Log.Ops[i]; op.Kind == history.Read && op.Outcome == history.OK {
				want++
			}
		}
		if math.Round(sum) != float64(want) || int(cells) != want {
			t.Errorf("bins of %v s have %v and %d reads, want %d", l.Width, sum, cells, want)
		}
	}
}

func TestLanesTellWhatNodesWere(t *testing.T) {
	in := sample()
	d := dataOf(&in, nil)
	told := func(l timeline.Lane) string {
		var parts []string
		for _, s := range l.Segments {
			parts = append(parts, fmt.Sprintf("%s %.1f-%.1f", s.Label, s.From, s.To))
		}
		return l.Name + ": " + strings.Join(parts, "; ")
	}
	for i, want := range []string{
		"n1: primary 0.0-3.0; down 3.0-5.0; catching up 5.0-5.2; replica 5.2-10.0",
		"n2: replica 0.0-4.0; primary 4.0-7.0; cut off, primary 7.0-7.5; thought it was primary, cut off 7.5-8.0; thought it was primary 8.0-8.3; replica 8.3-10.0",
		"n3: replica 0.0-7.5; primary 7.5-10.0",
	} {
		if got := told(d.Lanes[i]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := told(d.Clients[0]); !strings.Contains(got, "no write acknowledged 3.2-3.8") && !strings.Contains(got, "some writes failed") {
		t.Errorf("clients: %s", got)
	}
	if len(d.Failovers) != 2 || d.Failovers[0].Label != "n2 became primary" {
		t.Errorf("failovers: %+v", d.Failovers)
	}
}

// TestTicksAreWhereThingsHappened: a loss when it was acknowledged, and all of them, not
// only those that are kept.
func TestTicksAreWhereThingsHappened(t *testing.T) {
	in := sample()
	d := dataOf(&in, classesOf(&in, -1))
	if got := d.Ticks[0]; got.Name != "lost write" || fmt.Sprint(got.At, got.N) != "[2.902] [2]" || len(got.Open) != 1 || got.Open[0] != (opened{2.902, "e-lost-write-1"}) {
		t.Errorf("lost writes: %+v", got)
	}
}

func TestStampsOfServers(t *testing.T) {
	for _, line := range []string{
		"time=2026-11-28T21:27:54.375Z level=INFO", "2026-11-28 21:27:54.375 UTC [12] LOG:  starting", "1:M 28 Nov 2026 21:27:54.375 * Ready",
		"[7] 2026/11/28 21:27:54.375000 [INF] Starting", `{"level":"info","ts":"2026-11-28T21:27:54.375+0000"}`, "2026-11-28 21:27:54.375000+00:00 [info] <0.1.0>",
	} {
		got, ok := stampOf(line)
		if want := time.Date(2026, 11, 28, 21, 27, 54, 375e6, time.UTC); !ok || !got.Equal(want) {
			t.Errorf("%q: %v, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "no time", "31 Abc 2026 21:27:54"} {
		if _, ok := stampOf(line); ok {
			t.Errorf("%q tells a time", line)
		}
	}
}

// TestScaleKeepsTheOrder: whatever the times, what comes later stands further right.
func TestScaleKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ops []*results.Evidence
		var at []int64
		for range rapid.IntRange(1, 8).Draw(t, "ops") {
			op := &results.Evidence{Start: rapid.Int64().Draw(t, "start"), End: rapid.Int64().Draw(t, "end")}
			ops, at = append(ops, op), append(at, op.Start)
		}
		s := newScale(ops, nil)
		slices.Sort(at)
		last := -1.0
		for _, x := range at {
			if p := s.x(x); p < last || p < 0 || p > 100 || math.IsNaN(p) {
				t.Fatalf("%d stands at %v after %v", x, p, last)
			} else {
				last = p
			}
		}
	})
}

// TestHostileHistories: whatever a damaged history holds, nothing panics and the page
// stays bounded.
func TestHostileHistories(t *testing.T) {
	times := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-10, 10), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}))
	rapid.Check(t, func(t *rapid.T) {
		log := &history.Log{Meta: history.Meta{Nodes: []string{"n1", "n2"}, Workloads: []history.WorkloadMeta{{Type: "register"}, {Type: "lag"}}}}
		for range rapid.IntRange(0, 20).Draw(t, "ops") {
			log.Ops = append(log.Ops, history.Op{
				Intended: times.Draw(t, "intended"), Start: times.Draw(t, "start"), End: times.Draw(t, "end"),
				Kind: history.Kind(rapid.Uint8Range(0, 20).Draw(t, "kind")), Outcome: history.Outcome(rapid.Uint8Range(0, 3).Draw(t, "outcome")),
				Flags: rapid.Uint8().Draw(t, "flags"), Node: rapid.Int8().Draw(t, "node"), Workload: rapid.Uint8Range(0, 2).Draw(t, "workload"),
			})
		}
		kinds := []history.EventKind{history.EventPhase, history.EventFault, history.EventHeal, history.EventRole, history.EventFailover, history.EventExit, history.EventLag, history.EventUntrusted}
		for range rapid.IntRange(0, 12).Draw(t, "events") {
			lag := times.Draw(t, "lag")
			log.Events = append(log.Events, history.Event{
				At: times.Draw(t, "at"), Until: times.Draw(t, "until"), Kind: rapid.SampledFrom(kinds).Draw(t, "event"), Node: rapid.SampledFrom([]string{"n1", "n2", "x"}).Draw(t, "node"),
				Nodes: []string{"n1"}, Fault: rapid.SampledFrom([]string{"f1", "f2", ""}).Draw(t, "fault"), Name: rapid.SampledFrom([]string{"kill", "pause", "partition isolate", "x"}).Draw(t, "name"),
				Lag: &lag, Detail: rapid.SampledFrom([]string{"warmup", "measure", "primary", "replica", "end", ""}).Draw(t, "detail"),
			})
		}
		found := checkers.Result{}
		for i := range log.Ops {
			found.Stale = append(found.Stale, checkers.StaleSample{Staleness: times.Draw(t, "staleness"), Op: int32(i)})
			found.Lost = append(found.Lost, checkers.Loss{Acked: log.Ops[i].End, Certain: true})
			found.Findings = append(found.Findings, checkers.Finding{Class: checkers.LostWrite, At: times.Draw(t, "found"), Evidence: log.Ops[i:]})
		}
		m := results.MeasureFound(log, found)
		in := Input{Verdict: results.Judge(results.Input{Log: log, Measured: m}), Measured: m, Log: log}
		var page counter
		if err := HTML(&page, in); err != nil {
			t.Fatal(err)
		}
		if page > 3<<20 {
			t.Fatalf("%d bytes", page)
		}
	})
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
