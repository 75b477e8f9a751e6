package load

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/demand"
	"github.com/aftershock-chaos/aftershock/harness/link"
	"github.com/aftershock-chaos/aftershock/harness/look"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// lane is one of the operations that a client has under way: to the history a
// worker and a process of its own, which does one operation after the other.
type lane struct {
	req       workloads.Request
	look      workloads.Request // that has to be answered before req is sent
	looking   bool
	generator workloads.Generator
	index     uint16
	process   uint32

	course demand.Course
	paced  bool
	sent   int64         // when req, or the look before it, was handed over
	looks  uint32        // how often these had begun anew then
	link   *link.Link    // nil: nothing of it is under way
	pause  time.Duration // backoff
	rest   int64         // until when it pauses
}

// op is the lane's operation that is under way.
func (l *lane) op() *history.Op {
	if l.looking {
		return &l.look.Op
	}
	return &l.req.Op
}

// pipeline makes a worker's operations with several of them under way at once. One
// goroutine drives it; the lanes share the worker's pacer, route and looks.
type pipeline struct {
	*worker
	lanes []lane
	free  []int32 // a ring of the lanes that are free, the longest free first
	first int     // of them
	ready int     // how many they are
	rests []int32 // lanes that pause after a failure

	links     []*link.Link // by node; nil: not connected
	all       []*link.Link // also those that are given up and not yet at their end
	wake      chan struct{}
	receivers sync.WaitGroup

	next turn // of the next operation
	at   int64
	have bool  // next is known
	over bool  // nothing more is to be sent
	held int64 // until when nothing is sent, as nobody could be reached
	kept int64 // until when the system kept the whole worker
}

func newPipeline(w *worker, lanes []lane) *pipeline {
	p := &pipeline{worker: w, lanes: lanes, free: make([]int32, len(lanes)), ready: len(lanes), rests: make([]int32, 0, len(lanes)), links: make([]*link.Link, len(w.Nodes)), wake: make(chan struct{}, 1)}
	for i := range p.free {
		p.free[i] = int32(i)
	}
	return p
}

// run is worker.run with several operations under way.
func (p *pipeline) run(ctx context.Context, window Window) (n uint64) {
	defer p.close()
	for {
		p.take(ctx)
		now := p.Clock.Now()
		for !p.over && p.ready > 0 && p.send(ctx, &window, &n, now) {
			if p.kept > now || p.paced() {
				now = p.Clock.Now()
			}
		}
		p.flush(ctx)
		if p.over && p.ready+len(p.rests) == len(p.lanes) {
			return n
		}
		p.await(ctx)
	}
}

// paced tells whether the worker has a rate. The operations of a closed loop that
// are sent together are stamped together.
func (p *pipeline) paced() bool { return p.pacer != nil }

// send hands the next operation over if it is due. It is false if it is not.
func (p *pipeline) send(ctx context.Context, window *Window, n *uint64, now int64) bool {
	if ctx.Err() != nil {
		p.over = true
		return false
	}
	if !p.have {
		var ok bool
		if p.next, p.at, ok = p.due(window, n, now); !ok {
			p.over = true
			return false
		}
		p.have = true
	}
	if max(p.at, p.held) > now {
		return false
	}
	if limit := window.limit(p.next.paced); now >= limit {
		p.over = true
		return false
	}
	p.have = false
	if p.next.now = now; !p.next.paced {
		p.next.intended = now
	}
	lane := &p.lanes[p.free[p.first]]
	p.first, p.ready = (p.first+1)%len(p.free), p.ready-1
	lane.generator.Next(&lane.req)
	op := &lane.req.Op
	op.Flags |= p.flags
	if p.next.intended < window.Measure {
		op.Flags |= history.Warmup
	}
	op.Intended, op.Start = p.next.intended, now
	lane.sent, lane.paced = now, p.next.paced
	if lane.paced {
		*n++
		lane.course.KeptUntil(p.kept)
		p.backlog.SentOn(&lane.course, op.Intended, now, op.Intended >= window.Measure)
	}
	p.notice()
	p.start(ctx, lane)
	return true
}

// start hands a lane's request over, or the look that has to come before it.
func (p *pipeline) start(ctx context.Context, l *lane) {
	r := &l.req
	if l.looking = p.worker.looks.Due(r); l.looking {
		l.look = look.For(r)
		r = &l.look
	}
	op := &r.Op
	op.Workload, op.Worker, op.Process = p.workload, l.index, l.process
	client := p.client(ctx, r)
	if client == nil {
		op.Outcome = history.Fail // nothing was sent
		p.kept = p.Clock.Now()
		p.end(ctx, l, p.kept)
		return
	}
	k := p.link(int(op.Node), client)
	l.looks = p.worker.looks.Times
	if k == nil {
		op.Outcome, op.Error = history.Fail, history.ErrServer
		p.end(ctx, l, p.Clock.Now())
		return
	}
	if l.link = k; !k.Start(op, p.number(l)) {
		l.link = nil
		p.end(ctx, l, p.Clock.Now())
	}
}

func (p *pipeline) number(l *lane) int32 { return int32(l.index) - int32(p.lanes[0].index) }

// link is the pipe of a node's connection; nil if its client has none.
func (p *pipeline) link(node int, client targets.Client) *link.Link {
	if k := p.links[node]; k != nil {
		return k
	}
	piper, ok := client.(targets.Pipeliner)
	if !ok {
		return nil
	}
	p.kept = p.Clock.Now() // it was connected
	k := link.New(node, piper.Pipe(len(p.lanes)), len(p.lanes))
	p.links[node], p.all = k, append(p.all, k)
	p.receivers.Go(func() { k.Receive(p.Clock, p.wake) })
	return k
}

