package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// directly puts operations to porcupine as they are, without this package's
// analysis. Of the values of assumed the writes are missing: reads of them tell
// nothing, and a compare-and-set that expects one sets its own in any case.
func directly(ops []history.Op, assumed map[int64]bool) bool {
	all := make([]porcupine.Operation, 0, len(ops))
	for i := range ops {
		op := &ops[i]
		in, end := registerInput{Kind: op.Kind, Value: op.Value, Old: op.Old}, max(op.Start, op.End)
		switch {
		case op.Final():
			continue
		case op.Kind == history.CAS && op.Outcome == history.Fail && op.Flags&history.Seen != 0:
			in.Kind, in.Value = history.Read, op.Observed
		case op.Outcome == history.Fail, op.Kind == history.Read && op.Outcome != history.OK:
			continue
		case op.Outcome == history.Unknown: // standing last it need not have happened
			in.Maybe, end = true, kit.Never
		}
		switch {
		case in.Kind == history.Read && assumed[in.Value]:
			continue
		case in.Kind == history.CAS && assumed[in.Old]:
			in.Kind = history.Write
		}
		all = append(all, porcupine.Operation{Input: in, Call: op.Start, Return: end})
	}
	return porcupine.CheckOperations(directModel, all)
}

var directModel = porcupine.Model{
	Init: func() any { return history.Nil },
	Step: func(state, input, _ any) (bool, any) {
		in := input.(registerInput)
		switch {
		case in.Kind == history.Read:
			return state == in.Value, state
		case in.Kind == history.Write || state == in.Old:
			return true, in.Value
		}
		return in.Maybe, state
	},
	Equal: func(a, b any) bool { return a == b },
	Hash:  func(state any) uint64 { return uint64(state.(int64)) * 0x9e3779b97f4a7c15 },
}

// differentialOps is one of the kinds of small histories that are compared:
// anything at all, a single copy, and one with an error or two; with unique
// values and with few, ties, unknown outcomes and failed operations in all.
func differentialOps(r *rand.Rand) []history.Op {
	shapes := []shape{
		{Ops: 4, Length: 6, Longest: 5, Cas: true},
		{Ops: 6, Length: 3, Longest: 4, Cas: true},
		{Ops: 7, Length: 8, Longest: 10},
		{Ops: 7, Length: 10, Longest: 12, Cas: true},
		{Ops: 10, Length: 12, Longest: 12, Cas: true, Sessions: true, Finals: true},
		{Ops: 7, Length: 10, Longest: 12, Cas: true, Twice: true},
		{Ops: 7, Length: 20, Longest: 6, Twice: true},
	}
	switch at := r.IntN(len(shapes) + 3); {
	case at < len(shapes):
		ops := randomOps(r, shapes[at])
		if shapes[at].Twice {
			fewValues(ops, 2+int64(r.IntN(3)))
		}
		return ops
	case at == len(shapes):
		return copyOps(r, 2+r.IntN(12), 4, r.IntN(2) == 0)
	default:
		ops := copyOps(r, 3+r.IntN(12), 4, r.IntN(2) == 0)
		for range 1 + r.IntN(2) {
			ops = mutate(r, ops)
		}
		return ops
	}
}

// agreement counts what a differential test has seen.
type agreement struct {
	good, bad, repeated, evidence atomic.Int64
}

// compareOne puts one history to the checker, to a Stream and to porcupine,
// and examines the evidence. It is empty if all agree.
func (n *agreement) compareOne(r *rand.Rand, ops []history.Op) string {
	log := logOf(registerType, ops...)
	want := directly(log.Ops, nil)
	twice := repeats(ops)
	result := checkLinearizable(log, checkers.DefaultLimits)
	result.Findings = slices.DeleteFunc(result.Findings, func(f checkers.Finding) bool { return f.Class != checkers.NotLinear })
	switch v := result.Values[0]; {
	case v.Known && (v.N == 1) != want:
		return fmt.Sprintf("linearizable is %v, by porcupine %v", v.N, want)
	case !v.Known && (v.Why != "no operation was acknowledged" || !want):
		return fmt.Sprintf("linearizable is unknown (%s), by porcupine %v", v.Why, want)
	case want && len(result.Findings) > 0, !want && len(result.Findings) != 1:
		return fmt.Sprintf("%d findings of a history that is linearizable: %v", len(result.Findings), want)
	}
	s := stream(r, log, 4)
	if got := s.Verdict(); got == checkers.Unknown || (got == checkers.True) != want {
		return fmt.Sprintf("the stream says %v (%v), porcupine linearizable: %v", got, s.Violations(), want)
	}
	if twice {
		n.repeated.Add(1)
	}
	if want {
		n.good.Add(1)
		return ""
	}
	n.bad.Add(1)
	n.evidence.Add(int64(len(result.Findings[0].Evidence)))
	wrong := examine(log.Ops, result.Findings[0].Evidence)
	for try := 0; try < 3 && wrong != "" && twice; try++ { // the general search has its time only
		wrong = examine(log.Ops, checkLinearizable(log, checkers.DefaultLimits).Findings[0].Evidence)
	}
	return wrong
}

