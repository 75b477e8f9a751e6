package checkers

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// shape says what a random history of one register has.
type shape struct {
	ops, length          int // length of the run in ticks; few ticks make many ties
	longest              int // operation
	cas, twice, sessions bool
	finals               bool
}

// randomOps makes any operations at all: most have no order that explains them
// unless they are few or long.
func randomOps(r *rand.Rand, s shape) []history.Op {
	values := []int64{history.Nil, 1}
	if r.IntN(10) == 0 {
		values = append(values, 99) // nobody writes it
	}
	var ops []history.Op
	last := int64(0)
	clocks := make([]int64, 3)
	for n := 1 + r.IntN(s.ops); len(ops) < n; {
		process := r.IntN(len(clocks))
		start := int64(r.IntN(s.length))
		if s.sessions {
			start = clocks[process] + int64(r.IntN(3))
		}
		op := history.Op{Start: start, End: start + int64(r.IntN(s.longest)), Process: uint32(process), Node: int8(r.IntN(3)), Outcome: history.OK}
		clocks[process] = op.End
		if x := r.IntN(8); x < 2 {
			op.Outcome = history.Outcome(x * 2) // unknown or failed
		}
		op.Kind = []history.Kind{history.Read, history.Read, history.Write, history.CAS}[r.IntN(4)]
		if op.Kind == history.CAS && !s.cas {
			op.Kind = history.Read
		}
		if op.Kind == history.Read {
			op.Value = values[r.IntN(len(values))]
		} else {
			last++
			op.Value, op.Old = last, values[r.IntN(len(values))]
			if s.twice && last > 1 && r.IntN(4) == 0 {
				op.Value = 1 + int64(r.IntN(int(last)))
			}
			values = append(values, op.Value)
			if op.Kind == history.CAS && op.Outcome == history.Fail && r.IntN(3) > 0 {
				op.Error = history.ErrCompare
				op.Observed, op.Flags = values[r.IntN(len(values))], history.Seen
			}
		}
		ops = append(ops, op)
	}
	if s.finals {
		for i := range r.IntN(4) {
			at := int64(s.length + s.longest + r.IntN(3))
			ops = append(ops, history.Op{Start: at, End: at + int64(r.IntN(3)), Node: int8(i), Process: uint32(50 + i),
				Outcome: history.OK, Value: values[r.IntN(len(values))], Flags: history.FinalRead})
		}
	}
	return ops
}

// copyOps simulates a single copy: every operation takes effect at one instant
// in its time, so any order by these explains the history.
func copyOps(r *rand.Rand, n, processes int, withCAS bool) []history.Op {
	type effect struct {
		at int64
		op int
	}
	ops, effects := make([]history.Op, n), make([]effect, n)
	clocks := make([]int64, processes)
	ids := make([]uint32, processes)
	for i := range ops {
		p := r.IntN(processes)
		op := &ops[i]
		op.Process = ids[p]*uint32(processes) + uint32(p)
		op.Start = clocks[p] + int64(r.IntN(4))
		op.End = op.Start + int64(r.IntN(30))
		clocks[p] = op.End
		op.Node, op.Outcome, op.Value = int8(r.IntN(3)), history.OK, int64(i+1)
		op.Kind = history.Kind(r.IntN(3))
		if op.Kind == history.CAS && !withCAS {
			op.Kind = history.Write
		}
		at := op.Start + int64(r.IntN(int(op.End-op.Start)+1))
		switch r.IntN(12) {
		case 0:
			op.Outcome = history.Unknown
			ids[p]++
			at += int64(r.IntN(60)) // some take effect late
		case 1:
			op.Outcome = history.Fail
			at = never
		}
		effects[i] = effect{at, i}
	}
	r.Shuffle(n, func(i, j int) { effects[i], effects[j] = effects[j], effects[i] })
	slices.SortStableFunc(effects, func(a, b effect) int { return int(min(max(a.at-b.at, -1), 1)) })
	state := history.Nil
	var seen []int64
	for _, e := range effects {
		op := &ops[e.op]
		if op.Outcome == history.Fail {
			continue
		}
		switch op.Kind {
		case history.Read:
			op.Value = state
		case history.Write:
			state = op.Value
		case history.CAS:
			op.Old = state
			if len(seen) > 0 && r.IntN(2) == 0 {
				op.Old = seen[r.IntN(len(seen))]
			}
			switch {
			case op.Old == state:
				state = op.Value
			case op.Outcome == history.OK:
				op.Outcome, op.Error, op.Flags, op.Observed = history.Fail, history.ErrCompare, history.Seen, state
			}
		}
		seen = append(seen, state)
	}
	for i := range 3 {
		at := slices.Max(clocks) + 100
		ops = append(ops, history.Op{Start: at, End: at + 5, Node: int8(i), Process: uint32(1<<31 + i), Outcome: history.OK,
			Value: state, Flags: history.FinalRead})
	}
	return ops
}