// take takes the answers that have come, and ends what will have none.
func (p *pipeline) take(ctx context.Context) {
	p.rested()
	for i := 0; i < len(p.all); i++ {
		k := p.all[i]
		gone := k.Take(func(tag int32, end int64) { p.end(ctx, &p.lanes[tag], end) })
		if gone {
			p.bury(ctx, k)
		}
		if gone || k.Retired && k.Idle() {
			k.Close()
			p.all = slices.Delete(p.all, i, i+1)
			i--
		}
	}
}

// bury ends what was under way on a link that is at its end. What was not flushed
// has certainly not been sent.
func (p *pipeline) bury(ctx context.Context, k *link.Link) {
	p.retire(k)
	p.unsent(ctx, k.Unflushed())
	for i := range p.lanes {
		if l := &p.lanes[i]; l.link == k {
			op := l.op()
			op.Outcome, op.Error = history.Unknown, history.ErrConnLost
			p.end(ctx, l, p.Clock.Now())
		}
	}
}

// unsent ends operations that certainly were not sent.
func (p *pipeline) unsent(ctx context.Context, lanes []int32) {
	for _, number := range lanes {
		l := &p.lanes[number]
		op := l.op()
		op.Outcome, op.Error = history.Fail, history.ErrConnect
		p.end(ctx, l, p.Clock.Now())
	}
}

// retire has the next operation for a link's node connect anew.
func (p *pipeline) retire(k *link.Link) {
	k.Retired = true
	if p.links[k.Node] == k {
		p.links[k.Node], p.conns[k.Node] = nil, nil
	}
}

// flush sends what was started, also what was before a link was given up.
func (p *pipeline) flush(ctx context.Context) {
	for _, k := range p.all {
		if unsent := k.Flush(); k.Retired {
			p.retire(k)
			p.unsent(ctx, unsent)
		}
	}
}

// end records a lane's operation, whose outcome is set, and draws the consequences.
// A look that was answered is followed by its request.
func (p *pipeline) end(ctx context.Context, l *lane, at int64) {
	op := l.op()
	op.End = at
	p.record.Append(op)
	l.generator.Done(op)
	k := l.link
	l.link = nil
	p.judge(l, op, k)
	if l.looking && op.Outcome == history.OK && !p.over {
		now := p.Clock.Now()
		l.req.Op.Start, l.req.Op.Intended = now, now
		p.start(ctx, l)
		return
	}
	if l.looking = false; l.paced {
		l.course.Busy(max(at, l.rest) - l.sent)
	}
	if l.rest > at {
		p.rests = append(p.rests, p.number(l))
		return
	}
	p.release(p.number(l))
}

// release makes a lane free.
func (p *pipeline) release(number int32) {
	p.free[(p.first+p.ready)%len(p.free)] = number
	p.ready++
}

// rested makes those lanes free whose pause is over.
func (p *pipeline) rested() {
	if len(p.rests) == 0 {
		return
	}
	now := p.Clock.Now()
	p.rests = slices.DeleteFunc(p.rests, func(number int32) bool {
		over := p.lanes[number].rest <= now
		if over {
			p.release(number)
		}
		return over
	})
}

// judge is react for one of several operations under way. A connection with
// others is given up without being closed, and the pause is the lane's own, or, where
// nobody was reached, that of all lanes.
func (p *pipeline) judge(l *lane, op *history.Op, k *link.Link) {
	looks := &p.worker.looks
	if op.Outcome == history.OK || op.Error == history.ErrCompare {
		l.pause, p.pause = 0, 0
		if int(op.Node) == p.sticky && l.looks == looks.Times {
			looks.Seen(op.Key)
		}
		return
	}
	same := unconfirmed(op) && k != nil
	if op.Outcome == history.Unknown {
		if l.process += p.step; k != nil && !same {
			p.retire(k)
		}
	}
	if int(op.Node) == p.sticky {
		p.sticky = -1
	}
	if !same {
		looks.Reset()
	}
	switch {
	case op.Error == history.ErrTimeout:
	case k == nil:
		p.pause = backoff(p.pause)
		p.held = p.Clock.Now() + int64(p.pause)
		p.kept = max(p.kept, p.held)
	default:
		l.pause = backoff(l.pause)
		l.rest = op.End + int64(l.pause)
	}
}

func backoff(pause time.Duration) time.Duration { return min(max(2*pause, backoffMin), backoffMax) }

// await waits for an answer, or until the next operation is due.
func (p *pipeline) await(ctx context.Context) {
	done := ctx.Done()
	if p.over {
		done = nil // answers come, or time out
	}
	at := p.wakeAt()
	if at == math.MaxInt64 {
		select {
		case <-p.wake:
		case <-done:
		}
		return
	}
	d := at - p.Clock.Now()
	if d <= 0 {
		return
	}
	p.timer.Reset(time.Duration(d))
	select {
	case <-p.wake:
	case <-done:
	case <-p.timer.C:
		if now := p.Clock.Now(); p.have && p.next.paced && at == p.at && now-at >= lateWake && p.Watchdog != nil {
			p.Watchdog.Late(at, now)
		}
	}
}

// wakeAt is when there is something to do without an answer: the next operation is
// due and a lane is free for it, or a lane's pause is over.
func (p *pipeline) wakeAt() int64 {
	at := int64(math.MaxInt64)
	if p.over {
		return at
	}
	if p.have && p.ready > 0 {
		at = max(p.at, p.held)
	}
	for _, number := range p.rests {
		at = min(at, p.lanes[number].rest)
	}
	return at
}

// close ends the connections and their receivers.
func (p *pipeline) close() {
	for _, k := range p.all {
		k.Close() // all that was sent is recorded
	}
	p.receivers.Wait()
	clear(p.links)
	clear(p.conns)
}
