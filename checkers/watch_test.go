package checkers

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// watched runs a watch over a log of one register.
func watched(log *history.Log) *watch {
	k := newWatch()
	for i := range log.Ops {
		k.add(&log.Ops[i])
	}
	k.finish()
	return &k
}

// TestWatchAgreesWithZones compares the watch with the batch method on random
// histories; what it calls ambiguous must hold a value written twice.
func TestWatchAgreesWithZones(t *testing.T) {
	shapes := []shape{
		{ops: 4, length: 6, longest: 5, cas: true},
		{ops: 7, length: 8, longest: 10},
		{ops: 7, length: 10, longest: 12, cas: true},
		{ops: 12, length: 14, longest: 12, cas: true, sessions: true},
		{ops: 8, length: 30, longest: 12, cas: true, twice: true},
		{ops: 8, length: 30, longest: 8, twice: true},
	}
	states := map[watchState]int{}
	for seed := range 60000 {
		r := rand.New(rand.NewPCG(uint64(seed), 21))
		var ops []history.Op
		if seed%4 == 3 {
			ops = mutate(r, copyOps(r, 4+r.IntN(40), 4, seed%8 == 3))
		} else {
			ops = randomOps(r, shapes[seed/4%len(shapes)])
		}
		log := logOf(registerType, ops...)
		slices.SortStableFunc(log.Ops, func(a, b history.Op) int { return history.Less(&a, &b) })
		batch := analysed(log, false)
		k := watched(log)
		states[k.state]++
		if k.state == ambiguous {
			if !batch.twice && !slices.ContainsFunc(ops, func(op history.Op) bool { return op.Kind == history.CAS && op.Old == op.Value }) {
				t.Fatalf("seed %d: ambiguous without a value written twice: %v", seed, log.Ops)
			}
			continue
		}
		var holds bool
		if batch.twice {
			holds = general(context.Background(), batch, false, 5*time.Second, 1<<30) == True
		} else {
			_, found := batch.contradict(false)
			holds = !found
		}
		if holds != (k.state == watching) {
			t.Fatalf("seed %d: it holds: %v, but the watch says %v (flaw %v, value %d at %d): %v", seed, holds, k.state, k.flaw, k.value, k.at, log.Ops)
		}
	}
	t.Log(states)
	if states[watching] < 10000 || states[violated] < 10000 {
		t.Errorf("one-sided: %v", states)
	}
}

// TestWatchForgets checks that memory is bounded by what is open.
func TestWatchForgets(t *testing.T) {
	for _, withCAS := range []bool{false, true} {
		keys := make([]watch, 64)
		for i := range keys {
			keys[i] = newWatch()
		}
		most := 0
		for _, op := range bigLog(300_000, withCAS, 0).Ops {
			k := &keys[op.Key]
			if !k.add(&op) {
				t.Fatalf("compare-and-sets %v: %v, flaw %v", withCAS, k.state, k.flaw)
			}
			most = max(most, k.used, len(k.entries), len(k.blocks))
		}
		if most > 30 {
			t.Errorf("compare-and-sets %v: %d values were open at once", withCAS, most)
		}
	}
}

func BenchmarkWatch(b *testing.B) {
	for name, log := range map[string]func() *history.Log{"clean": clean, "chain": chain} {
		b.Run(name, func(b *testing.B) {
			l := log()
			b.ReportAllocs()
			for b.Loop() {
				keys := make([]watch, 64)
				for i := range keys {
					keys[i] = newWatch()
				}
				for i := range l.Ops {
					if !keys[l.Ops[i].Key].add(&l.Ops[i]) {
						b.Fatal("violated")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(l.Ops)), "ns/operation")
		})
	}
}
