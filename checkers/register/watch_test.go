package register

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

// watched runs a watch over a log of one register.
func watched(log *history.Log) *watch.Watch {
	k := watch.NewWatch()
	for i := range log.Ops {
		k.Add(&log.Ops[i])
	}
	k.Finish()
	return &k
}

// TestWatchAgreesWithZones compares the watch with the batch method on random
// histories; what it calls ambiguous must hold a value written twice.
func TestWatchAgreesWithZones(t *testing.T) {
	shapes := []shape{
		{Ops: 4, Length: 6, Longest: 5, Cas: true},
		{Ops: 7, Length: 8, Longest: 10},
		{Ops: 7, Length: 10, Longest: 12, Cas: true},
		{Ops: 12, Length: 14, Longest: 12, Cas: true, Sessions: true},
		{Ops: 8, Length: 30, Longest: 12, Cas: true, Twice: true},
		{Ops: 8, Length: 30, Longest: 8, Twice: true},
	}
	states := map[watch.WatchState]int{}
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
		states[k.State]++
		if k.State == watch.Ambiguous {
			if !batch.Twice && !slices.ContainsFunc(ops, func(op history.Op) bool { return op.Kind == history.CAS && op.Old == op.Value }) {
				t.Fatalf("seed %d: ambiguous without a value written twice: %v", seed, log.Ops)
			}
			continue
		}
		var holds bool
		if batch.Twice {
			holds = general(context.Background(), batch, false, 5*time.Second, 1<<30) == checkers.True
		} else {
			_, found := batch.contradict(false)
			holds = !found
		}
		if holds != (k.State == watch.Watching) {
			t.Fatalf("seed %d: it holds: %v, but the watch says %v (flaw %v, value %d at %d): %v", seed, holds, k.State, k.Flaw, k.Value, k.At, log.Ops)
		}
	}
	t.Log(states)
	if states[watch.Watching] < 10000 || states[watch.Violated] < 10000 {
		t.Errorf("one-sided: %v", states)
	}
}

// TestWatchForgets checks that memory is bounded by what is open.
func TestWatchForgets(t *testing.T) {
	for _, withCAS := range []bool{false, true} {
		keys := make([]watch.Watch, 64)
		for i := range keys {
			keys[i] = watch.NewWatch()
		}
		most := 0
		for _, op := range bigLog(300_000, withCAS, 0).Ops {
			k := &keys[op.Key]
			if !k.Add(&op) {
				t.Fatalf("compare-and-sets %v: %v, flaw %v", withCAS, k.State, k.Flaw)
			}
			most = max(most, k.Used, len(k.Entries), len(k.Blocks))
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
				keys := make([]watch.Watch, 64)
				for i := range keys {
					keys[i] = watch.NewWatch()
				}
				for i := range l.Ops {
					if !keys[l.Ops[i].Key].Add(&l.Ops[i]) {
						b.Fatal("violated")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(l.Ops)), "ns/operation")
		})
	}
}
