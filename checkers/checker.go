package checkers

import (
	"context"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// Unit is a fact's unit.
type Unit string

const (
	Number  Unit = "count"
	Ratio   Unit = "ratio"    // 0 to 1
	Nanos   Unit = "duration" // nanoseconds in Value.N; shown as 1.5ms
	PerSec  Unit = "per second"
	Bytes   Unit = "bytes"
	Boolean Unit = "bool" // 1 or 0 in Value.N
)

// Fact describes one named measured value. In names, <node>, <fault> and
// <workload> stand for a node's name, a fault's id and a workload's name.
type Fact struct {
	Name    string
	Unit    Unit
	Meaning string // one line
}

// Value is one fact's value in one run.
type Value struct {
	Name  string  `json:"name"`
	N     float64 `json:"value"`
	Known bool    `json:"known"`
	Why   string  `json:"why,omitempty"` // why it is unknown, or, if it is known, what it leaves out
	// AtLeast is set when N is known to be a lower bound: so many were proven,
	// and not everything could be judged.
	AtLeast bool `json:"at_least,omitempty"`
}

// Result is what one checker found.
type Result struct {
	Findings []Finding // at most Limits.Findings per class; the counts are in Values
	Values   []Value

	Stale     []StaleSample // every stale read of a register, in order of the log; of a torn log some may be missing
	Staleness []StaleReads  // of all registers; empty if no read was answered
	Isolation *Isolation    // of transactions on lists; nil if there is no such workload
}

// Limits bound a checker.
type Limits struct {
	Time     time.Duration // of the general search, over all keys
	Memory   uint64        // bytes, of the general search
	Findings int           // kept per class
	Workers  int           // goroutines

	shared *shared // set by Run; nil: a checker works alone
	pass   *Pass   // set by Pass.Run: the log is on disk
}

// DefaultLimits are used where a plan says nothing.
var DefaultLimits = Limits{Time: 30 * time.Second, Memory: 2 << 30, Findings: 10, Workers: 2}

// Checker is one entry of the table. Check is pure: the same log gives the
// same result, but for what a time or memory cap cuts short, which it reports
// as unknown. A checker whose workload is not in the log returns no values.
type Checker struct {
	Name  string
	Types []string // of workloads, one of which must be in the log; none: any will do
	Facts []Fact
	Check func(ctx context.Context, log *history.Log, limits Limits) Result
}
