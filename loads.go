package aftershock

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// finalRetryEvery is the pause between two tries of a final read.
const finalRetryEvery = 50 * time.Millisecond

// assigned is a worker and its own part of the history.
type assigned struct {
	worker *worker
	buffer *history.Buffer
}

// workers makes every worker of every workload. Process ids never meet: each
// worker starts at its own number and steps by the number of workers.
func (e *execution) workers() []assigned {
	var all []assigned
	for wi, load := range e.loads {
		for i := range load.Workers(len(e.nodes)) {
			buffer := e.recorder.Buffer()
			w := e.newWorker(buffer)
			w.generator = load.Worker(i, len(e.nodes), e.plan.Seed)
			w.filter, _ = w.generator.(workloads.Filter)
			w.pacer = load.Pacer(i, len(e.nodes))
			w.workload, w.index = uint8(wi), uint16(i)
			all = append(all, assigned{w, buffer})
		}
	}
	for i := range all {
		all[i].worker.process, all[i].worker.step = uint32(i), uint32(len(all))
	}
	return all
}

func (e *execution) newWorker(record recorder) *worker {
	return &worker{system: e.system, nodes: e.nodes, clock: e.clock, primary: e.roles.primary, record: record,
		options: targets.ClientOptions{ConnectTimeout: e.plan.Timeouts.Connect, OpTimeout: e.plan.Timeouts.Operation},
		conns:   make([]targets.Client, len(e.nodes)), sticky: -1}
}

// finalReads reads every key of every workload on every node of the settled
// cluster, and then drains the queues. What does not succeed is tried again for
// the settle time, by the reads and by the drains.
func (e *execution) finalReads(ctx context.Context) {
	e.readNodes(ctx)
	e.drainQueues(ctx)
}

// readNodes makes the final reads on all nodes at once. What the nodes answered
// differently is read again a few times: a late answer is no divergence, and
// the last of each node counts.
func (e *execution) readNodes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.plan.Settle)
	defer cancel()
	answers := newFinalAnswers()
	for round := range finalRounds {
		var readers sync.WaitGroup
		for node := range e.nodes {
			buffer := e.recorder.Buffer()
			readers.Go(func() {
				defer buffer.Flush()
				e.finalsOf(ctx, node, buffer, func(id finalID, k history.Kind) bool { return k != history.Drain && answers.wants(id) },
					func(id finalID, op *history.Op) { answers.take(id, node, op) })
			})
		}
		readers.Wait()
		if answers.compare() == 0 || round == finalRounds-1 || !sleepUntil(ctx, e.clock, e.clock.Now()+int64(finalRoundEvery)) {
			return
		}
	}
}

// drainQueues drains through one node after the other: were they to drain at
// once, one could find a queue empty while a message that another has not yet
// acknowledged is on its way back. A drain takes messages, as no replica lets a
// client do, so it goes through the primary, or through every peer, as each may
// have messages of its own.
func (e *execution) drainQueues(ctx context.Context) {
	if !slices.ContainsFunc(e.loads, func(w workloads.Workload) bool { return slices.Contains(w.Kinds(), history.Drain) }) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, e.plan.Settle)
	defer cancel()
	buffer := e.recorder.Buffer()
	defer buffer.Flush()
	for _, node := range e.roles.serving(ctx) {
		e.finalsOf(ctx, node, buffer, func(_ finalID, k history.Kind) bool { return k == history.Drain }, func(finalID, *history.Op) {})
	}
}

// finalsOf does those final operations of all workloads on one node that are
// wanted, and hands on how each ended.
func (e *execution) finalsOf(ctx context.Context, node int, buffer *history.Buffer, wanted func(finalID, history.Kind) bool, told func(finalID, *history.Op)) {
	for wi, load := range e.loads {
		var requests []workloads.Request
		var ids []finalID
		for i, r := range load.Finals(node) {
			if id := (finalID{wi, i}); wanted(id, r.Op.Kind) {
				requests, ids = append(requests, r), append(ids, id)
			}
		}
		if len(requests) > 0 {
			e.finalRequests(ctx, uint8(wi), requests, node, buffer, func(i int, op *history.Op) { told(ids[i], op) })
		}
	}
}

func (e *execution) finalRequests(ctx context.Context, wi uint8, requests []workloads.Request, node int, buffer *history.Buffer, told func(i int, op *history.Op)) {
	tries := &finalTries{buffer: buffer}
	w := e.newWorker(tries)
	w.generator = tries
	w.workload, w.flags = wi, history.FinalRead
	w.process = 1<<31 + uint32(node) // apart from every worker's
	w.timer = time.NewTimer(time.Hour)
	defer w.timer.Stop()
	defer w.close()
	for i, r := range requests {
		for {
			try := r
			try.Op.Flags |= history.FinalRead
			try.Op.Start = e.clock.Now()
			try.Op.Intended = try.Op.Start
			w.do(ctx, &try)
			if tries.last.Outcome == history.OK || !w.wait(ctx, e.clock.Now()+int64(finalRetryEvery)) {
				break
			}
		}
		tries.settle()
		told(i, &tries.last)
	}
}

// finalTries records the tries of final operations and generates nothing: of a
// read only the last try, of a drain every one, since what it took is gone.
type finalTries struct {
	buffer recorder
	last   history.Op
}

func (t *finalTries) Append(op *history.Op) {
	t.last = *op
	if op.Kind == history.Drain {
		t.buffer.Append(op)
	}
}

// settle records the last try of an operation that is over.
func (t *finalTries) settle() {
	if t.last.Kind != history.Drain {
		t.buffer.Append(&t.last)
	}
}

func (t *finalTries) Next(*workloads.Request) {}
func (t *finalTries) Done(*history.Op)        {}
