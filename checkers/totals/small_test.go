package totals

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestCounter(t *testing.T) {
	const ok, fail, unknown = history.OK, history.Fail, history.Unknown
	for name, tc := range map[string]struct {
		ops  []history.Op
		want string
	}{
		"counts":            {[]history.Op{inc(0, 1, 2, ok), see(2, 3, 2), finalSee(9, 0, 2)}, "counter.out_of_bounds=0 counter.lost=0 counter.increments=1 counter.reads=2"},
		"never written":     {[]history.Op{see(2, 3, history.Nil), inc(4, 5, 1, ok)}, "counter.out_of_bounds=0"},
		"too little":        {[]history.Op{inc(0, 1, 2, ok), see(2, 3, 1)}, "counter.out_of_bounds=1 counter.error.max=1"},
		"too much":          {[]history.Op{inc(0, 1, 2, ok), see(2, 3, 5)}, "counter.out_of_bounds=1 counter.error.max=3"},
		"concurrent":        {[]history.Op{inc(0, 9, 2, ok), see(2, 3, 0), see(4, 5, 2)}, "counter.out_of_bounds=0"},
		"unknown":           {[]history.Op{inc(0, 1, 2, unknown), see(2, 3, 0), see(4, 5, 2)}, "counter.out_of_bounds=0 counter.unknown=1"},
		"failed":            {[]history.Op{inc(0, 1, 2, fail), see(2, 3, 2)}, "counter.out_of_bounds=1"},
		"decrement":         {[]history.Op{inc(0, 1, 5, ok), inc(2, 3, -2, ok), see(4, 5, 3), see(6, 7, 5)}, "counter.out_of_bounds=1 counter.error.max=2"},
		"lost by one node":  {[]history.Op{inc(0, 1, 5, ok), finalSee(8, 0, 0), finalSee(8, 1, 5)}, "counter.lost=0 counter.out_of_bounds=1"},
		"lost by all nodes": {[]history.Op{inc(0, 1, 5, ok), finalSee(8, 0, 1), finalSee(8, 1, 2)}, "counter.lost=3"},
		"no final read":     {[]history.Op{inc(0, 1, 5, ok)}, "counter.lost=?"},
	} {
		values, found := check(t, logOf(counterType, tc.ops...))
		expect(t, values, tc.want)
		if t.Failed() {
			t.Fatal(name, found)
		}
	}
}

// TestCounterBoundsAreSound runs a real counter: no read may be out of bounds.
func TestCounterBoundsAreSound(t *testing.T) {
	for seed := range 2000 {
		r := rand.New(rand.NewPCG(uint64(seed), 61))
		state, now := int64(0), int64(0)
		var ops []history.Op
		for range 30 {
			now += int64(1 + r.IntN(5))
			op := history.Op{Start: now - int64(r.IntN(20)), End: now + int64(r.IntN(20)), Outcome: history.OK, Value: state}
			if r.IntN(2) == 0 {
				op.Kind, op.Value = history.Increment, int64(r.IntN(7)-2)
				switch r.IntN(6) {
				case 0:
					op.Outcome = history.Fail
				case 1:
					op.Outcome = history.Unknown
					if r.IntN(2) == 0 {
						state += op.Value
					}
				default:
					state += op.Value
				}
			}
			ops = append(ops, op)
		}
		values, found := check(t, logOf(counterType, ops...))
		if values["counter.out_of_bounds"].N != 0 {
			t.Fatalf("seed %d: %v", seed, found)
		}
	}
}

func TestIDs(t *testing.T) {
	id := func(at, v int64, o history.Outcome) history.Op {
		return history.Op{Kind: history.Generate, Start: at * ms, End: at*ms + 1, Value: v, Outcome: o}
	}
	values, found := check(t, logOf(idsType, id(0, 1, history.OK), id(1, 2, history.OK), id(2, 1, history.OK), id(3, 1, history.OK), id(4, 2, history.Unknown)))
	expect(t, values, "ids.generated=4 ids.duplicated=2")
	if len(found) != 2 || found[0].Class != checkers.DuplicateID || len(found[0].Evidence) != 2 {
		t.Error(found)
	}
}

func TestBank(t *testing.T) {
	read := func(at int64, balances ...int64) history.Op {
		return history.Op{Kind: history.Balances, Start: at * ms, End: at*ms + 1, Elements: balances, Outcome: history.OK}
	}
	log := logOf(bankType, read(0, 100, 100, 100), history.Op{Kind: history.Transfer, Key: 0, Old: 1, Value: 5, Outcome: history.OK, Start: 1 * ms, End: 2 * ms},
		read(3, 95, 105, 100), read(4, 95, 100, 100), read(5, -5, 205, 100))
	log.Meta.Workloads[0].Keys = 3
	values, found := check(t, log)
	expect(t, values, "bank.transfers=1 bank.reads=4 bank.wrong_total=1 bank.overdrawn=1 bank.error.max=5")
	classes := []checkers.Class{found[0].Class, found[1].Class}
	if !slices.Equal(classes, []checkers.Class{checkers.WrongTotal, checkers.Overdrawn}) {
		t.Error(classes)
	}
	right := logOf(bankType, read(0, 100))
	right.Meta.Workloads[0].Keys = 1
	expect(t, must(check(t, torn(right))), "bank.wrong_total=? bank.overdrawn=?")
}
