package harness

import (
	"cmp"
	"log/slog"
	"os"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness/metrics"
	"github.com/aftershock-chaos/aftershock/history"
)

// Options are the parts of a run that are not the plan's.
type Options struct {
	// RunsDir is where run directories are made; "runs" if empty.
	RunsDir string
	// Binary is the static aftershock binary that becomes PID 1 of every node.
	// If empty it is this process's own file when that is aftershock, else
	// $AFTERSHOCK_BINARY, else `aftershock` on the PATH, else it is built with
	// the go command from this module.
	Binary string
	// AgentImage is an image whose entrypoint is the binary, for nodes of the host
	// kubernetes and for guests in pods; if empty it is $AFTERSHOCK_AGENT_IMAGE, or there is none.
	AgentImage string
	// Memory is how many bytes the judgement may take; 0 means three quarters of
	// what is available then. A longer history is judged from disk, see Check.
	Memory uint64
	// Control says what is done about the plan's negative control.
	Control ControlMode
	// Break is the name of the deployment that a plan attaches to, typed out: it may
	// be broken. Without it, and without the plan's own permission, load and checks
	// are all that is done.
	Break string
	// Metrics has every Progress tell what was counted so far.
	Metrics bool
	// Progress, if set, is called about five times a second, from one goroutine.
	Progress func(Progress)
	// Logger receives what the harness does; nil discards it. The run
	// directory's harness.log has it in any case.
	Logger *slog.Logger
}

func (o Options) agentImage() string { return cmp.Or(o.AgentImage, os.Getenv(AgentImageVariable)) }

// NodeMoment is what one node is at a moment of a run.
type NodeMoment struct {
	Name    string   `json:"name"`
	Role    string   `json:"role"`              // primary or replica, as clients see it; empty: it does not answer
	Primary bool     `json:"primary,omitempty"` // of the greatest epoch
	Faults  []string `json:"faults,omitempty"`  // that hit it now
	Lag     *Lagging `json:"lag,omitempty"`     // how far it is behind, as its system says; nil: it has not said lately
}

// Lagging is how far a replica is behind. Of what the system does not tell it is negative.
type Lagging struct {
	Time  time.Duration `json:"ns"`
	Bytes int64         `json:"bytes"`
}

// Progress is a moment of a run, for a live line.
type Progress struct {
	Plan  string    `json:"plan"`
	Run   string    `json:"run"`   // the name of its folder
	Began time.Time `json:"began"` // when the run's clock read 0
	Phase string    `json:"phase"`
	// Usual is how long the phase took in the plan's run before, in the folder of runs; 0:
	// nobody knows, or, of warmup and measure, the plan says it. Share is how much of the
	// judgement is done, 0 to 1.
	Usual    time.Duration `json:"usual,omitempty"`
	Share    float64       `json:"share,omitempty"`
	Elapsed  time.Duration `json:"elapsed"` // since the load began
	Total    time.Duration `json:"total"`   // warmup and duration
	Acked    uint64        `json:"acked"`
	Failed   uint64        `json:"failed"`
	Unknown  uint64        `json:"unknown"`
	Rate     float64       `json:"rate"`      // acknowledged per second, lately
	WriteP99 time.Duration `json:"write_p99"` // of the last second
	Primary  string        `json:"primary"`
	Faults   []string      `json:"faults"` // in force now
	Nodes    []NodeMoment  `json:"nodes"`
	// NextFault is the next one of the schedule, and Next how long it is until then;
	// empty: there is none.
	NextFault string        `json:"next_fault,omitempty"`
	Next      time.Duration `json:"next,omitempty"`
	// Linearizable is what is known of the registers so far; Unknown without any.
	Linearizable checkers.Truth    `json:"linearizable"`
	Metrics      *metrics.Snapshot `json:"metrics,omitempty"` // nil unless Options ask for it
	// Events are what happened since the last Progress, on the run's clock.
	Events []history.Event `json:"events,omitempty"`
}