func analysed(log *history.Log, finals bool) *values {
	gs := groups(log, registerType)
	return analyse(log, gs[0].ops, finals)
}

// TestZonesAgreeWithPorcupine compares the near-linear method with the general
// search on random histories, and checks the evidence of every violation.
func TestZonesAgreeWithPorcupine(t *testing.T) {
	shapes := []shape{
		{ops: 4, length: 6, longest: 5, cas: true},
		{ops: 7, length: 8, longest: 10},
		{ops: 7, length: 10, longest: 12, cas: true},
		{ops: 10, length: 12, longest: 12, cas: true, sessions: true},
	}
	ctx := context.Background()
	good, bad := 0, 0
	flaws := map[flaw]int{}
	rounds := 24000
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		var ops []history.Op
		if seed%4 == 3 {
			ops = mutate(r, copyOps(r, 4+r.IntN(16), 4, seed%8 == 3))
		} else {
			ops = randomOps(r, shapes[seed/4%len(shapes)])
		}
		log := logOf(registerType, ops...)
		log.Torn = seed%5 == 4
		k := analysed(log, false)
		c, found := k.contradict(log.Torn)
		truth := general(ctx, k, log.Torn, 5*time.Second, 1<<30)
		if truth == Unknown || found != (truth == False) {
			t.Fatalf("seed %d: zones found a contradiction: %v (%v), porcupine says %v, torn %v:\n%v", seed, found, c, truth, log.Torn, log.Ops)
		}
		if !found {
			good++
			continue
		}
		bad++
		flaws[c.flaw]++
		if proof, agreed := k.proof(ctx, c); !agreed || len(proof) == 0 {
			t.Fatalf("seed %d: the evidence %v for %v is not contradictory alone", seed, proof, c)
		}
	}
	t.Logf("%d linearizable, %d not: %v", good, bad, flaws)
	for f := flawPhantom; f <= flawOrder; f++ {
		if flaws[f] < 20 {
			t.Errorf("flaw %d came up %d times only", f, flaws[f])
		}
	}
	if good < rounds/5 || bad < rounds/5 {
		t.Errorf("the histories are one-sided: %d linearizable, %d not", good, bad)
	}
}

// mutate alters one operation of a history, or none.
func mutate(r *rand.Rand, ops []history.Op) []history.Op {
	op := &ops[r.IntN(len(ops))]
	switch other := ops[r.IntN(len(ops))]; r.IntN(5) {
	case 0:
		if op.Kind == history.Read && other.Kind != history.Read {
			op.Value = other.Value
		}
	case 1:
		if op.Kind == history.CAS {
			op.Old = other.Value
		}
	case 2:
		op.Start, op.End = op.Start+20, op.End+20
	case 3:
		op.Outcome = history.Outcome(r.IntN(3))
	}
	return ops
}

