package history

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/history/clocks"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

// EventKind names what an Event tells.
type EventKind string

const (
	EventPhase      EventKind = "phase"       // Detail: warmup, measure, heal, settle, final, end
	EventFault      EventKind = "fault"       // a fault took effect on Nodes; At is when, Planned when it should have
	EventHeal       EventKind = "heal"        // the fault Fault was undone on Nodes
	EventRole       EventKind = "role"        // Node took the role Detail (primary, replica, peer) in Epoch
	EventExit       EventKind = "exit"        // the server of Node exited; Detail says how
	EventFailover   EventKind = "failover"    // the operator promoted Node; Detail says why and over whom
	EventRejoin     EventKind = "rejoin"      // the operator re-pointed Node to the primary
	EventLag        EventKind = "server-lag"  // how far behind Node, a replica, is in the words of By; Name is the figure's own name
	EventDemand     EventKind = "demand"      // how much of the workload Name was asked for and what of it was never sent, see Demand; At is when the load was over
	EventLoad       EventKind = "load"        // the phase Name of the load of Workloads began at At and is to last until Until; Detail says its rate
	EventUntrusted  EventKind = "untrusted"   // from At to Until times were not the system's alone: the harness, or By, did not run as it should; Name says in what way
	EventNote       EventKind = "note"        // anything else worth reading
	EventGateFailed EventKind = "gate-failed" // a planned thing did not happen; Detail says what
	EventSettled    EventKind = "settled"     // what came of the wait for a settled cluster; Failed, and Detail says why, if it did not settle
	EventAway       EventKind = "away"        // Node is out of the harness's reach for good, though no plan asked for it; Detail says why
	EventPlace      EventKind = "place"       // what the place of a deployment that somebody else runs did to Node, or somebody with it: Name is restarted, moved, gone, lapsed or unguarded (until Until), or says, of who stands beside the nodes
	EventMember     EventKind = "member"      // who belongs to the cluster: Node is a spare, has joined or has left, as Name says; nodes of which nothing is said are members
	EventDriver     EventKind = "driver"      // what became of the driver Node of the load: Name is lost, and Since when it was heard of last
	EventEnd        EventKind = "end"         // the end mark of the file, see EventLog.End; no Log has it
)

// Killed is the Detail of an exit by SIGKILL.
const Killed = "signal: killed"

// The names of EventMember.
const (
	MemberSpare  = "spare"
	MemberJoined = "joined"
	MemberLeft   = "left"
)

// DriverLost is the name of an EventDriver of a driver that was lost.
const DriverLost = "lost"

// Event is one line of events.jsonl. Times are nanoseconds of the run's Clock.
type Event struct {
	At      int64             `json:"at"`
	Planned int64             `json:"planned,omitempty"`
	Kind    EventKind         `json:"kind"`
	Fault   string            `json:"fault,omitempty"` // the fault's id, e.g. "f1"
	Name    string            `json:"name,omitempty"`  // what the fault is called, see FaultName; or of server-lag its figure
	Node    string            `json:"node,omitempty"`
	Nodes   []string          `json:"nodes,omitempty"` // victims
	Epoch   uint64            `json:"epoch,omitempty"`
	Since   int64             `json:"since,omitempty"`   // role, failover, rejoin, settled: it came after this and no later than At; 0: not told, or of settled: the first look found it so
	Dropped uint64            `json:"dropped,omitempty"` // heal of a partition: packets its rules dropped
	Counts  map[string]uint64 `json:"counts,omitempty"`  // fault, heal: what was seen of it, by the words of who counted it
	Failed  bool              `json:"failed,omitempty"`  // the fault could not be put into effect or undone; exit: not by a fault of the plan
	By      string            `json:"by,omitempty"`      // server-lag: the node that told it, Node itself or its primary; untrusted: a node, empty for the harness
	Until   int64             `json:"until,omitempty"`   // untrusted: when it was over; load: when it is to be
	Demand  *Demand           `json:"demand,omitempty"`

	Workloads []string `json:"workloads,omitempty"` // load: whose load it is

	Lag    *int64 `json:"lag_ns,omitempty"` // server-lag: time; nil: not told
	Bytes  *int64 `json:"lag_bytes,omitempty"`
	Detail string `json:"detail,omitempty"`

	Cause Cause    `json:"cause,omitempty"` // exit: who ended the server; empty in runs of before
	Log   []string `json:"log,omitempty"`   // exit: the lines of the server's output that tell why, or its last

	Count int               `json:"count,omitempty"` // end: how many events come before it
	Sum   string            `json:"sum,omitempty"`   // end: a checksum of the lines before it
	Files map[string]string `json:"files,omitempty"` // end: checksums of other files of the run
}

// Cause is who ended a server.
type Cause string

const (
	ByFault   Cause = "fault"   // a fault of the plan, which Event.Fault names
	ByHarness Cause = "harness" // the harness, as its operator does to make a node follow another
	ByOther   Cause = "other"   // a signal that neither the plan nor the harness sent
	ByItself  Cause = "itself"  // it crashed, or gave up
	ByNobody  Cause = "nobody"  // it ended without an error: by itself, or because somebody asked it to
	ByMemory  Cause = "memory"  // the kernel killed it as there was no memory left
)

