package load

import (
	"context"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/demand"
	"github.com/aftershock-chaos/aftershock/harness/look"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

const (
	// backoffMin and backoffMax bound the pause after an operation that no
	// node took, so that a dead cluster is not hammered.
	backoffMin = 2 * time.Millisecond
	backoffMax = 50 * time.Millisecond
)

// recorder takes completed operations; *history.Buffer is one.
type recorder interface{ Append(op *history.Op) }

// lateWake is how much too late a worker that slept has to wake for the watchdog to
// be told: that is the harness's own doing.
const lateWake = int64(50 * time.Millisecond)

// worker drives one generator: it waits for each operation's time, sends it
// over a connection of its own, stamps it and records it. It is the only place
// where operations are recorded.
type worker struct {
	Clients
	record recorder
	filter workloads.Filter // nil: keep every operation

	generator workloads.Generator
	lanes     []lane          // of several operations under way; none: one after the other
	pacer     workloads.Pacer // nil: closed loop
	closed    []pace.Stretch  // in which it is one though there is a pacer, after the load's start
	backlog   demand.Backlog
	flags     uint8 // set on every operation (warm-up is by time)
	workload  uint8
	index     uint16
	process   uint32 // changes by step after every unknown outcome
	step      uint32

	conns  []targets.Client // by node, and behind these by door; nil: not connected
	led    []int8           // to which node the connection of each door leads; -1: that is not known
	last   int              // the connection of the last operation, an index of conns
	sticky int              // node taken for the primary, -1 before the first
	looks  look.Looks
	looked workloads.Request // the last look
	seen   uint64            // changes of roles
	pause  time.Duration     // backoff
	paused int64             // nanoseconds since the last operation was sent
	ended  int64             // when the last operation was
	req    workloads.Request
	timer  *time.Timer
}

func newWorker(c Clients, record recorder) *worker {
	return &worker{Clients: c, record: record, conns: make([]targets.Client, len(c.Nodes)+c.Doors.Count()), led: make([]int8, c.Doors.Count()), sticky: -1}
}

// run generates operations until the window's stop or the end of ctx, and
// returns the number of the first one that it did not send. One that is under way
// when ctx ends is finished and recorded. Those that were intended before the stop
// and are late are sent until the window's grace is over.
func (w *worker) run(ctx context.Context, window Window) (n uint64) {
	defer w.close()
	w.timer = time.NewTimer(time.Hour)
	defer w.timer.Stop()
	if len(w.lanes) > 0 {
		return newPipeline(w, w.lanes).run(ctx, window)
	}
	for ctx.Err() == nil {
		w.generator.Next(&w.req)
		t, ok := w.turn(ctx, &window, &n)
		if !ok {
			return n
		}
		op := &w.req.Op
		op.Flags |= w.flags
		if t.intended < window.Measure {
			op.Flags |= history.Warmup
		}
		op.Intended, op.Start = t.intended, t.now
		if t.paced {
			n++
			w.backlog.Sent(t.intended, t.now, t.intended >= window.Measure)
		}
		w.notice()
		w.paused = 0
		if !w.looks.Due(&w.req) || w.look(ctx, &w.req) { // else the look stands for it
			w.do(ctx, &w.req)
		}
		if t.paced {
			w.backlog.Busy(w.ended - t.now + w.paused)
		}
	}
	return n
}

// turn is when a worker's next operation is intended and sent.
type turn struct {
	intended, now int64
	paced         bool // at a rate, not in a closed loop
}

// turn waits until the worker's next operation, number n, is to be sent. It is
// false if that is never.
func (w *worker) turn(ctx context.Context, window *Window, n *uint64) (turn, bool) {
	now := w.Clock.Now()
	t, at, ok := w.due(window, n, now)
	if !ok {
		return turn{}, false
	}
	if at > now {
		if !w.wait(ctx, at) {
			return turn{}, false
		}
		if now = w.Clock.Now(); t.paced && now-at >= lateWake && w.Watchdog != nil {
			w.Watchdog.Late(at, now)
		}
	}
	if t.now = now; !t.paced {
		t.intended = now
	}
	return t, now < window.limit(t.paced)
}

// due is the worker's next operation, number n, and from when on it may be sent. It
// is false if that is never.
func (w *worker) due(window *Window, n *uint64, now int64) (t turn, at int64, ok bool) {
	if w.pacer == nil {
		return t, now, now < window.Stop
	}
	if w.filter != nil {
		*n = pace.Skip(w.pacer, *n, now-window.Start)
	}
	intended := pace.Later(window.Start, w.pacer(*n))
	if begin, closed := w.loop(now-window.Start, intended-window.Start); closed {
		at = max(window.Start+begin, now)
		return t, at, at < window.Stop
	}
	if intended < window.Measure && now >= window.Measure {
		*n = w.backlog.Begin(w.pacer, *n, window.Start, window.Measure, now)
		intended = pace.Later(window.Start, w.pacer(*n))
	}
	if w.backlog.Skip && demand.Late(intended, now) {
		*n = w.backlog.Drop(w.pacer, *n, window.Start, now)
		intended = pace.Later(window.Start, w.pacer(*n))
	}
	if intended >= window.Stop {
		return t, 0, false
	}
	if at = intended; demand.Late(intended, now) {
		at = w.backlog.Hold(intended - window.Start)
	}
	return turn{intended: intended, paced: true}, at, at < window.Grace
}

// loop tells whether the worker is to send without waiting for a time, now or
// from begin on: in a closed stretch that comes before its next operation.
func (w *worker) loop(now, next int64) (begin int64, closed bool) {
	for _, s := range w.closed {
		if s.End > now {
			return max(s.Begin, now), s.Begin < next
		}
	}
	return 0, false
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
	op.End = w.Clock.Now()
	w.ended = op.End
	if w.filter == nil || w.filter.Keep(op) {
		w.keep(op)
	}
	w.generator.Done(op)
	w.react(ctx, op, client)
}

// keep records an operation, and behind an answered scan what it read.
func (w *worker) keep(op *history.Op) {
	if op.Kind != history.Scan {
		w.record.Append(op)
		return
	}
	read := op.Elements
	op.Elements = nil
	w.record.Append(op)
	op.Elements = read[:0]
	if op.Outcome != history.OK {
		return
	}
	part := *op
	part.Kind, part.Flags, part.Elements, part.Old = history.Read, op.Flags|history.Part, nil, 0
	for i, v := range read {
		part.Key, part.Value = op.Key+uint32(i), v
		w.record.Append(&part)
	}
}

// client finds the connection for a request and sets op.Node, or op.Error when
// there is none.
func (w *worker) client(ctx context.Context, r *workloads.Request) targets.Client {
	op := &r.Op
	op.Node, op.Error, op.Outcome = -1, history.ErrNone, history.Unknown
	if door, ok := w.Doors.Of(r); ok {
		return w.through(ctx, op, door)
	}
	node := w.route(r)
	if node < 0 {
		op.Error = history.ErrNoTarget
		return nil
	}
	op.Node, w.last = int8(node), node
	if node == w.sticky {
		op.Flags |= history.FromPrimary
	}
	if w.conns[node] != nil {
		return w.conns[node]
	}
	bounded, cancel := context.WithTimeout(ctx, w.Options.ConnectTimeout)
	defer cancel()
	c, err := w.System.Connect(bounded, w.Nodes[node], w.Options)
	if err != nil {
		w.unconnected(op, err)
		return nil
	}
	w.conns[node] = c
	return c
}

func (w *worker) unconnected(op *history.Op, err error) {
	if w.Watchdog != nil {
		w.Watchdog.Failed(op.Start, w.Clock.Now(), err)
	}
	op.Error = history.ErrConnect
}

// through is client through a door. op.Node is the node that it leads to.
func (w *worker) through(ctx context.Context, op *history.Op, door int) targets.Client {
	w.last = len(w.Nodes) + door
	if door == 0 {
		op.Flags |= history.FromPrimary
	}
	if w.conns[w.last] == nil {
		bounded, cancel := context.WithTimeout(ctx, w.Options.ConnectTimeout)
		defer cancel()
		c, node, err := w.Doors.Open(bounded, door, w.Nodes, w.Options)
		if err != nil {
			w.unconnected(op, err)
			return nil
		}
		if door == 0 && w.led[0] != int8(node) {
			w.looks.Reset() // it may be another primary
		}
		w.conns[w.last], w.led[door] = c, int8(node)
	}
	op.Node = w.led[door]
	return w.conns[w.last]
}

// notice takes that roles have changed: it looks anew, and leaves a node that says
// itself that it is a replica now, though it may pass writes on.
func (w *worker) notice() {
	if w.Changes == nil {
		return
	}
	now := w.Changes.Load()
	if now == w.seen {
		return
	}
	if w.seen > 0 {
		w.looks.Reset()
	}
	w.seen = now
	if w.sticky >= 0 && w.Replica(w.sticky) {
		w.sticky = -1
	}
}

// route chooses the node. The primary is sticky: a client stays with the node
// that takes its operations, also when another one has been promoted, for as long
// as it does not say itself that it is a replica.
func (w *worker) route(r *workloads.Request) int {
	n, pick := len(w.Nodes), int(r.Pick)
	switch {
	case r.Route == workloads.ToNode && !w.Members.Has(pick%n):
		return -1
	case r.Route == workloads.ToNode:
		return pick % n
	case r.Route == workloads.ToAny:
		return w.Members.Next(n, -1, pick)
	}
	if w.sticky < 0 {
		w.sticky = w.Primary()
	}
	if r.Route == workloads.ToPrimary || n == 1 {
		return w.sticky
	}
	return w.Members.Next(n, w.sticky, pick) // -1: any
}

// react draws the consequences of an outcome: a broken connection is closed,
// an unknown outcome ends the process, a node that does not serve loses its
// place as the primary, and refusals are followed by a short pause.
func (w *worker) react(ctx context.Context, op *history.Op, c targets.Client) {
	if op.Outcome == history.OK || op.Error == history.ErrCompare {
		w.pause = 0
		if op.Flags&history.FromPrimary != 0 {
			w.looks.Seen(op.Key)
		}
		return
	}
	if op.Outcome == history.Unknown {
		w.process += w.step
	}
	if unconfirmed(op) && c != nil && !c.Broken() && w.last < len(w.Nodes) { // a door has to choose anew
		if w.last == w.sticky {
			w.sticky = -1
		}
		w.rest(ctx)
		return
	}
	misled := w.last >= len(w.Nodes) && op.Error == history.ErrNotPrimary // a door has to choose anew
	if c != nil && (op.Outcome == history.Unknown || c.Broken() || misled) {
		_ = c.Close() // nothing can be done about a failed close of a broken connection
		w.conns[w.last] = nil
	}
	if w.last == w.sticky {
		w.sticky = -1
	}
	w.looks.Reset()
	if op.Error == history.ErrTimeout {
		w.pause = backoff(w.pause)
		return
	}
	w.rest(ctx)
}

// unconfirmed tells whether the node answered that it has done the operation and that too
// few others have confirmed it (WAIT of Redis). It is the node that it was, and nothing that it
// has shown is gone; that another one leads by now, roles tell.
func unconfirmed(op *history.Op) bool {
	return op.Outcome == history.Unknown && op.Error == history.ErrNoQuorum
}

// rest makes the pause after a refusal.
func (w *worker) rest(ctx context.Context) {
	w.pause = backoff(w.pause)
	w.paused += int64(w.pause)
	w.wait(ctx, w.Clock.Now()+int64(w.pause))
}

// wait is SleepUntil with the worker's own timer.
func (w *worker) wait(ctx context.Context, t int64) bool { return sleepOn(ctx, w.timer, w.Clock, t) }

func (w *worker) close() {
	for i, c := range w.conns {
		if c != nil {
			_ = c.Close()
			w.conns[i] = nil
		}
	}
}

// look reads the key of a request in its place, and has the request follow. It is
// false if the primary did not answer: the request would not be answered either,
// or by a primary that has not been looked at.
func (w *worker) look(ctx context.Context, r *workloads.Request) bool {
	l := &w.looked
	*l = look.For(r)
	w.do(ctx, l)
	if l.Op.Outcome != history.OK {
		return false
	}
	r.Op.Start = w.Clock.Now()
	r.Op.Intended = r.Op.Start
	return true
}
