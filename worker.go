package aftershock

import (
	"context"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

const (
	// backoffMin and backoffMax bound the pause after an operation that no
	// node took, so that a dead cluster is not hammered.
	backoffMin = 2 * time.Millisecond
	backoffMax = 50 * time.Millisecond
)

// recorder takes completed operations; *history.Buffer is one.
type recorder interface{ Append(op *history.Op) }

// worker drives one generator: it waits for each operation's time, sends it
// over a connection of its own, stamps it and records it. It is the only place
// where operations are recorded.
type worker struct {
	system  targets.System
	nodes   []*cluster.Node
	clock   history.Clock
	primary func() int // the clients' belief, asked only when connecting
	options targets.ClientOptions
	record  recorder
	filter  workloads.Filter // nil: keep every operation

	generator workloads.Generator
	pacer     workloads.Pacer // nil: closed loop
	flags     uint8           // set on every operation (warm-up is by time)
	workload  uint8
	index     uint16
	process   uint32 // changes by processStep after every unknown outcome
	step      uint32

	conns  []targets.Client // by node; nil: not connected
	sticky int              // node taken for the primary, -1 before the first
	pause  time.Duration    // backoff
	req    workloads.Request
	timer  *time.Timer
}

// span is the part of the run in which a worker starts operations.
type span struct {
	start   int64 // the load's start on the clock
	measure int64 // operations intended before it are warm-up
	stop    int64 // no operation is intended at or after it
}

// run generates operations until s.stop or the end of ctx. An operation that
// is under way when ctx ends is finished and recorded.
func (w *worker) run(ctx context.Context, s span) {
	defer w.close()
	w.timer = time.NewTimer(time.Hour)
	defer w.timer.Stop()
	for n := uint64(0); ctx.Err() == nil; n++ {
		w.generator.Next(&w.req)
		now := w.clock.Now()
		intended := now
		if w.pacer != nil {
			if w.filter != nil {
				n = workloads.Skip(w.pacer, n, now-s.start)
			}
			intended = s.start + w.pacer(n)
			if intended >= s.stop {
				return
			}
			if intended > now {
				if !w.wait(ctx, intended) {
					return
				}
				now = w.clock.Now()
			}
		}
		if now >= s.stop {
			return // late beyond the end: not sent, not recorded
		}
		op := &w.req.Op
		op.Flags |= w.flags
		if intended < s.measure {
			op.Flags |= history.Warmup
		}
		op.Intended, op.Start = intended, now
		w.do(ctx, &w.req)
	}
}

// do sends one operation whose Intended and Start are set, stamps its end,
// records it and tells the generator. Start is before the connecting, where
// that is needed.
func (w *worker) do(ctx context.Context, r *workloads.Request) {
	op := &r.Op
	op.Workload, op.Worker, op.Process = w.workload, w.index, w.process
	client := w.client(ctx, r)
	if client == nil {
		op.Outcome = history.Fail // nothing was sent
	} else {
		client.Do(ctx, op)
	}
	op.End = w.clock.Now()
	if w.filter == nil || w.filter.Keep(op) {
		w.record.Append(op)
	}
	w.generator.Done(op)
	w.settle(ctx, op, client)
}

// client finds the connection for a request and sets op.Node, or op.Error when
// there is none.
func (w *worker) client(ctx context.Context, r *workloads.Request) targets.Client {
	op := &r.Op
	op.Node, op.Error, op.Outcome = -1, history.ErrNone, history.Unknown
	node := w.route(r)
	if node < 0 {
		op.Error = history.ErrNoTarget
		return nil
	}
	op.Node = int8(node)
	if node == w.sticky {
		op.Flags |= history.FromPrimary
	}
	if w.conns[node] != nil {
		return w.conns[node]
	}
	bounded, cancel := context.WithTimeout(ctx, w.options.ConnectTimeout)
	defer cancel()
	c, err := w.system.Connect(bounded, w.nodes[node], w.options)
	if err != nil {
		op.Error = history.ErrConnect
		return nil
	}
	w.conns[node] = c
	return c
}

// route chooses the node. The primary is sticky: a client stays with the node
// that takes its operations, also when another one has been promoted.
func (w *worker) route(r *workloads.Request) int {
	if r.Route == workloads.ToNode {
		return int(r.Pick) % len(w.nodes)
	}
	if r.Route == workloads.ToAny {
		return int(r.Pick) % len(w.nodes)
	}
	if w.sticky < 0 {
		w.sticky = w.primary()
	}
	if r.Route == workloads.ToPrimary || len(w.nodes) == 1 {
		return w.sticky
	}
	if w.sticky < 0 {
		return int(r.Pick) % len(w.nodes)
	}
	return (w.sticky + 1 + int(r.Pick)%(len(w.nodes)-1)) % len(w.nodes)
}

// settle draws the consequences of an outcome: a broken connection is closed,
// an unknown outcome ends the process, a node that does not serve loses its
// place as the primary, and refusals are followed by a short pause.
func (w *worker) settle(ctx context.Context, op *history.Op, c targets.Client) {
	if op.Outcome == history.OK || op.Error == history.ErrCompare {
		w.pause = 0
		return
	}
	node := int(op.Node)
	if op.Outcome == history.Unknown {
		w.process += w.step
	}
	if c != nil && (op.Outcome == history.Unknown || c.Broken()) {
		_ = c.Close() // nothing can be done about a failed close of a broken connection
		w.conns[node] = nil
	}
	if node == w.sticky {
		w.sticky = -1
	}
	w.pause = min(max(2*w.pause, backoffMin), backoffMax)
	if op.Error != history.ErrTimeout {
		w.wait(ctx, w.clock.Now()+int64(w.pause))
	}
}

// wait sleeps until the clock reads t; false when ctx ended first.
func (w *worker) wait(ctx context.Context, t int64) bool {
	d := time.Duration(t - w.clock.Now())
	if d <= 0 {
		return ctx.Err() == nil
	}
	w.timer.Reset(d)
	select {
	case <-w.timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *worker) close() {
	for i, c := range w.conns {
		if c != nil {
			_ = c.Close()
			w.conns[i] = nil
		}
	}
}
