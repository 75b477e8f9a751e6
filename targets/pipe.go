package targets

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// Pipeliner is implemented by Clients that can have several operations under way
// on their connection. Which kinds of operations these can be says Info.Pipelined.
type Pipeliner interface {
	// Pipe makes the connection one of up to depth operations at a time. Do is not
	// called any more.
	Pipe(depth int) Pipe
}

// Pipe is a connection with several operations under way. One goroutine calls
// Start, Flush and Close, another calls Receive. An operation is the pipe's from
// Start until Receive tells its tag, or the pipe has come to its end. The rules for
// outcomes are those of Client.Do, with the operation's time-out from its Flush on.
type Pipe interface {
	// Start queues an operation. It is false if op is refused: its outcome is set
	// then, and nothing of it is sent. At most depth operations are under way.
	Start(op *history.Op, tag int32) bool
	// Flush sends what was started. If it fails, the connection is of no more use,
	// and of the operations started last, unsent have certainly not been sent: it
	// is for the caller to end these. Receive may still tell of the others.
	Flush() (unsent int, err error)
	// Receive waits until an operation has ended, and appends its tag and those of
	// all others that are known to have. It is false at the end of the pipe: what
	// is still under way has no answer.
	Receive(tags []int32) (_ []int32, ok bool)
	// Close closes the connection. A Receive under way ends.
	Close() error
}

// CannotPipeline says why a workload of these operations cannot have several under
// way on one connection; empty: it can. Queues are drained one after the other.
func (i Info) CannotPipeline(kinds []history.Kind) string {
	if len(i.Pipelined) == 0 {
		return fmt.Sprintf("target %s takes one after the other", i.Name)
	}
	for _, kind := range kinds {
		if kind != history.Drain && !slices.Contains(i.Pipelined, kind) {
			return fmt.Sprintf("the operation %s of target %s is more than one request", kind, i.Name)
		}
	}
	return ""
}
