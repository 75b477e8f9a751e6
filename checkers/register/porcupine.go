package register

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// stepBytes is about what the general search keeps for each step besides its
// set of operations.
const stepBytes = 128

// RegisterInput is one operation of the general search's model.
type RegisterInput struct {
	Kind  history.Kind
	Value int64 // written, or read
	Old   int64 // CAS
	Maybe bool  // CAS of unknown outcome: if the comparison fails it did nothing
}

// general decides linearizability with porcupine, a search that knows nothing
// of unique values. True and False are certain; Unknown means that time, ctx
// or the memory cap (in bytes) ended it. It is given what is left of the
// history after sound pruning:
//   - reads that were not answered tell nothing; writes that were refused did
//     nothing;
//   - a write of unknown outcome whose value nobody saw may stand after
//     everything else, where it changes nothing, so it is left out. One that
//     was seen ends never;
//   - a compare-and-set of unknown outcome ends never too, and where its
//     comparison fails it does nothing, so standing last it need not have
//     happened;
//   - a failed compare-and-set that told the current value is a read. One that
//     did not is left out: that may hide a violation, and never makes one;
//   - in a torn history the write of a value may be missing, or one more write
//     of a value that was written twice: reads of such a value are left out and
//     a compare-and-set of it sets its new value in any case. Either allows
//     more orders than before, so that a violation which is still found is one.
func general(ctx context.Context, k *values, torn bool, limit time.Duration, memory uint64) checkers.Truth {
	operations := k.operations(torn)
	n := uint64(len(operations))
	if n == 0 {
		return checkers.True
	}
	if n*n/8 > memory || ctx.Err() != nil {
		return checkers.Unknown
	}
	var steps atomic.Uint64
	ends := func() bool { return ctx.Err() != nil || steps.Load()*(n/8+stepBytes) > memory }
	model := porcupine.Model{
		Init: func() any { return history.Nil },
		Step: func(state, input, _ any) (bool, any) {
			ok, next := step(state.(int64), input.(RegisterInput))
			if ok {
				steps.Add(1)
				ok = !ends() // makes the search end soon, whose answer is not used
			}
			return ok, next
		},
		Hash: func(state any) uint64 { return uint64(state.(int64)) * 0x9e3779b97f4a7c15 },
	}
	result := porcupine.CheckOperationsTimeout(model, operations, limit)
	switch {
	case result == porcupine.Ok:
		return checkers.True
	case result == porcupine.Illegal && !ends():
		return checkers.False
	default:
		return checkers.Unknown
	}
}

func step(state int64, in RegisterInput) (bool, int64) {
	switch in.Kind {
	case history.Read:
		return in.Value == state, state
	case history.Write:
		return true, in.Value
	}
	if state == in.Old {
		return true, in.Value
	}
	return in.Maybe, state
}

// operations are those that the general search has to order.
func (k *values) operations(torn bool) []porcupine.Operation {
	var all []porcupine.Operation
	add := func(p int32, end int64, in RegisterInput) {
		all = append(all, porcupine.Operation{Input: in, Call: kit.From(k.op(p)), Return: end})
	}
	missing := func(i int32) bool { return torn && (k.all[i].fate == kit.Orphan || k.all[i].twice) }
	index, seen := map[int64]int32{}, make([]bool, len(k.all))
	for i := range k.all {
		index[k.all[i].v], seen[i] = int32(i), k.all[i].seen
	}
	for p := range int32(len(k.ops)) { // a value written twice is linked to no older one
		op := k.op(p)
		if old, known := index[op.Old]; known && op.Kind == history.CAS && op.Outcome != history.Fail {
			seen[old] = true
		}
	}
	for p := range int32(len(k.ops)) {
		op := k.op(p)
		if i := k.read[p]; i != kit.None && !missing(i) {
			add(p, kit.Until(op), RegisterInput{Kind: history.Read, Value: k.all[i].v})
		}
		if k.wrote[p] == kit.None || op.Outcome == history.Fail {
			continue
		}
		unsure := op.Outcome != history.OK
		if unsure && !seen[k.wrote[p]] {
			continue
		}
		in, end := RegisterInput{Kind: op.Kind, Value: op.Value, Old: op.Old, Maybe: unsure}, kit.Until(op)
		if unsure {
			end = kit.Never
		}
		if old, known := index[op.Old]; op.Kind == history.CAS && (torn && !known || known && missing(old)) {
			in.Kind = history.Write
		}
		add(p, end, in)
	}
	return all
}
