package set

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// drawSet makes any history of a set.
func drawSet(t *rapid.T) []history.Op {
	n := rapid.IntRange(1, 14).Draw(t, "n")
	elements := []int64{1, 2, 99}
	var ops []history.Op
	for i := range n {
		start := rapid.Int64Range(0, 20).Draw(t, "start")
		op := history.Op{Start: start, End: start + rapid.Int64Range(0, 6).Draw(t, "length"), Node: int8(rapid.IntRange(-1, 2).Draw(t, "node")),
			Process: uint32(rapid.IntRange(0, 2).Draw(t, "process")), Outcome: history.OK}
		if rapid.Bool().Draw(t, "add") {
			op.Kind, op.Value = history.Add, int64(i+1)
			if rapid.IntRange(0, 9).Draw(t, "again") == 0 {
				op.Value = 1
			}
			op.Outcome = history.Outcome(rapid.SampledFrom([]int{1, 1, 1, 0, 2}).Draw(t, "outcome"))
			elements = append(elements, op.Value)
		} else {
			op.Kind = history.ReadSet
			op.Elements = rapid.SliceOfN(rapid.SampledFrom(elements), 0, 6).Draw(t, "elements")
		}
		ops = append(ops, op)
	}
	began := rapid.SampledFrom([]int64{27, 27, 20}).Draw(t, "began")
	for i := range rapid.IntRange(0, 3).Draw(t, "finals") {
		ops = append(ops, history.Op{Kind: history.ReadSet, Start: began, End: began + 1, Node: int8(i), Process: uint32(9 + i), Outcome: history.OK,
			Flags: history.FinalRead, Elements: rapid.SliceOfN(rapid.SampledFrom(elements), 0, 8).Draw(t, "final")})
	}
	return ops
}

// fateOf is what several adds of one element come to: acknowledged by the first
// acknowledged end, begun by the first start, refused if all were.
func fateOf(adds []*history.Op) (acked, refused bool, start, ack int64) {
	start, ack = math.MaxInt64, math.MaxInt64
	refused = len(adds) > 0
	for _, op := range adds {
		start = min(start, op.Start)
		if op.Outcome == history.OK {
			acked, ack = true, min(ack, op.End)
		}
		refused = refused && op.Outcome == history.Fail
	}
	return acked, refused, start, ack
}

// slowSet counts by the definitions.
func slowSet(ops []history.Op) string {
	adds := map[int64][]*history.Op{}
	var reads, ends []*history.Op
	values := map[int64]bool{}
	for i := range ops {
		switch op := &ops[i]; op.Kind {
		case history.Add:
			adds[op.Value] = append(adds[op.Value], op)
			values[op.Value] = true
		case history.ReadSet:
			reads = append(reads, op)
			for _, v := range op.Elements {
				values[v] = true
			}
			if op.Final() {
				ends = append(ends, op)
			}
		}
	}
	has := func(r *history.Op, v int64) bool { return slices.Contains(r.Elements, v) }
	lost, late, resurrected, phantom, duplicated, flapping, diverged := 0, 0, 0, 0, 0, 0, 0
	for v := range values {
		seen, early, twice := false, false, false
		acked, refused, start, ack := fateOf(adds[v])
		for _, r := range reads {
			seen = seen || has(r, v)
			early = early || has(r, v) && r.End < start
			once := slices.Index(r.Elements, v)
			twice = twice || once >= 0 && slices.Contains(r.Elements[once+1:], v)
		}
		switch {
		case seen && len(adds[v]) == 0:
			phantom++
		case seen && refused:
			resurrected++
		case early:
			phantom++
		}
		if twice {
			duplicated++
		}
		some, after := false, len(ends) > 0
		for _, r := range ends {
			some = some || has(r, v)
			after = after && ack < r.Start
		}
		if some && slices.ContainsFunc(ends, func(r *history.Op) bool {
			under := slices.ContainsFunc(adds[v], func(a *history.Op) bool { return a.Outcome == history.Unknown && a.End >= r.Start })
			return !has(r, v) && (acked && ack < r.Start || !acked && !under)
		}) {
			diverged = 1
		}
		if acked && !some && after {
			lost++
		}
		if acked && !some && !after && len(ends) > 0 {
			late++
		}
		if flaps(reads, v) {
			flapping++
		}
	}
	stale := 0
	for _, r := range reads {
		for v := range values {
			if acked, _, _, ack := fateOf(adds[v]); r.Final() || has(r, v) || !acked || ack >= r.Start {
				continue
			}
			if slices.ContainsFunc(reads, func(later *history.Op) bool { return later.Start > r.Start && has(later, v) }) {
				stale++
				break
			}
		}
	}
	return fmt.Sprint(lost, late, resurrected, phantom, duplicated, stale, flapping, diverged)
}

