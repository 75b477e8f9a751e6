package aftershock

import (
	"time"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// Plan says all of a run. Make one with ParsePlans, or fill one in and call
// Validate, which also applies the defaults.
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
	Gates     Gates
	Timeouts  Timeouts
	Vary      []Vary // in the file's order

	file string // where it was read from, for messages
	line int
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