// examine checks that evidence is itself a contradiction, and that none of it
// can be spared: without any one operation, and what saw the value that it
// wrote, it is none. Values whose write the evidence leaves out are no part of
// it.
func examine(whole, evidence []history.Op) string {
	assumed := map[int64]bool{}
	for i := range whole {
		if mayWrite(&whole[i]) {
			assumed[whole[i].Value] = true
		}
	}
	for i := range evidence {
		if evidence[i].Kind != history.Read {
			delete(assumed, evidence[i].Value)
		}
	}
	if len(evidence) == 0 || directly(evidence, assumed) {
		return fmt.Sprintf("the evidence is no contradiction: %v", evidence)
	}
	evidence = slices.Clone(evidence)
	for i := range evidence { // a refused compare-and-set whose value is seen is there for that, and not for what it saw itself
		op := &evidence[i]
		if op.Kind == history.CAS && op.Outcome == history.Fail && op.Flags&history.Seen != 0 && len(without(evidence, i)) < len(evidence)-1 {
			if op.Flags &^= history.Seen; directly(evidence, assumed) {
				op.Flags |= history.Seen
			}
		}
	}
	for i := range evidence {
		if rest := without(evidence, i); !directly(rest, assumed) {
			return fmt.Sprintf("the evidence can spare %+v:\n%v", evidence[i], evidence)
		}
	}
	return ""
}

func mayWrite(op *history.Op) bool { return op.Kind != history.Read && op.Outcome != history.Fail }

// without drops one operation, and what saw a value that it wrote.
func without(ops []history.Op, i int) []history.Op {
	gone := map[int64]bool{}
	drop := func(op *history.Op) {
		if op.Kind != history.Read {
			gone[op.Value] = true
		}
	}
	drop(&ops[i])
	left := slices.Delete(slices.Clone(ops), i, i+1)
	for again := true; again; {
		again = false
		for j := 0; j < len(left); j++ {
			op := &left[j]
			saw := op.Value
			switch {
			case op.Kind == history.CAS && op.Outcome == history.Fail:
				saw = op.Observed
			case op.Kind == history.CAS:
				saw = op.Old
			}
			if op.Kind != history.Write && gone[saw] {
				drop(op)
				left, again = slices.Delete(left, j, j+1), true
				j--
			}
		}
	}
	return left
}

// TestDifferential compares the checker, the Stream and porcupine on small
// random histories, and examines every piece of evidence.
func TestDifferential(t *testing.T) {
	rounds := 200_000
	if testing.Short() {
		rounds = 20_000
	}
	rounds = checktest.Histories(t, rounds)
	seed := checktest.RandomSeed(t)
	var n agreement
	var failed atomic.Bool
	began := time.Now()
	workers := runtime.GOMAXPROCS(0)
	kit.Parallel(context.Background(), workers, workers, func(w int) {
		for i := w; i < rounds && !failed.Load(); i += workers {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			ops := differentialOps(r)
			if wrong := n.compareOne(r, ops); wrong != "" {
				failed.Store(true)
				t.Errorf("AFTERSHOCK_SEED=%d, history %d: %s\nof %v", seed, i, wrong, ops)
			}
		}
	})
	good, bad := n.good.Load(), n.bad.Load()
	t.Logf("%d histories in %s: %d linearizable, %d not (%.1f operations of evidence), %d with repeated values",
		good+bad, time.Since(began).Round(time.Millisecond), good, bad, float64(n.evidence.Load())/float64(max(bad, 1)), n.repeated.Load())
	if !failed.Load() && (good < int64(rounds)/4 || bad < int64(rounds)/4 || n.repeated.Load() < int64(rounds)/50) {
		t.Errorf("AFTERSHOCK_SEED=%d: the histories are one-sided", seed)
	}
}