// TestSingleCopyIsClean runs all checkers on simulated single copies.
func TestSingleCopyIsClean(t *testing.T) {
	for seed := range 300 {
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		log := logOf(registerType, copyOps(r, 20+r.IntN(400), 1+r.IntN(12), seed%2 == 0)...)
		values, found := check(t, log)
		expect(t, values, "writes.lost=0 writes.lost_updates=0 writes.resurrected=0 reads.phantom=0 reads.future=0 reads.stale=0 reads.staleness.max=0 reads.order_flips=0 sessions.monotonic_writes=0 sessions.writes_follow_reads=0 "+
			"replicas.diverged=0 linearizable=1 linearizable.keys_checked=1 linearizable.keys_undecided=0 "+
			"sessions.read_your_writes=0 sessions.monotonic_reads=0")
		if t.Failed() {
			t.Fatalf("seed %d: %v", seed, found)
		}
	}
}

// TestGeneralSearchOnRepeatedValues drives registers through porcupine that
// the zones cannot decide.
func TestGeneralSearchOnRepeatedValues(t *testing.T) {
	decided := map[string]int{}
	for seed := range 1500 {
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		log := logOf(registerType, randomOps(r, shape{ops: 8, length: 10, longest: 12, cas: true, twice: true, finals: true})...)
		if !analysed(log, false).twice {
			continue
		}
		r2 := checkLinearizable(context.Background(), log, DefaultLimits)
		want := bruteLinearizable(log.Ops)
		if v := r2.Values[0]; v.Known && (v.N == 1) != want || !v.Known && v.Why != "no operation was acknowledged" {
			t.Fatalf("seed %d: linearizable is %+v, by brute force %v:\n%v", seed, v, want, log.Ops)
		}
		for _, f := range r2.Findings {
			if len(f.Evidence) == 0 || bruteLinearizable(f.Evidence) {
				t.Fatalf("seed %d: the evidence is not contradictory: %v", seed, f)
			}
		}
		decided[show(map[string]Value{"x": r2.Values[0]}, "x")]++
	}
	if decided["0"] < 100 || decided["1"] < 100 {
		t.Errorf("one-sided: %v", decided)
	}
	t.Log(decided)
}

// bruteLinearizable tries every order that agrees with time, and, of unknown
// operations, every choice of those that took effect.
func bruteLinearizable(ops []history.Op) bool {
	var must, may []history.Op
	for _, op := range ops {
		switch {
		case op.Final():
		case op.Outcome == history.OK:
			must = append(must, op)
		case op.Kind == history.CAS && op.Outcome == history.Fail && op.Flags&history.Seen != 0:
			op.Kind, op.Value = history.Read, op.Observed
			must = append(must, op)
		case op.Outcome == history.Unknown && op.Kind != history.Read:
			op.End = never
			may = append(may, op)
		}
	}
	return someChoice(must, may, func(chosen []history.Op) bool {
		return anyOrder(chosen, make([]bool, len(chosen)), history.Nil)
	})
}

// someChoice tells whether all that must be in it together with some choice of
// what may be passes a test.
func someChoice[T any](must, may []T, passes func([]T) bool) bool {
	for choice := range 1 << len(may) {
		chosen := slices.Clone(must)
		for i := range may {
			if choice>>i&1 == 1 {
				chosen = append(chosen, may[i])
			}
		}
		if passes(chosen) {
			return true
		}
	}
	return false
}

func anyOrder(ops []history.Op, done []bool, state int64) bool {
	left := false
	for i := range ops {
		if done[i] {
			continue
		}
		left = true
		first := true
		for j := range ops {
			first = first && (done[j] || ops[j].End >= ops[i].Start)
		}
		op := &ops[i]
		if !first || op.Kind == history.Read && op.Value != state || op.Kind == history.CAS && op.Old != state {
			continue
		}
		next := state
		if op.Kind != history.Read {
			next = op.Value
		}
		done[i] = true
		found := anyOrder(ops, done, next)
		done[i] = false
		if found {
			return true
		}
	}
	return !left
}
