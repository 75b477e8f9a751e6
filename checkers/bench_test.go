package checkers

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// bigLog has a million operations on 64 keys by about 20 clients at
// once, as a run of some minutes leaves them: half reads, a tenth compare-and-sets if asked for, and
// stale reads from replicas. It is linearizable if stale is 0.
func bigLog(n int, withCAS bool, stale float64) *history.Log {
	const keys = 64
	r := rand.New(rand.NewPCG(1, 8))
	type register struct{ state, before int64 }
	state := make([]register, keys)
	for i := range state {
		state[i] = register{history.Nil, history.Nil}
	}
	ops, now := make([]history.Op, n), int64(0)
	for i := range ops {
		op := &ops[i]
		now += 2 + int64(r.IntN(100)) // the instant of the effect
		key := r.IntN(keys)
		k := &state[key]
		*op = history.Op{Start: now - int64(r.IntN(1000)), End: now + int64(r.IntN(1000)), Process: uint32(i % 32), Key: uint32(key),
			Node: int8(r.IntN(3)), Outcome: history.OK, Value: int64(i + 1)}
		op.Intended = op.Start
		switch x := r.IntN(10); {
		case x < 5:
			op.Kind, op.Value = history.Read, k.state
			if r.Float64() < stale {
				op.Value = k.before
			}
			continue
		case x == 5 && withCAS:
			op.Kind, op.Old = history.CAS, k.state
		default:
			op.Kind = history.Write
		}
		k.before, k.state = k.state, op.Value
	}
	return logOf(registerType, ops...)
}

var (
	clean = sync.OnceValue(func() *history.Log { return bigLog(1_000_000, false, 0) })
	chain = sync.OnceValue(func() *history.Log { return bigLog(1_000_000, true, 0) })
	dirty = sync.OnceValue(func() *history.Log { return bigLog(1_000_000, false, 0.01) })
)

func benchmark(b *testing.B, log func() *history.Log, checkers ...Checker) {
	l := log()
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		run(context.Background(), l, Limits{}, checkers)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(l.Ops)), "ns/operation")
}

func BenchmarkRegister(b *testing.B)        { benchmark(b, clean, registerChecker()) }
func BenchmarkRegisterStale(b *testing.B)   { benchmark(b, dirty, registerChecker()) }
func BenchmarkLinearizable(b *testing.B)    { benchmark(b, clean, linearizableChecker()) }
func BenchmarkLinearizableCAS(b *testing.B) { benchmark(b, chain, linearizableChecker()) }
func BenchmarkNotLinearizable(b *testing.B) { benchmark(b, dirty, linearizableChecker()) }
func BenchmarkSessions(b *testing.B)        { benchmark(b, clean, sessionsChecker()) }
func BenchmarkAvailability(b *testing.B)    { benchmark(b, clean, availabilityChecker()) }
func BenchmarkAll(b *testing.B)             { benchmark(b, dirty, All()...) }

func BenchmarkSet(b *testing.B) {
	log := logOf(setType, growingSet(rand.New(rand.NewPCG(1, 9)), 6000, 8)...)
	total := 0
	for i := range log.Ops {
		total += len(log.Ops[i].Elements)
	}
	for b.Loop() {
		run(context.Background(), log, Limits{}, []Checker{setChecker()})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(total), "ns/element")
}

func BenchmarkQueue(b *testing.B) {
	log := logOf(queueType, simulatedQueue(1, 1_000_000, 20, "")...)
	benchmark(b, func() *history.Log { return log }, queueChecker())
}

// TestBigLogIsClean keeps the benchmarks honest.
func TestBigLogIsClean(t *testing.T) {
	values, _ := check(t, bigLog(15_000, true, 0))
	expect(t, values, "linearizable=1 linearizable.keys_checked=64 reads.stale=0 reads.phantom=0 reads.future=0")
	values, _ = check(t, bigLog(15_000, false, 0.02))
	expect(t, values, "linearizable=0 linearizable.keys_checked=64 linearizable.keys_undecided=0")
}
