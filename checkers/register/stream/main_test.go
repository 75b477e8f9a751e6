package stream

import (
	"context"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/register"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checkLinearizable is what the registers' checker tells of linearizability
// alone.
func checkLinearizable(log *history.Log, limits checkers.Limits) checkers.Result {
	r := checkers.Run(context.Background(), log, limits, []checkers.Checker{register.Checker()})
	return checkers.Result{
		Values:   slices.DeleteFunc(r.Values, func(v checkers.Value) bool { return v.Name != "linearizable" }),
		Findings: slices.DeleteFunc(r.Findings, func(f checkers.Finding) bool { return f.Class != checkers.NotLinear }),
	}
}

// registerInput is an operation for porcupine.
type registerInput struct {
	Kind       history.Kind
	Old, Value int64
	Maybe      bool // a compare-and-set that did nothing if the comparison fails
}

// repeats tells whether a value was written more than once.
func repeats(ops []history.Op) bool {
	seen := map[int64]bool{}
	for i := range ops {
		if k := ops[i].Kind; k == history.Write || k == history.CAS {
			if seen[ops[i].Value] {
				return true
			}
			seen[ops[i].Value] = true
		}
	}
	return false
}
