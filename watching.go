package aftershock

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// The words of a plan's stop_on.
var stops = []string{"never", "violated"}

// watcher checks registers while the run goes on, for the live line and for
// `stop_on: violated`. The verdict of the run does not rest on it: that is
// made of the recorded history at the end.
type watcher struct {
	stream *checkers.Stream
	clock  history.Clock
	late   int64                    // no operation is recorded longer than this after its start
	found  func(checkers.Violation) // called once, for the first violation
	feed   chan []history.Op
	spare  chan []history.Op
	told   bool
	behind atomic.Bool // it could not keep up, and has given up
	state  atomic.Int32
}

const (
	// watcherQueue bounds how many stretches of operations wait to be checked.
	watcherQueue = 256
	// recordDelay is more than the recorder takes to pass an operation on.
	recordDelay = 2 * time.Second
)

// newWatcher is nil when no workload has registers.
func newWatcher(meta history.Meta, t Timeouts) *watcher {
	for _, w := range meta.Workloads {
		if w.Type == "register" {
			return &watcher{stream: checkers.NewStream(meta), late: int64(t.Connect + t.Operation + recordDelay),
				feed: make(chan []history.Op, watcherQueue), spare: make(chan []history.Op, watcherQueue)}
		}
	}
	return nil
}

// add takes completed operations; it never waits. A nil watcher takes nothing.
func (w *watcher) add(ops []history.Op) {
	if w == nil || w.behind.Load() {
		return
	}
	var stretch []history.Op
	select {
	case stretch = <-w.spare:
	default:
	}
	select {
	case w.feed <- append(stretch[:0], ops...):
	default:
		w.behind.Store(true)
	}
}

// run checks until ctx ends.
func (w *watcher) run(ctx context.Context) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for !w.behind.Load() {
		select {
		case <-ctx.Done():
			return
		case ops := <-w.feed:
			w.stream.Add(ops)
			clear(ops)
			select {
			case w.spare <- ops:
			default:
			}
		case <-tick.C:
			w.stream.Advance(w.clock.Now() - w.late)
		}
		verdict := w.stream.Verdict()
		w.state.Store(int32(verdict))
		if verdict == checkers.False && !w.told {
			w.told = true
			w.found(w.stream.Violations()[0])
		}
	}
}

// verdict is what is known so far; a nil watcher knows nothing.
func (w *watcher) verdict() checkers.Truth {
	if w == nil || w.behind.Load() {
		return checkers.Unknown
	}
	return checkers.Truth(w.state.Load())
}
