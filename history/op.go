// Package history is the record of one run: every operation that the workloads
// called, every fault and role change, on one monotonic clock. It imports no
// other package of this project.
package history

// Outcome says what is known of an operation's effect.
type Outcome uint8

const (
	// Unknown: the operation may or may not have taken effect, now or later.
	// It is the zero value, so that a forgotten outcome is never a promise.
	Unknown Outcome = iota
	// OK: the system acknowledged the operation.
	OK
	// Fail: the operation certainly did not take effect and never will.
	Fail
)

// Kind is what an operation does.
type Kind uint8

const (
	// Read returns the Value of Key (register).
	Read Kind = iota
	// Write sets Key to Value (register). To Nil it deletes the key.
	Write
	// CAS sets Key to Value if it holds Old. A CAS whose comparison failed is
	// Fail with ErrCompare; if the server told the current value it is in
	// Observed and Seen is true.
	CAS
	// Add adds the element Value to the set Key.
	Add
	// ReadSet returns all Elements of the set Key.
	ReadSet
	// Mark writes the monotonic marker Value to Key (lag workload).
	Mark
	// Poll reads the marker of Key from one node; Value is the marker seen.
	Poll
	// Enqueue appends the message Value to the queue Key. It is OK when the
	// system confirmed the message.
	Enqueue
	// Dequeue receives one message from the queue Key and acknowledges it.
	// Value is Nil before the call; afterwards it is the message, Nil if the
	// queue was empty. OK: the message was received and the system took the
	// acknowledgement, as far as the system tells. Unknown with a Value:
	// received, but the acknowledgement may not have arrived; the system may
	// deliver the message again. Unknown with Nil: one message may or may not
	// have been taken. Fail: none was taken.
	Dequeue
	// Drain dequeues everything from the queue Key until it is empty, one
	// message after the other: each is acknowledged before the next is taken.
	// Elements are the messages received and acknowledged, in order, also when
	// the outcome is not OK. OK: the queue was found empty at the end, of
	// messages delivered and not yet acknowledged too, as far as the system
	// tells. Unknown: besides the Elements one message may have been taken; it
	// is Value if it was received and only its acknowledgement is in doubt, else
	// Value is Nil, as before the call. Fail: nothing besides the Elements was
	// taken, as when the operation's time ran out between two messages. A Drain
	// that is not OK is called again, and every call counts.
	Drain
	// Txn is a transaction of appends to lists and reads of them. Elements
	// hold its micro-operations (see Micro), with the results of the reads if
	// it is OK; Key and Value have no meaning. A client makes the Elements of
	// the answer anew and leaves those of the request alone.
	Txn
	// Increment adds Value, which may be negative, to the counter Key. A Read
	// returns a counter's Value.
	Increment
	// Generate asks for a new unique number, which is Value.
	Generate
	// Transfer moves the amount Value from the account Key to the account Old.
	// It is Fail with ErrCompare if the account holds less. An account that was
	// never touched holds what the bank workload begins with.
	Transfer
	// Balances reads the accounts 0 to Key-1 in one transaction; Elements are
	// what they hold.
	Balances
	// Scan reads the registers Key to Key+Old-1 in one call; the answer has their
	// Values, in order, as Elements. A history has it without them: an answered scan
	// is followed by a Read of each register, with the flag Part.
	Scan
)

// Nil is the Value of a register that was never written.
const Nil int64 = -1 << 63

// Torn is the Value of a register, an element or a message that was read and is no
// value as it was written: cut off, or mixed of several. Nobody writes it.
const Torn = Nil + 1

// FinalRead and the other flags of Op.Flags.
const (
	// FinalRead marks a read or Drain made after the last fault healed and the
	// cluster settled; lost writes are judged by these.
	FinalRead uint8 = 1 << iota
	// Warmup marks an operation made before measuring began.
	Warmup
	// FromPrimary marks an operation addressed to the node that the client
	// took for the primary.
	FromPrimary
	// Seen marks a failed CAS that told the current value (in Observed).
	Seen
	// Part marks a Read that is part of a Scan: it counts for what was read, and
	// not as an operation of its own.
	Part
)

