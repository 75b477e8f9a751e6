package register

import (
	"context"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/history"
)

// The parts of Checker that tell of linearizability, and of sessions,
// alone.
func linearizableOnly() checkers.Checker {
	return partOfRegisters(linearizableFacts(), linearizability)
}

func sessionsOnly() checkers.Checker { return partOfRegisters(sessionFacts(), sessionGuarantees) }

func partOfRegisters(facts []checkers.Fact, part func(checkers.Input, []judged) checkers.Result) checkers.Checker {
	return checkers.Checker{Name: "part", Objects: []history.Object{history.ObjectRegister}, Facts: facts, Check: func(ctx context.Context, in checkers.Input) checkers.Result {
		return part(in, judgeRegisters(ctx, in.Log, reign.Read(in.Log), in.Limits))
	}}
}

func BenchmarkRegister(b *testing.B) { benchmark(b, clean, Checker()) }

func BenchmarkRegisterStale(b *testing.B) { benchmark(b, dirty, Checker()) }

func BenchmarkLinearizable(b *testing.B) { benchmark(b, clean, linearizableOnly()) }

func BenchmarkLinearizableCAS(b *testing.B) {
	benchmark(b, chain, linearizableOnly())
}

func BenchmarkNotLinearizable(b *testing.B) {
	benchmark(b, dirty, linearizableOnly())
}

func BenchmarkSessions(b *testing.B) { benchmark(b, clean, sessionsOnly()) }
