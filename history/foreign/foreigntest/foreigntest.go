// Package foreigntest asks others about histories, for the tests of how they are read
// and written.
package foreigntest

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/aftershock-chaos/aftershock/checkers"
	allcheckers "github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/history"
)

// Facts are what the checkers measure of a log.
func Facts(t testing.TB, log *history.Log) map[string]checkers.Value {
	t.Helper()
	values := map[string]checkers.Value{}
	for _, v := range allcheckers.Run(t.Context(), log, checkers.Limits{}).Values {
		values[v.Name] = v
	}
	return values
}

// registerCall is an operation for porcupine.
type registerCall struct {
	kind       history.Kind
	value, old int64
	refused    bool // a compare-and-set that found something else
	maybe      bool
}

// Search asks porcupine about the registers of a log. With strict, failed
// compare-and-sets found something else.
func Search(log *history.Log, strict bool) porcupine.CheckResult {
	byKey := map[uint32][]porcupine.Operation{}
	for i := range log.Ops {
		op := &log.Ops[i]
		in := registerCall{kind: op.Kind, value: op.Value, old: op.Old}
		end := op.End
		switch {
		case op.Outcome == history.Unknown && op.Kind == history.Read:
			continue
		case op.Outcome == history.Fail && (op.Kind != history.CAS || !strict):
			continue
		case op.Outcome == history.Fail:
			in.refused = true
		case op.Outcome == history.Unknown:
			end, in.maybe = math.MaxInt64, true
		}
		byKey[op.Key] = append(byKey[op.Key], porcupine.Operation{Input: in, Call: op.Start, Return: end})
	}
	model := porcupine.Model{
		Init: func() any { return history.Nil },
		Step: func(state, input, _ any) (bool, any) {
			now, in := state.(int64), input.(registerCall)
			switch {
			case in.kind == history.Read:
				return in.value == now, now
			case in.kind == history.Write:
				return true, in.value
			case in.refused:
				return in.old != now, now
			case in.old == now:
				return true, in.value
			}
			return in.maybe, now
		},
	}
	for _, ops := range byKey {
		if r := porcupine.CheckOperationsTimeout(model, ops, 0); r != porcupine.Ok {
			return r
		}
	}
	return porcupine.Ok
}