// Op is one completed operation. All times are nanoseconds of the run's Clock.
// It is a plain value: workers keep Ops in their own buffers and copying one
// allocates nothing.
type Op struct {
	Intended int64   // when the schedule wanted it; equals Start in a closed loop
	Start    int64   // stamped by the worker just before the call
	End      int64   // stamped by the worker just after the call
	Value    int64   // written, read or added value; see Kind
	Old      int64   // CAS: the expected value
	Observed int64   // CAS that failed with Seen: the current value
	Elements []int64 // ReadSet, Drain, Txn, Balances
	Key      uint32
	Process  uint32 // logical process; a new one after every Unknown
	Worker   uint16 // worker of the workload
	Workload uint8  // index into Meta.Workloads
	Kind     Kind
	Outcome  Outcome
	Flags    uint8
	Node     int8  // index of the node addressed; -1 if none was reached
	Error    Error // why the outcome is not OK
}

// Error is the class of an operation's error.
type Error uint8

const (
	ErrNone       Error = iota
	ErrTimeout          // no answer in the operation's time
	ErrConnect          // no connection could be made; nothing was sent
	ErrConnLost         // the connection broke after sending
	ErrNotPrimary       // the node refuses the operation in its role
	ErrNoQuorum         // the node refuses because it lacks its replicas
	ErrBusy             // the node refused for load
	ErrCompare          // CAS: the comparison failed
	ErrNoTarget         // no node was known to take the operation
	ErrServer           // any other answer of the server
	// ErrGone: the server says that what holds the data does not exist: no such
	// table, stream or queue. A final read or drain that a settled node answers so
	// again and again is OK with this error: nothing is there.
	ErrGone
	// ErrUntold: nobody tells what became of it: the driver was lost that may have sent
	// it, and may not have (see Driver.Untold). It is a possible operation, of unknown
	// outcome, that began no earlier than its Start.
	ErrUntold
)

var kindNames = [...]string{"read", "write", "cas", "add", "readset", "mark", "poll", "enqueue", "dequeue", "drain", "txn", "increment", "generate", "transfer", "balances", "scan"}
var outcomeNames = [...]string{"unknown", "ok", "fail"}
var errorNames = [...]string{"", "timeout", "connect", "conn-lost", "not-primary", "no-quorum", "busy", "compare", "no-target", "server", "gone", "untold"}

func (k Kind) String() string    { return name(kindNames[:], int(k)) }
func (o Outcome) String() string { return name(outcomeNames[:], int(o)) }
func (e Error) String() string   { return name(errorNames[:], int(e)) }

func name(names []string, i int) string {
	if i >= len(names) {
		return "invalid"
	}
	return names[i]
}

// Kinds is the number of kinds, for tables indexed by Kind.
const Kinds = len(kindNames)

// Load tells whether operations of a kind are load; the lag workload's markers
// and polls are not.
func (k Kind) Load() bool { return int(k) < Kinds && k != Mark && k != Poll }

// Load tells whether an operation counts as load: as its kind does, and once, and if it
// is known to have been sent.
func (o *Op) Load() bool { return o.Kind.Load() && o.Flags&Part == 0 && o.Error != ErrUntold }

// Writes tells whether an acknowledged operation of a kind is an acknowledged
// write: something that the system must keep from then on.
func (k Kind) Writes() bool {
	switch k {
	case Write, CAS, Add, Enqueue, Txn, Increment, Transfer:
		return true
	}
	return false
}

// Final reports whether the operation is a final read.
func (o *Op) Final() bool { return o.Flags&FinalRead != 0 }

// Less orders operations by start, then end, then process: the order in which
// a Log is kept after loading.
func Less(a, b *Op) int {
	switch {
	case a.Start != b.Start:
		return cmp64(a.Start, b.Start)
	case a.End != b.End:
		return cmp64(a.End, b.End)
	default:
		return cmp64(int64(a.Process), int64(b.Process))
	}
}

func cmp64(a, b int64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}
