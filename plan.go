package aftershock

import (
	"time"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// None, in a numeric or duration field of a plan made in Go whose default is
// not zero, says that zero is meant: no replicas, no warm-up, no wait before
// failing over, no minimum of operations.
const None = -1

// Plan says all of a run. Make one with ParsePlans, or fill one in and call
// Validate, which also applies the defaults: a zero field then takes its
// default, and None stands for a zero that is meant.
type Plan struct {
	Name      string
	About     string
	Seed      uint64 // 0 after parsing means: choose one
	Host      string // auto, docker, local
	Target    TargetPlan
	Workloads []workloads.Spec
	Warmup    time.Duration
	Duration  time.Duration // of the measured phase
	Settle    time.Duration // at most this long until the healed cluster is healthy
	Faults    []faults.Spec
	Claims    []string
	StopOn    string // never, violated: end the load when a register is seen not to be linearizable
	Gates     Gates
	Timeouts  Timeouts
	Vary      []Vary // in the file's order

	source *planSource // what it was read from; nil for a plan made in Go
	normal bool        // defaults are applied; a zero is meant
}

// TargetPlan is a plan's `target`.
type TargetPlan struct {
	Name     string
	Image    string // docker: overrides the target's own
	Replicas int    // besides the primary
	Options  map[string]string
	Failover Failover
}

// Failover sets the operator that promotes when the primary is gone.
type Failover struct {
	After  time.Duration // how long the primary must be gone
	Choose string        // most-advanced, least-advanced, random, none
}

// Gates guard against empty passes.
type Gates struct {
	MinOps int // acknowledged operations, else the verdict is unknown
}

// Timeouts bound the clients' calls.
type Timeouts struct {
	Connect   time.Duration
	Operation time.Duration
}

// Vary is one varied path and its values: one run for each combination.
type Vary struct {
	Path   string
	Values []string
}