func flaps(reads []*history.Op, v int64) bool {
	for _, a := range reads {
		for _, b := range reads {
			for _, c := range reads {
				same := a.Process == b.Process && b.Process == c.Process || a.Node >= 0 && a.Node == b.Node && b.Node == c.Node
				if same && a.End < b.Start && b.End < c.Start && slices.Contains(a.Elements, v) &&
					!slices.Contains(b.Elements, v) && slices.Contains(c.Elements, v) {
					return true
				}
			}
		}
	}
	return false
}

func TestSetsAgreeWithDefinitions(t *testing.T) {
	for range 30 { // of a hundred each
		rapid.Check(t, setAgrees)
	}
}

func setAgrees(t *rapid.T) {
	log := logOf(setType, drawSet(t)...)
	g := kit.Groups(log, history.ObjectSet)[0]
	w := kit.NewWords(log)
	s := tallyElements(w, &g, 100)
	got := fmt.Sprint(s.finals.Lost, s.finals.Undecided, s.resurrected, s.phantom+s.early, s.duplicated, s.stale, s.flapping, s.finals.Diverged)
	if want := slowSet(log.Ops); got != want {
		t.Fatalf("lost, perhaps lost, resurrected, phantom, duplicated, stale, flapping, diverged: got %s, want %s", got, want)
	}
	found := s.top.Findings(checkers.LostElement, checkers.Resurrected, checkers.Phantom, checkers.Duplicate, checkers.Flapping, checkers.StaleSet, checkers.Diverged)
	if want := s.finals.Lost + s.resurrected + s.phantom + s.early + s.duplicated + s.stale + s.flapping + s.finals.Diverged; len(found) != want {
		t.Fatalf("%d findings, %d anomalies", len(found), want)
	}
	for _, f := range found {
		proveSet(t, log, f)
	}
}

// proveSet repeats a finding's claim on its evidence alone.
func proveSet(t *rapid.T, log *history.Log, f checkers.Finding) {
	sub := &history.Log{Meta: log.Meta, Ops: f.Evidence}
	s := tallyElements(kit.NewWords(sub), ptr(kit.Groups(sub, history.ObjectSet)[0]), 100)
	n := map[checkers.Class]int{checkers.LostElement: s.finals.Lost, checkers.Resurrected: s.resurrected, checkers.Phantom: s.phantom + s.early, checkers.Duplicate: s.duplicated,
		checkers.Flapping: s.flapping, checkers.StaleSet: s.stale, checkers.Diverged: s.finals.Diverged}[f.Class]
	if n == 0 {
		t.Fatalf("the evidence of %q does not show it: %v", f.Text, f.Evidence)
	}
}

func ptr[T any](v T) *T { return &v }

// TestGrowingSetIsClean simulates one copy of a set with concurrent clients.
func TestGrowingSetIsClean(t *testing.T) {
	for seed := range 50 {
		r := rand.New(rand.NewPCG(uint64(seed), 6))
		log := logOf(setType, growingSet(r, 300, 6)...)
		values, found := check(t, log)
		expect(t, values, "set.lost=0 set.resurrected=0 set.phantom=0 set.duplicated=0 set.stale=0 set.flapping=0 set.diverged=0")
		if t.Failed() {
			t.Fatalf("seed %d: %v", seed, found)
		}
	}
}

func BenchmarkSet(b *testing.B) {
	log := logOf(setType, growingSet(rand.New(rand.NewPCG(1, 9)), 6000, 8)...)
	total := 0
	for i := range log.Ops {
		total += len(log.Ops[i].Elements)
	}
	for b.Loop() {
		checkers.Run(context.Background(), log, checkers.Limits{}, []checkers.Checker{Checker()})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(total), "ns/element")
}
