package checkers

import "github.com/aftershock-chaos/aftershock/history"

// Class is a kind of anomaly.
type Class string

const (
	LostWrite      Class = "lost-write"          // acknowledged, not overwritten, missing from a settled node
	Resurrected    Class = "resurrected-write"   // reported failed, yet seen
	Phantom        Class = "phantom-value"       // read, though nobody wrote it
	Future         Class = "future-read"         // read before its write began
	StaleRead      Class = "stale-read"          // older than a value acknowledged before the read began
	NotLinear      Class = "not-linearizable"    // no single order explains the key's operations
	ReadYourWrites Class = "read-your-writes"    // a client did not see its own write
	MonotonicRead  Class = "monotonic-reads"     // a client saw an older value after a newer one
	MonotonicWrite Class = "monotonic-writes"    // a node showed a client's earlier write after its later one
	WriteAfterRead Class = "writes-follow-reads" // a node showed what a client had read after what it then wrote
	OrderFlip      Class = "order-flip"          // readers disagree on the order of concurrent writes
	LostElement    Class = "lost-element"        // set: acknowledged, missing from a settled node
	Duplicate      Class = "duplicate-element"   // set: read more than once in one answer
	StaleSet       Class = "stale-set-read"      // set: an element acknowledged before the read began is missing, and seen by a later read
	Flapping       Class = "flapping-element"    // set: read, then absent, then read again by one client or from one node
	Diverged       Class = "diverged-replicas"   // settled nodes differ

	LostMessage       Class = "lost-message"       // queue: confirmed, never delivered, and gone from the drained queue
	DuplicateMessage  Class = "duplicated-message" // queue: delivered again after an acknowledged delivery
	UnexpectedMessage Class = "unexpected-message" // queue: delivered, though nobody enqueued it or its enqueueing failed
	ReorderedMessage  Class = "reordered-message"  // queue: overtaken by a message enqueued later
	NotFIFO           Class = "not-fifo"           // queue: no single first-in-first-out order explains the queue's operations

	Crash        Class = "server-crash"  // a server ended by itself
	NotRecovered Class = "not-recovered" // with all faults healed, the system did not come back

	// Of transactions on lists; the cycles also with -process and -realtime.
	G0                Class = "G0"                 // a cycle of writes
	G1a               Class = "G1a"                // aborted read
	G1b               Class = "G1b"                // intermediate read
	G1c               Class = "G1c"                // a cycle of writes and reads of them
	GSingle           Class = "G-single"           // a cycle with one anti-dependency: read skew
	GNonadjacent      Class = "G-nonadjacent"      // a cycle with several anti-dependencies, no two in a row
	G2                Class = "G2-item"            // a cycle with anti-dependencies in a row: write skew
	InternalRead      Class = "internal"           // a transaction did not see its own earlier reads and writes
	DirtyUpdate       Class = "dirty-update"       // a committed write upon an aborted one
	IncompatibleOrder Class = "incompatible-order" // a list was read in two orders, or in another than one transaction appended
	LostUpdate        Class = "lost-update"        // two transactions, or compare-and-sets, updated the same version
	OutOfBounds       Class = "out-of-bounds"      // a counter's value below or above all that its increments allow
	DuplicateID       Class = "duplicate-id"       // a unique number was given out twice
	WrongTotal        Class = "wrong-total"        // the balances of one instant do not add up
	Overdrawn         Class = "overdrawn"          // an account holds less than nothing
	PhantomElement    Class = "phantom-element"    // read, though nobody appended it
)

// Finding is one anomaly with its evidence.
type Finding struct {
	Class    Class        `json:"class"`
	Workload string       `json:"workload"`
	Key      uint32       `json:"key"`
	At       int64        `json:"at"`            // when it shows, on the run's clock
	Gap      int64        `json:"gap,omitempty"` // staleness in nanoseconds, where it has a meaning
	Evidence []history.Op `json:"evidence"`      // the few operations that contradict each other, in order of start
	Text     string       `json:"text"`          // one or two sentences a person understands, with times and nodes
	Cycle    []Step       `json:"cycle,omitempty"`
	// Trimmed tells of each operation of the evidence what it had before only the
	// elements that matter were kept; nil: nothing was left out.
	Trimmed []Trim `json:"trimmed,omitempty"`
}

// Trim is what an answer of many elements was.
type Trim struct {
	Size    int     `json:"size"`              // elements that it had
	Without []int64 `json:"without,omitempty"` // of those that matter, the ones that it lacked
}

// Step is one transaction of a cycle, and why it must precede the next one; the
// next of the last is the first.
type Step struct {
	Name string `json:"name"` // as in the text: T17
	Op   int    `json:"op"`   // index into the evidence
	Edge string `json:"edge"` // ww, wr, rw (an anti-dependency), process or realtime
	Why  string `json:"why"`
}

// Truth is a three-valued answer.
type Truth int8

const (
	Unknown Truth = iota
	True
	False
)