// Meta describes a Log: what the numbers in its Ops mean.
type Meta struct {
	Run       string         `json:"run"`
	Nodes     []string       `json:"nodes"`     // Op.Node indexes this
	Workloads []WorkloadMeta `json:"workloads"` // Op.Workload indexes this
	// Drivers are the processes that drove the workloads, each by a clock of its own;
	// nil: the harness did it itself.
	Drivers []Driver `json:"drivers,omitempty"`
	// EventsMarked says that the events beside the history end with a mark; runs
	// of before have none.
	EventsMarked bool `json:"events_marked,omitempty"`
}

// Driver is a process that drove a part of the workloads. The times of its operations
// are on the run's clock as far as that was known.
type Driver struct {
	Name string `json:"name"`
	// Workers are, by workload, its first worker and the first behind its last.
	Workers [][2]int `json:"workers"`
	// Clock bounds how far off its times may be.
	Clock []clocks.Width `json:"clock,omitempty"`
	// Lost is when it was heard of last, if it was lost: what it did about then and since
	// is not in the history, but for possible operations (see ErrUntold).
	Lost int64 `json:"lost,omitempty"`
	// Gone is when its process had ended for certain: it did nothing after that. 0: it was
	// not lost, or that is not known.
	Gone int64 `json:"gone,omitempty"`
	// Untold is, of a driver that was lost, why not all that it may have done is in the
	// history as possible operations, by workload; empty where all of it is that anybody
	// can have seen. nil where nothing is told, as of runs of before.
	Untold []string `json:"untold,omitempty"`
}

// WorkloadMeta describes one workload of the run.
type WorkloadMeta struct {
	Name    string `json:"name"`             // unique in the run, e.g. "register"
	Type    string `json:"type"`             // the workload's type, e.g. "register"
	Object  Object `json:"object,omitempty"` // what its operations act on; empty: what Type says, see ActsOn
	Keys    int    `json:"keys"`             // keys 0..Keys-1 are in use
	Workers int    `json:"workers"`          // Op.Worker is below this
}

// Log is a whole history, sorted by Less: in memory, or in its file if it is
// too large (see Open).
type Log struct {
	Meta   Meta
	Ops    []Op // of a log on disk, those that Keep brought in
	Events []Event
	// Torn is true when the history ends without its end mark: the harness
	// died, and the last operations of each worker are missing. A checker must
	// not conclude anything from the absence of an operation in a torn log.
	Torn bool
	// EventsTorn says why Events may be fewer than there were, or others: their
	// file is missing, was cut or was changed. Empty: they are whole. Nothing may
	// be concluded then from the absence of an event, such as that no planned
	// thing failed, nor from the phases.
	EventsTorn string
	// Files are the checksums that other files of the run had at its end, by
	// name, in the form of Sum; nil if there are none.
	Files map[string]string
	// Doubts are what is not known of a history from elsewhere.
	Doubts Doubts
	// Usage is what the nodes took of their machine, by time; nil of a history from
	// elsewhere, and of a run of before.
	Usage []usage.Sample
	// Prices are what that costs; nil: nobody says.
	Prices *usage.Prices

	stored *stored // nil: it is in memory
	seen   []seen  // by index of Ops: of a widened log, the times that its drivers saw
}

// Doubts are what a history does not tell that our own always do: each says
// why, and is empty where it does tell. Checkers need not know of them; what they
// cannot say then is taken back afterwards.
type Doubts struct {
	// Torn is why the log is Torn, if no harness died.
	Torn string
	// Lost is which drivers were lost, of a log that is not Torn for it: what they may
	// have done that nobody recorded is in it as possible operations. All that
	// contradicts does in any case. That all was kept is true of what is recorded, and
	// said only if Tolerated.
	Lost string
	// Tolerated says that claims may be about what is recorded where a driver was lost.
	Tolerated bool
	// Times is why its times measure nothing, as they contradict the order of its
	// lines. The order of operations and events is certain all the same: every fact
	// that is a duration, or counted in time, is unknown, and no other.
	Times string
	// Begins is why it is not known when operations began; they count as begun at
	// the earliest time that they may have. What contradicts then does in any case;
	// no order in real time, and none of a client, can be said to have been kept,
	// and durations are unknown.
	Begins string
	// Finals is why it has no final reads, if it has none.
	Finals string
	// Drained is why no queue was drained, if none was.
	Drained string
}

// FaultName is what events call a fault: its kind and, after a space, its task or its
// shape if the kind has shapes: "kill", "partition isolate". A kind has no
// space in it. FaultKind is the way back; nobody else takes a name apart.
func FaultName(kind, shape string) string { return strings.TrimSpace(kind + " " + shape) }

// FaultKind is the kind in the name of a fault, the Name of an Event or of a
// Window: "partition" of "partition isolate".
func FaultKind(name string) string {
	kind, _, _ := strings.Cut(name, " ")
	return kind
}
