// Package workloads generates operations: pure, seeded streams with no I/O and
// no clock. The harness calls what they generate and records it.
package workloads

import (
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// Spec is one entry of a plan's `workloads`, with defaults applied.
type Spec struct {
	Name         string         // unique in the plan; defaults to the type
	Type         string         // register, set, queue, lag
	Keys         int            // number of keys
	Mix          map[string]int // weights by operation name ("read", "write", "cas", "add", "enqueue", "dequeue")
	ReadFrom     string         // primary, replicas, any
	Clients      int            // concurrent workers
	Rate         float64        // operations per second of the whole workload; 0 is a closed loop
	Distribution string         // of keys: uniform, zipfian
	Every        time.Duration  // lag: time between two markers
}

// Route says which node an operation goes to.
type Route uint8

const (
	ToPrimary Route = iota // the node the client takes for the primary
	ToReplica              // any node it does not take for the primary, by Pick
	ToAny                  // any node, by Pick
	ToNode                 // exactly node Pick
)

// Request is what a Generator asks for.
type Request struct {
	Op    history.Op // Kind, Key, Value, Old and Workload are set
	Route Route
	Pick  uint32 // random choice among the eligible nodes, or the node itself
}

// Generator makes one worker's operations. It is used by one goroutine.
type Generator interface {
	// Next fills r with the next operation. It allocates nothing.
	Next(r *Request)
	// Done tells the generator how its last operation ended.
	Done(op *history.Op)
}

// Pacer says when a worker's nth operation (from 0) is intended, in
// nanoseconds after the load's start. It is a pure function.
type Pacer func(n uint64) int64

// Workload is one configured workload.
type Workload interface {
	Spec() Spec
	// Kinds lists the operations it needs of a target.
	Kinds() []history.Kind
	// Workers is how many workers run, each with its own Generator and Pacer.
	// It may depend on the number of nodes (the lag workload polls each node).
	Workers(nodes int) int
	// Worker returns worker i's generator. The same seed, nodes and i give the same stream.
	Worker(i, nodes int, seed uint64) Generator
	// Pacer returns worker i's pacer; nil is a closed loop.
	Pacer(i, nodes int) Pacer
	// Measured tells whether worker i's operations count as load in latency,
	// throughput and availability facts (the lag workload's do not).
	Measured(i int) bool
	// Finals lists the final reads, or drains, of node n: every key, as ToNode requests.
	// Empty for workloads that need none.
	Finals(n int) []Request
}
