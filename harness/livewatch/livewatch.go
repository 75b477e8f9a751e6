// Package livewatch checks registers while a run goes on.
package livewatch

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/register/stream"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
)

// Watch checks registers while the run goes on, for the live line and for
// `stop_on: violated`. The verdict of the run does not rest on it: that is
// made of the recorded history at the end.
type Watch struct {
	stream *stream.Stream
	late   int64 // no operation is recorded longer than this after its start
	feed   chan []history.Op
	spare  chan []history.Op
	behind atomic.Bool // it could not keep up, and has given up
	state  atomic.Int32
}

const (
	// watchQueue bounds how many stretches of operations wait to be checked.
	watchQueue = 256
	// advanceEvery is how often it is decided what no worker holds up any more.
	advanceEvery = 200 * time.Millisecond
	// recordDelay is more than the recorder takes to pass an operation on.
	recordDelay = 2 * time.Second
)

// New is nil when no workload has registers.
func New(meta history.Meta, t plan.Timeouts) *Watch {
	for _, w := range meta.Workloads {
		if w.ActsOn() == history.ObjectRegister {
			return &Watch{stream: stream.NewStream(meta), late: int64(t.Connect + t.Operation + recordDelay),
				feed: make(chan []history.Op, watchQueue), spare: make(chan []history.Op, watchQueue)}
		}
	}
	return nil
}

// Add takes completed operations; it never waits. A nil one takes nothing.
func (w *Watch) Add(ops []history.Op) {
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

// Run checks until ctx ends, or until it cannot keep up. The first violation
// is handed to found.
func (w *Watch) Run(ctx context.Context, clock history.Clock, found func(stream.Violation)) {
	violated := false
	tick := time.NewTicker(advanceEvery)
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
			w.stream.Advance(clock.Now() - w.late)
		}
		verdict := w.stream.Verdict()
		w.state.Store(int32(verdict))
		if verdict == checkers.False && !violated {
			violated = true
			found(w.stream.Violations()[0])
		}
	}
}

// Verdict is what is known so far; a nil one knows nothing.
func (w *Watch) Verdict() checkers.Truth {
	if w == nil || w.behind.Load() {
		return checkers.Unknown
	}
	return checkers.Truth(w.state.Load())
}
