package history

// EventKind names what an Event tells.
type EventKind string

const (
	EventPhase      EventKind = "phase"       // Detail: warmup, measure, heal, settle, final, end
	EventFault      EventKind = "fault"       // a fault took effect on Nodes; At is when, Planned when it should have
	EventHeal       EventKind = "heal"        // the fault Fault was undone on Nodes
	EventRole       EventKind = "role"        // Node took the role Detail (primary, replica) in Epoch
	EventExit       EventKind = "exit"        // the server of Node exited; Detail says how
	EventFailover   EventKind = "failover"    // the operator promoted Node; Detail says why and over whom
	EventRejoin     EventKind = "rejoin"      // the operator re-pointed Node to the primary
	EventLag        EventKind = "server-lag"  // how far behind Node, a replica, is in the words of By; Name is the figure's own name
	EventNote       EventKind = "note"        // anything else worth reading
	EventGateFailed EventKind = "gate-failed" // a planned thing did not happen; Detail says what
)

// Event is one line of events.jsonl. Times are nanoseconds of the run's Clock.
type Event struct {
	At      int64     `json:"at"`
	Planned int64     `json:"planned,omitempty"`
	Kind    EventKind `json:"kind"`
	Fault   string    `json:"fault,omitempty"` // the fault's id, e.g. "f1"
	Name    string    `json:"name,omitempty"`  // the fault's kind, e.g. "kill"
	Node    string    `json:"node,omitempty"`
	Nodes   []string  `json:"nodes,omitempty"` // victims
	Epoch   uint64    `json:"epoch,omitempty"`
	Dropped uint64    `json:"dropped,omitempty"` // heal of a partition: packets its rules dropped
	Failed  bool      `json:"failed,omitempty"`  // the fault could not be put into effect
	By      string    `json:"by,omitempty"`      // server-lag: the node that told it, Node itself or its primary
	Lag     *int64    `json:"lag_ns,omitempty"`  // server-lag: time; nil: not told
	Bytes   *int64    `json:"lag_bytes,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

// Meta describes a Log: what the numbers in its Ops mean.
type Meta struct {
	Run       string         `json:"run"`
	Nodes     []string       `json:"nodes"`     // Op.Node indexes this
	Workloads []WorkloadMeta `json:"workloads"` // Op.Workload indexes this
}

// WorkloadMeta describes one workload of the run.
type WorkloadMeta struct {
	Name    string `json:"name"`    // unique in the run, e.g. "register"
	Type    string `json:"type"`    // register, set, lag
	Keys    int    `json:"keys"`    // keys 0..Keys-1 are in use
	Workers int    `json:"workers"` // Op.Worker is below this
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

	stored *stored // nil: it is in memory
}
