// Package aftershock runs plans: it launches a replicated system, drives it
// with workloads, breaks it on purpose and proves from the recorded history
// what was lost, what was stale and how long it took.
//
// It is a door: each name here is one of another package, and these few are
// enough to use aftershock from Go.
//
//   - A test of one's own system or settings: fill in a Plan and Run it, as the
//     example does. Load reads plans from a file.
//   - A test of a system that runs already: Target.Attach, of Containers for one.
//     With a client of one's own it may be any: targets/own has an example.
//   - The same for several settings: give the Plan a Vary, and RunVariant each of
//     what Plan.Expand makes of it.
//   - A run that is over, or a history that another tool recorded: Check.
//
// Each gives a Result, whose Verdict holds every claim's answer with its
// evidence; errors wrap one of three. Who extends aftershock (a target, a fault,
// a host, a checker) works in the packages behind: ARCHITECTURE.md is their map,
// CONTRIBUTING.md has the recipes.
package aftershock

import (
	"context"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results/judge"
)

type (
	Plan         = plan.Plan       // all of a run: the target, the workloads, the faults and the claims
	Target       = plan.Target     // a plan's system under test
	Attach       = attach.Attach   // in place of launching it: where somebody runs it already
	Variant      = plan.Variant    // one of the plans that a plan with Vary stands for
	Override     = plan.Override   // replaces one value of a plan as it is read, as --set does
	Options      = harness.Options // of a run: what is not the plan's to say
	CheckOptions = judge.Options   // how an old run is judged
	Result       = judge.Result    // a judged run: its directory and its verdict
)

// What errors of Load, Run and Check wrap.
var (
	ErrInput          = failure.ErrInput          // the caller can mend it: a plan, a flag or a file
	ErrInfrastructure = failure.ErrInfrastructure // the machine, the engine or the launch failed
	ErrInterrupted    = failure.ErrInterrupted    // the context ended first; the Result is there all the same
)

// None, in a numeric or duration field of a plan made in Go whose default is
// not zero, says that zero is meant.
const None = plan.None

// Load reads the plans of a YAML file, with defaults applied and everything
// checked.
func Load(path string, overrides ...Override) ([]*Plan, error) {
	return plan.Load(path, overrides, harness.Words())
}

// Containers attaches to containers that a test has started, as testcontainers-go
// does, each one node. Whoever hands them over allows that they are broken.
func Containers(nodes ...interface{ GetContainerID() string }) Attach {
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = n.GetContainerID()
	}
	return attach.Given(ids)
}

// Run executes one plan, which it leaves as it is, and judges it.
func Run(ctx context.Context, p *Plan, options Options) (*Result, error) {
	return harness.Run(ctx, p, options)
}

// RunVariant is Run for what Plan.Expand makes of a plan with Vary; the verdict
// tells the varied values.
func RunVariant(ctx context.Context, v Variant, options Options) (*Result, error) {
	return harness.RunVariant(ctx, v, options)
}

// Check judges a run directory, a bare history file, or a history that another
// tool recorded (Jepsen, Elle, Knossos, porcupine, Maelstrom).
func Check(ctx context.Context, path string, options CheckOptions) (*Result, error) {
	return judge.Check(ctx, path, options)
}
