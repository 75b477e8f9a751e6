package register

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/history"
)

// shown counts by the definitions the reads that break monotonic writes and
// writes-follow-reads.
func (s slow) shown() string {
	f := s.certain()
	writes, afterRead := 0, 0
	write := func(v int64) *history.Op {
		if _, ok := s.started(f, v); !ok || s.writers(v)[0].Outcome == history.Fail {
			return nil
		}
		return s.writers(v)[0]
	}
	for i := range s.ops {
		r := &s.ops[i]
		v, ok := s.saw(r)
		if !ok || r.Node < 0 || write(v) == nil {
			continue
		}
		brokeWrites, brokeRead := false, false
		for j := range s.ops {
			before := &s.ops[j]
			u, ok := s.saw(before)
			if !ok || before.Node != r.Node || before.End >= r.Start || write(u) == nil {
				continue
			}
			later := write(u)
			w := write(v)
			if w.Process == later.Process && w.Outcome == history.OK && w.End < later.Start {
				brokeWrites = true
			}
			if s.sawBefore(v, later) {
				brokeRead = true
			}
		}
		if brokeWrites {
			writes++
		}
		if brokeRead {
			afterRead++
		}
	}
	return fmt.Sprintf("writes %d reads %d", writes, afterRead)
}

// sawBefore tells whether an operation's process had seen a value before it.
func (s slow) sawBefore(v int64, op *history.Op) bool {
	for i := range s.ops {
		o := &s.ops[i]
		if o.Process != op.Process || o.End >= op.Start {
			continue
		}
		u, ok := s.saw(o)
		if !ok && o.Kind == history.CAS && o.Outcome == history.OK && len(s.writers(o.Value)) == 1 {
			u, ok = o.Old, true
		}
		if ok && u == v {
			return true
		}
	}
	return false
}

func TestShownAgreesWithDefinitions(t *testing.T) {
	checktest.Alone(t)
	shapes := []shape{
		{Ops: 20, Length: 30, Longest: 4, Sessions: true},
		{Ops: 30, Length: 30, Longest: 4, Sessions: true, Cas: true},
		{Ops: 24, Length: 60, Longest: 3, Cas: true, Finals: true},
		{Ops: 24, Length: 30, Longest: 3, Sessions: true, Twice: true, Cas: true},
	}
	writes, afterRead := 0, 0
	for seed := range 16000 {
		r := rand.New(rand.NewPCG(uint64(seed), 14))
		ops := randomOps(r, shapes[seed%len(shapes)])
		if seed%3 == 0 {
			ops = mutate(r, mutate(r, copyOps(r, 10+r.IntN(20), 3, seed%2 == 0)))
		}
		log := logOf(registerType, ops...)
		found := judgeRegisters(t.Context(), log, reign.Read(log), checkers.DefaultLimits)[0]
		tally := found.sessions
		if got, want := fmt.Sprintf("writes %d reads %d", tally.writes, tally.afterRead), (slow{log.Ops, false}).shown(); got != want {
			t.Fatalf("seed %d: got %s, want %s:\n%v", seed, got, want, log.Ops)
		}
		if tally.writes+tally.afterRead > 0 && found.linear.Truth == checkers.True {
			t.Fatalf("seed %d: a linearizable register breaks a guarantee:\n%v", seed, log.Ops)
		}
		if tally.writes > 0 {
			writes++
		}
		if tally.afterRead > 0 {
			afterRead++
		}
		for _, f := range tally.top.Findings(checkers.MonotonicWrite, checkers.WriteAfterRead) {
			proveRegister(t, log, f)
		}
	}
	t.Log(writes, afterRead)
	if writes < 200 || afterRead < 200 {
		t.Errorf("%d histories break monotonic writes, %d writes-follow-reads: too few", writes, afterRead)
	}
}
