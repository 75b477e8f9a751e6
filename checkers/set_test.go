package checkers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

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
	for i := range rapid.IntRange(0, 3).Draw(t, "finals") {
		ops = append(ops, history.Op{Kind: history.ReadSet, Start: 24, End: 25, Node: int8(i), Process: uint32(9 + i), Outcome: history.OK,
			Flags: history.FinalRead, Elements: rapid.SliceOfN(rapid.SampledFrom(elements), 0, 8).Draw(t, "final")})
	}
	return ops
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
	lost, resurrected, phantom, duplicated, flapping, diverged := 0, 0, 0, 0, 0, 0
	for v := range values {
		seen, early, twice := false, false, false
		for _, r := range reads {
			seen = seen || has(r, v)
			early = early || has(r, v) && len(adds[v]) == 1 && r.End < adds[v][0].Start
			once := slices.Index(r.Elements, v)
			twice = twice || once >= 0 && slices.Contains(r.Elements[once+1:], v)
		}
		only := len(adds[v]) == 1
		switch {
		case seen && len(adds[v]) == 0:
			phantom++
		case seen && only && adds[v][0].Outcome == history.Fail:
			resurrected++
		case early:
			phantom++
		}
		if twice {
			duplicated++
		}
		some, every, after := false, true, true
		for _, r := range ends {
			some, every = some || has(r, v), every && has(r, v)
			after = after && only && adds[v][0].End < r.Start
		}
		if some && !every {
			diverged = 1
		}
		if len(ends) > 0 && only && adds[v][0].Outcome == history.OK && !some && after {
			lost++
		}
		if flaps(reads, v) {
			flapping++
		}
	}
	stale := 0
	for _, r := range reads {
		for v := range values {
			if r.Final() || has(r, v) || len(adds[v]) != 1 || adds[v][0].Outcome != history.OK || adds[v][0].End >= r.Start {
				continue
			}
			if slices.ContainsFunc(reads, func(later *history.Op) bool { return later.Start > r.Start && has(later, v) }) {
				stale++
				break
			}
		}
	}
	return fmt.Sprint(lost, resurrected, phantom, duplicated, stale, flapping, diverged)
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
	g := groups(log, setType)[0]
	w := newWords(log)
	s := tallySet(w, &g, 100)
	got := fmt.Sprint(s.finals.lost, s.resurrected, s.phantom+s.early, s.duplicated, s.stale, s.flapping, s.finals.diverged)
	if want := slowSet(log.Ops); got != want {
		t.Fatalf("lost, resurrected, phantom, duplicated, stale, flapping, diverged: got %s, want %s", got, want)
	}
	found := s.shelves.findings(LostElement, Resurrected, Phantom, Duplicate, Flapping, StaleSet, Diverged)
	if want := s.finals.lost + s.resurrected + s.phantom + s.early + s.duplicated + s.stale + s.flapping + s.finals.diverged; len(found) != want {
		t.Fatalf("%d findings, %d anomalies", len(found), want)
	}
	for _, f := range found {
		proveSet(t, log, f)
	}
}

// proveSet repeats a finding's claim on its evidence alone.
func proveSet(t *rapid.T, log *history.Log, f Finding) {
	sub := &history.Log{Meta: log.Meta, Ops: f.Evidence}
	s := tallySet(newWords(sub), ptr(groups(sub, setType)[0]), 100)
	n := map[Class]int{LostElement: s.finals.lost, Resurrected: s.resurrected, Phantom: s.phantom + s.early, Duplicate: s.duplicated,
		Flapping: s.flapping, StaleSet: s.stale, Diverged: s.finals.diverged}[f.Class]
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

func growingSet(r *rand.Rand, n, processes int) []history.Op {
	type effect struct {
		at int64
		op int
	}
	ops, effects, clocks := make([]history.Op, n), make([]effect, n), make([]int64, processes)
	for i := range ops {
		p := r.IntN(processes)
		op := &ops[i]
		op.Start = clocks[p] + int64(r.IntN(5))
		op.End = op.Start + int64(r.IntN(20))
		clocks[p] = op.End
		op.Process, op.Node, op.Outcome, op.Value = uint32(p), int8(r.IntN(3)), history.OK, int64(i+1)
		op.Kind = []history.Kind{history.Add, history.ReadSet}[r.IntN(2)]
		at := op.Start + int64(r.IntN(int(op.End-op.Start)+1))
		if op.Kind == history.Add && r.IntN(10) == 0 {
			op.Outcome = history.Unknown
			at += int64(r.IntN(100))
		}
		effects[i] = effect{at, i}
	}
	slices.SortStableFunc(effects, func(a, b effect) int { return int(a.at - b.at) })
	var state []int64
	for _, e := range effects {
		if op := &ops[e.op]; op.Kind == history.Add {
			state = append(state, op.Value)
		} else {
			op.Elements = slices.Clone(state)
		}
	}
	for i := range 3 {
		at := slices.Max(clocks) + 200
		ops = append(ops, history.Op{Kind: history.ReadSet, Start: at, End: at + 1, Node: int8(i), Process: uint32(100 + i), Outcome: history.OK,
			Flags: history.FinalRead, Elements: slices.Clone(state)})
	}
	return ops
}
