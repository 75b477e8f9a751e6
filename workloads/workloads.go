// Package workloads generates operations: pure, seeded streams with no I/O and
// no clock. The harness calls what they generate and records it.
package workloads

import (
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// Spec is one entry of a plan's `workloads`, with defaults applied.
type Spec struct {
	Name         string         // unique in the plan; defaults to the type
	Type         string         // register, set, queue, lag
	Keys         int            // number of keys
	Mix          map[string]int // weights by operation name ("read", "write", "cas", "add", "enqueue", "dequeue")
	ReadFrom     string         // primary, replicas, any
	Clients      int            // that work at the same time, each with its own connections
	Pipeline     int            // operations that each of them has under way at once; 0: one
	Rate         float64        // operations per second of the whole workload; 0 is a closed loop
	Distribution keys.Spec      // of keys
	Value        payload.Spec   // sizes of the values written
	Operations   int            // append: the most operations of a transaction
	Lists        int            // append: the most lists of one
	Reads        float64        // append: percent of the transactions that only read
	Every        time.Duration  // lag: time between two markers

	Arrival string       // constant, poisson
	Load    []pace.Phase // the rate over time; empty: Rate
	Backlog string       // catch-up, skip
	CatchUp float64      // the most operations per second while late ones are sent; 0: ten times the phase's rate
	Seed    uint64       // of random arrivals; no key of a plan
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

// Pacer says when a worker's nth operation is intended.
type Pacer = pace.Pacer

// Workload is one configured workload.
type Workload interface {
	Spec() Spec
	// Kinds lists the operations it needs of a target.
	Kinds() []history.Kind
	// Workers is how many workers run, each with its own Generator. Each has its own
	// Pacer too, or, in a pipeline, all those of one client together. It may depend on the number of nodes (the lag workload polls each node).
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

// Filler is a Generator whose reads need data: the harness loads them before the
// load begins, one after the other. What does not succeed is asked for again.
type Filler interface {
	// Fill fills r with the next write; it is false when all have succeeded, as
	// Done has told.
	Fill(r *Request) bool
}

// BlindWriter is a Generator whose writes put a value in the place of another
// that it has not looked at. What a primary that was replaced had acknowledged may
// be lost, and such a write hides it: so a worker looks before its first one of
// each key on another primary.
type BlindWriter interface {
	// Blind is how many keys it writes so, from 0 on.
	Blind() int
}

// KeyBound is how many keys a workload uses at most, from 0 on.
func KeyBound(w Workload) int {
	if more, ok := w.(interface{ KeyBound() int }); ok {
		return more.KeyBound()
	}
	return w.Spec().Keys
}
