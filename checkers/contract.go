// Package checkers turns histories into findings: pure functions with no I/O
// and no clock.
package checkers

import (
	"context"
	"math"
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
	Boolean Unit = "bool"  // 1 or 0 in Value.N
	Money   Unit = "money" // in the currency of the plan's prices
	Mean    Unit = "mean"  // so many for each
)

// Fact describes one named measured value. In names, <node>, <fault>,
// <workload> and <phase> stand for a node's name, a fault's id, a workload's name
// and that of a phase of the load.
type Fact struct {
	Name    string
	Unit    Unit
	Meaning string // one line
	Better  Better // which values are better; empty: as the unit says, see Direction
}

// Value is one fact's value in one run.
type Value struct {
	Name  string  `json:"name"`
	N     float64 `json:"value"`
	Known bool    `json:"known"`
	Why   string  `json:"why,omitempty"` // why it is unknown, or, if it is known, what it leaves out
	// AtLeast is set when N is known to be a lower bound only: so many were
	// proven, and not everything could be judged. The value lies between N and
	// AtMost; where AtMost is 0, no upper bound is known.
	AtLeast bool    `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
}

// Bounds are the least and the greatest that a value can be, as far as is known:
// equal where it is exact, infinite where there is no bound.
func (v Value) Bounds() (least, most float64) {
	switch {
	case !v.Known || math.IsNaN(v.N):
		return math.Inf(-1), math.Inf(1)
	case !v.AtLeast:
		return v.N, v.N
	case v.AtMost == 0:
		return v.N, math.Inf(1)
	}
	return v.N, max(v.N, v.AtMost)
}

// Result is what one checker found.
type Result struct {
	Findings []Finding // at most Limits.Findings per class; the counts are in Values
	Values   []Value

	Latency   []LatencyRow  // of each kind of operation that was measured, then of its phases
	Stale     []StaleSample // every stale read of a register, in order of the log; of a torn log some may be missing
	Staleness []StaleReads  // of all registers; empty if no read was answered
	Isolation *Isolation    // of transactions on lists; nil if there is no such workload
	Lost      []Loss        // what facts that end with .lost count, as far as it is known which
}

// Loss is an acknowledged write that was lost, or may have been.
type Loss struct {
	Start, Acked int64
	Certain      bool
}

// Limits bound what one checker may take, and how much it tells.
type Limits struct {
	Time     time.Duration // of the general search, over all keys
	Memory   uint64        // bytes, of the general search
	Findings int           // kept per class
	Workers  int           // goroutines
}

// DefaultLimits are those of every run, as no plan sets any.
var DefaultLimits = Limits{Time: 30 * time.Second, Memory: 2 << 30, Findings: 10, Workers: 2}

// Input is what a checker judges, and within which bounds.
type Input struct {
	// Log is what is judged. One that is on disk (history.Log.OnDisk) has only a
	// part of its operations in Ops: for Check at least all those of the workloads
	// that the checker judges, for a Follower none at first, and at last those that
	// it chose and what other checkers wanted.
	Log    *history.Log
	Limits Limits // none of them is zero
	// Memory is how many bytes all checkers together may take for a log on disk; 0
	// for a log in memory.
	Memory uint64
}

// Checker is one entry of the table.
type Checker struct {
	Name string
	// Objects are what the workloads that it judges act on. It is used on logs that
	// have such a workload; without Objects it needs no operations, and is used on
	// all logs.
	Objects []history.Object
	Facts   []Fact

	// Order says that it judges by the order of operations: of a log of several drivers it
	// is given an Ordering.
	Order bool

	// Check judges a log. It is pure: the same input gives the same result, but for
	// what a time or memory limit cuts short, which it reports as unknown.
	Check func(ctx context.Context, in Input) Result

	// Conclude, unless it is nil, says what follows from what all checkers found
	// together. It is called after them, and is pure as well.
	Conclude func(in Input, found *Result) []Value

	// Follow, unless it is nil, takes the place of Check for a log that stays on
	// disk. Of a checker without it all operations of the workloads that it judges
	// are brought into memory for Check; if they do not fit, its facts are unknown.
	Follow func(in Input) Follower
}

// CheckBy is the Check of a checker that follows logs in memory too.
func CheckBy(follow func(Input) Follower) func(context.Context, Input) Result {
	return func(ctx context.Context, in Input) Result {
		f := follow(in)
		for i := range in.Log.Ops {
			f.Add(&in.Log.Ops[i])
		}
		return f.Judge(ctx)
	}
}

// Follower judges one log on disk. First every operation of the log is added;
// then the follower chooses which of them it needs in memory; then it judges.
type Follower interface {
	// Add is called with each operation of the log, of whatever workload, in the
	// order of history.Less. op is valid during the call only. What all followers
	// keep may take up to half of Input.Memory.
	Add(op *history.Op)

	// Choose is called once, after the last Add. For each set of operations that
	// the follower wants in memory, the most important first, it asks fits whether
	// there is room for so many; if so, that room is taken. It returns which
	// operations there was room for; nil if there are none.
	Choose(fits func(history.Size) bool) (keep func(op *history.Op) bool)

	// Judge is called last. The operations for which keep was true are now in
	// Input.Log.Ops, in order, among those that other checkers need.
	Judge(ctx context.Context) Result
}

// Isolation is the strongest level that a history of transactions may have.
type Isolation struct {
	Level     string       `json:"level,omitempty"` // empty: not even the weakest
	Not       string       `json:"not,omitempty"`   // the weakest level that is ruled out; empty: none is
	Anomalies []ClassCount `json:"anomalies,omitempty"`
	Txns      int          `json:"txns"`          // acknowledged
	Why       string       `json:"why,omitempty"` // why it is unknown whether Level is reached
}

// ClassCount is how often a class of anomalies was found; of cycles, one of each
// class is counted.
type ClassCount struct {
	Class Class  `json:"class"`
	N     int    `json:"n"`
	Not   string `json:"not"` // the weakest level that it rules out
}

// StaleReads is how stale the answered reads of registers were that one node
// answered, or any, at one moment of the run, or any. Fresh reads count as 0.
// Of a torn log some stale reads may be missing.
type StaleReads struct {
	Node     string `json:"node,omitempty"` // empty: all, also those that name none
	When     string `json:"when,omitempty"` // before the faults, during one, after; as in the facts. Empty: at any time
	Reads    int    `json:"reads"`
	Stale    int    `json:"stale"`
	P50      int64  `json:"p50_ns"` // time by which the reads were stale
	P99      int64  `json:"p99_ns"`
	Max      int64  `json:"max_ns"`
	Versions int    `json:"versions_max"` // greatest number of newer values, see StaleSample
}

// StaleSample is one read of a register that returned a value which had
// certainly been superseded when the read began.
type StaleSample struct {
	Staleness int64 // nanoseconds by which it had been superseded
	Versions  int32 // values that had certainly superseded it; at least 1
	Op        int32 // index into the log
}
