package register

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

func analysed(log *history.Log, finals bool) *values {
	gs := kit.Groups(log, history.ObjectRegister)
	return Analyse(log, gs[0].Ops, finals)
}

// TestZonesAgreeWithPorcupine compares the near-linear method with the general
// search on random histories, and checks the evidence of every violation.
func TestZonesAgreeWithPorcupine(t *testing.T) {
	shapes := []shape{
		{Ops: 4, Length: 6, Longest: 5, Cas: true},
		{Ops: 7, Length: 8, Longest: 10},
		{Ops: 7, Length: 10, Longest: 12, Cas: true},
		{Ops: 10, Length: 12, Longest: 12, Cas: true, Sessions: true},
	}
	ctx := context.Background()
	good, bad := 0, 0
	flaws := map[watch.Flaw]int{}
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
		if truth == checkers.Unknown || found != (truth == checkers.False) {
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
	for f := watch.FlawPhantom; f <= watch.FlawOrder; f++ {
		if flaws[f] < 20 {
			t.Errorf("flaw %d came up %d times only", f, flaws[f])
		}
	}
	if good < rounds/5 || bad < rounds/5 {
		t.Errorf("the histories are one-sided: %d linearizable, %d not", good, bad)
	}
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
		log := logOf(registerType, randomOps(r, shape{Ops: 8, Length: 10, Longest: 12, Cas: true, Twice: true, Finals: true})...)
		if !analysed(log, false).Twice {
			continue
		}
		r2 := checkLinearizable(log, checkers.DefaultLimits)
		want := bruteLinearizable(log.Ops)
		if v := r2.Values[0]; v.Known && (v.N == 1) != want || !v.Known && v.Why != "no operation was acknowledged" {
			t.Fatalf("seed %d: linearizable is %+v, by brute force %v:\n%v", seed, v, want, log.Ops)
		}
		for _, f := range r2.Findings {
			if len(f.Evidence) == 0 || bruteLinearizable(f.Evidence) {
				t.Fatalf("seed %d: the evidence is not contradictory: %v", seed, f)
			}
		}
		decided[show(map[string]checkers.Value{"x": r2.Values[0]}, "x")]++
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
			op.End = math.MaxInt64
			may = append(may, op)
		}
	}
	return checktest.SomeChoice(must, may, func(chosen []history.Op) bool {
		return anyOrder(chosen, make([]bool, len(chosen)), history.Nil)
	})
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
