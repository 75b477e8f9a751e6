// Package watchdog finds out when a run's times were not the system's alone: when
// the harness was stopped, suspended or starved, had no descriptor left, or a node
// stood still that no fault of the plan touched. It tells that in events; what they
// mean for the facts is the checkers' matter.
package watchdog

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
)

// Watchdog looks at one run. Its methods may be used by many goroutines.
type Watchdog struct {
	clock   history.Clock
	nodes   []*cluster.Node
	emit    func(history.Event)
	vigil   *vigil
	reports chan report
	ticked  atomic.Int64 // the last tick
	stalled atomic.Int64 // the last tick that was late; -1: none was
}

// report is what somebody else in the harness noticed.
type report struct {
	begin, end int64
	what       fault
}

// reportsKept bounds the reports that wait for the next tick. The watchdog
// notices by itself what floods it.
const reportsKept = 256

// New is the watchdog of a run on these nodes, whose agents live on a lease.
func New(clock history.Clock, nodes []*cluster.Node, lease time.Duration, emit func(history.Event)) *Watchdog {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	w := &Watchdog{clock: clock, nodes: nodes, emit: emit, vigil: newVigil(names, lease), reports: make(chan report, reportsKept)}
	w.ticked.Store(clock.Now())
	w.stalled.Store(-1)
	return w
}

// Run looks until ctx ends; then it tells what goes on.
func (w *Watchdog) Run(ctx context.Context) {
	kernel, tick := newKernel(), time.NewTicker(time.Duration(tickEvery))
	defer tick.Stop()
	for sampled := int64(0); ; {
		r := reading{at: w.clock.Now(), suspended: suspendedFor(), heard: w.heard()}
		if r.sampled = r.at-sampled >= windowEvery; r.sampled {
			sampled = r.at
			r.throttled, r.stolen, r.blocked = kernel.throttled(), kernel.stolen(), blocked()
		}
		w.tell(w.look(r))
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.tell(w.look(reading{at: w.clock.Now(), suspended: suspendedFor(), heard: w.heard()}))
			w.tell(w.vigil.finish())
			return
		}
	}
}

func (w *Watchdog) look(r reading) []history.Event {
	if r.at-w.ticked.Swap(r.at) >= tickEvery+lateLeast {
		w.stalled.Store(r.at)
	}
	for {
		select {
		case report := <-w.reports:
			w.vigil.doubt(report.begin, report.end, report.what)
		default:
			return w.vigil.look(r)
		}
	}
}

func (w *Watchdog) tell(events []history.Event) {
	for _, e := range events {
		w.emit(e)
	}
}

// heard is when each node's agent last answered, on the run's clock.
func (w *Watchdog) heard() []int64 {
	all := make([]int64, len(w.nodes))
	for i, n := range w.nodes {
		all[i] = -1
		if agent, ok := n.Control.(cluster.Heard); ok {
			all[i] = max(w.clock.At(agent.Heard()), 0)
		}
	}
	return all
}

// StalledSince tells whether the harness stood still at some time since then, so
// that what it saw meanwhile may be its own fault.
func (w *Watchdog) StalledSince(begin int64) bool {
	return w.stalled.Load() >= begin || w.clock.Now()-w.ticked.Load() >= tickEvery+lateLeast
}

// Late takes the word of a client that wanted to wake at one time and woke at
// another.
func (w *Watchdog) Late(wanted, woke int64) {
	if woke-wanted >= lateLeast {
		w.report(report{wanted, woke, asleep})
	}
}

// Failed takes the error of something that the harness tried from begin to end.
// It matters if the harness itself was in want of something.
func (w *Watchdog) Failed(begin, end int64, err error) {
	if what := ownFault(err); what != nil {
		w.report(report{begin, end, *what})
	}
}

func (w *Watchdog) report(r report) {
	select {
	case w.reports <- r:
	default:
	}
}

// ownFaults are the errors that say what this process lacks. Drivers do not wrap
// all of them, but keep their words.
var ownFaults = []struct {
	err  syscall.Errno
	what *fault
}{
	{syscall.EMFILE, &descriptors}, {syscall.ENFILE, &descriptors}, {syscall.ENOMEM, &memory}, {syscall.ENOBUFS, &memory}, {syscall.EADDRNOTAVAIL, &ports},
}

// ownFault is what an error says that the harness lacks; nil if it says something else.
func ownFault(err error) *fault {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, own := range ownFaults {
		if errors.Is(err, own.err) || strings.Contains(text, own.err.Error()) {
			return own.what
		}
	}
	return nil
}
