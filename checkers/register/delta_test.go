package register

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/history"
)

// concurrentWrites makes a few long writes, and short reads of them by others:
// the readers mostly disagree.
func concurrentWrites(r *rand.Rand) []history.Op {
	var ops []history.Op
	writes := 2 + r.IntN(3)
	for i := range writes {
		start := int64(r.IntN(20))
		ops = append(ops, history.Op{Kind: history.Write, Value: int64(i + 1), Start: start, End: start + int64(r.IntN(60)), Process: uint32(i),
			Outcome: history.Outcome(r.IntN(2))})
	}
	for i := range 2 + r.IntN(6) {
		w := &ops[r.IntN(writes)]
		start := w.Start + int64(r.IntN(40))
		ops = append(ops, history.Op{Value: w.Value, Start: start, End: start + int64(r.IntN(10)), Process: uint32(10 + i), Node: int8(r.IntN(3)), Outcome: history.OK})
	}
	return ops
}

// earlier is a history whose reads, final ones aside, begin d earlier.
func earlier(log *history.Log, d int64) *history.Log {
	ops := slices.Clone(log.Ops)
	for i := range ops {
		if _, reads := (slow{}).saw(&ops[i]); reads {
			ops[i].Start -= d
		}
	}
	return logOf(registerType, ops...)
}

// TestDeltaAgreesWithDefinition compares the delta of random registers with
// the least D by which moving the reads makes them linearizable, by trying
// every one: each by contradict, the least one and the one before it by the
// general search too.
func TestDeltaAgreesWithDefinition(t *testing.T) {
	shapes := []shape{
		{Ops: 8, Length: 16, Longest: 8},
		{Ops: 8, Length: 16, Longest: 10, Cas: true},
		{Ops: 12, Length: 20, Longest: 12, Cas: true, Sessions: true},
		{Ops: 12, Length: 14, Longest: 14},
	}
	const most = 80
	flawed, positive, beyond := 0, 0, 0
	for seed := range 6000 {
		r := rand.New(rand.NewPCG(uint64(seed), 12))
		ops := randomOps(r, shapes[seed%len(shapes)])
		if seed%3 == 0 {
			ops = mutate(r, copyOps(r, 4+r.IntN(14), 4, seed%2 == 0))
		}
		if seed%5 == 0 {
			ops = concurrentWrites(r)
		}
		log := logOf(registerType, ops...)
		k := analysed(log, false)
		bad := func(d int64) bool {
			_, found := analysed(earlier(log, d), false).contradict(false)
			return found
		}
		want := int64(0)
		for ; want < most && bad(want); want++ {
		}
		if bad(most * 20) {
			want = boundless
		} else if want == most {
			continue // a long history
		}
		for _, floor := range []int64{0, want / 2, 3} {
			if got := k.delta(false, floor); got != max(want, floor) {
				t.Fatalf("seed %d: delta is %d from %d on, want %d:\n%v", seed, got, floor, want, log.Ops)
			}
		}
		switch {
		case want == boundless:
			flawed++
			continue
		case want > 0:
			positive++
			if seed%7 == 0 {
				confirmDelta(t, log, want)
			}
		}
		k.supersede()
		stalest := int64(0)
		for p := range k.ops {
			stalest = max(stalest, k.staleness(int32(p)))
		}
		if stalest > want {
			t.Fatalf("seed %d: a read is stale by %d, but delta is %d:\n%v", seed, stalest, want, log.Ops)
		}
		if stalest < want {
			beyond++
		}
	}
	t.Log(flawed, positive, beyond)
	if flawed < 300 || positive < 300 || beyond < 50 {
		t.Errorf("%d flawed, %d positive and %d beyond the staleness are too few", flawed, positive, beyond)
	}
}

// confirmDelta puts a delta to the general search.
func confirmDelta(t *testing.T, log *history.Log, delta int64) {
	t.Helper()
	for d, want := range map[int64]checkers.Truth{delta: checkers.True, delta - 1: checkers.False} {
		if got := general(t.Context(), analysed(earlier(log, d), false), false, time.Minute, 1<<30); got != want {
			t.Fatalf("the general search says %v with reads %d earlier, want %v:\n%v", got, d, want, log.Ops)
		}
	}
}

// flips tells by the definition whether readers disagree on the order of two
// plain writes without a stale read.
func (s slow) flips() bool {
	f := s.certain()
	last := map[int64]int64{}
	for i := range s.ops {
		if v, ok := s.saw(&s.ops[i]); ok {
			last[v] = max(s.ops[i].Start, last[v])
		}
	}
	plain := func(v int64) bool {
		if _, ok := s.started(f, v); !ok || s.writers(v)[0].Outcome == history.Fail || s.effective(s.writers(v)[0]) {
			return false
		}
		return !slices.ContainsFunc(s.ops, func(op history.Op) bool { return op.Old == v && s.effective(&op) })
	}
	for a, readA := range last {
		for b, readB := range last {
			if a == b || !plain(a) || !plain(b) {
				continue
			}
			beganA, _ := s.started(f, a)
			beganB, _ := s.started(f, b)
			if f[a] < readB && f[b] < readA && beganA <= f[b] && beganB <= f[a] {
				return true
			}
		}
	}
	return false
}

func TestFlipsAgreeWithDefinition(t *testing.T) {
	shapes := []shape{
		{Ops: 12, Length: 20, Longest: 16},
		{Ops: 20, Length: 30, Longest: 16, Cas: true},
		{Ops: 16, Length: 12, Longest: 12, Twice: true, Cas: true},
		{Ops: 40, Length: 30, Longest: 20},
	}
	flipped, alone := 0, 0
	for seed := range 6000 {
		r := rand.New(rand.NewPCG(uint64(seed), 13))
		ops := randomOps(r, shapes[seed%len(shapes)])
		if seed%3 == 0 {
			ops = mutate(r, mutate(r, copyOps(r, 6+r.IntN(14), 6, seed%2 == 0)))
		}
		if seed%5 == 0 {
			ops = concurrentWrites(r)
		}
		log := logOf(registerType, ops...)
		want := (slow{log.Ops, false}).flips()
		found := judgeRegisters(t.Context(), log, reign.Read(log), checkers.DefaultLimits)[0]
		if got := found.linear.flip != nil; got != want {
			t.Fatalf("seed %d: an order flip is %v, want %v:\n%v", seed, got, want, log.Ops)
		}
		if !want {
			continue
		}
		flipped++
		proveRegister(t, log, *found.linear.flip)
		if hasStaleRead(log, indexes(found.linear.flip.Evidence, log)) {
			t.Fatalf("seed %d: the evidence has a stale read: %v", seed, found.linear.flip.Evidence)
		}
		if len(found.register.stale) == 0 {
			alone++
		}
	}
	t.Log(flipped, alone)
	if flipped < 200 || alone < 50 {
		t.Errorf("%d histories with flips, %d of them without stale reads, are too few", flipped, alone)
	}
}

// indexes finds evidence in its log.
func indexes(ops []history.Op, log *history.Log) []int32 {
	var all []int32
	for i := range log.Ops {
		if slices.ContainsFunc(ops, func(op history.Op) bool {
			o := &log.Ops[i]
			return o.Start == op.Start && o.End == op.End && o.Process == op.Process && o.Value == op.Value && o.Kind == op.Kind
		}) {
			all = append(all, int32(i))
		}
	}
	return all
}
