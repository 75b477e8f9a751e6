package aftershock

import (
	"errors"
	"log/slog"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/results"
)

// ErrInput is wrapped by errors that the caller can mend by changing the plan,
// a flag or a file. The command line exits with 3 for it.
var ErrInput = errors.New("wrong input")

// ErrInfrastructure is wrapped by errors of the machine, the engine or the
// launch of the target. The command line exits with 4 for it.
var ErrInfrastructure = errors.New("infrastructure failed")

// ErrInterrupted is wrapped by Run's error when its context ended before the
// plan did. The Result is there all the same, with what was recorded so far.
var ErrInterrupted = errors.New("interrupted")

// Options are the parts of a run that are not the plan's.
type Options struct {
	// RunsDir is where run directories are made; "runs" if empty.
	RunsDir string
	// Binary is the static aftershock binary that becomes PID 1 of every node.
	// If empty it is this process's own file when that is aftershock, else
	// $AFTERSHOCK_BINARY, else `aftershock` on the PATH, else it is built with
	// the go command from this module.
	Binary string
	// Replay, if set, is executed in place of the plan's own schedule.
	Replay []faults.Planned
	// Varied are the plan's varied paths with this run's values, for the verdict.
	Varied []results.Setting
	// Memory is how many bytes the judgement may take; 0 means three quarters of
	// what is available then. A longer history is judged from disk, see Check.
	Memory uint64
	// Progress, if set, is called about five times a second, from one goroutine.
	Progress func(Progress)
	// Logger receives what the harness does; nil discards it. The run
	// directory's harness.log has it in any case.
	Logger *slog.Logger
}

// Progress is a moment of a run, for a live line.
type Progress struct {
	Plan     string        `json:"plan"`
	Phase    string        `json:"phase"`
	Elapsed  time.Duration `json:"elapsed"` // since the load began
	Total    time.Duration `json:"total"`   // warmup and duration
	Acked    uint64        `json:"acked"`
	Failed   uint64        `json:"failed"`
	Unknown  uint64        `json:"unknown"`
	Rate     float64       `json:"rate"`      // acknowledged per second, lately
	WriteP99 time.Duration `json:"write_p99"` // of the last second
	Primary  string        `json:"primary"`
	Faults   []string      `json:"faults"` // in force now
	// Linearizable is what is known of the registers so far; Unknown without any.
	Linearizable checkers.Truth `json:"linearizable"`
}

// Result is what a run came to.
type Result struct {
	Dir     string // the run directory
	Verdict *results.Verdict
}
