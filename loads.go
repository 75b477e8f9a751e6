package aftershock

import (
	"context"
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
// cluster, all nodes at once. A read that does not succeed is tried again until
// the settle time is over; only its last try is recorded.
func (e *execution) finalReads(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.plan.Settle)
	defer cancel()
	var readers sync.WaitGroup
	for node := range e.nodes {
		buffer := e.recorder.Buffer()
		readers.Go(func() {
			defer buffer.Flush()
			for wi, load := range e.loads {
				e.finalReadsOf(ctx, uint8(wi), load, node, buffer)
			}
		})
	}
	readers.Wait()
}

func (e *execution) finalReadsOf(ctx context.Context, wi uint8, load workloads.Workload, node int, buffer *history.Buffer) {
	last := &lastTry{}
	w := e.newWorker(last)
	w.generator = last
	w.workload, w.flags = wi, history.FinalRead
	w.process = 1<<31 + uint32(node) // apart from every worker's
	w.timer = time.NewTimer(time.Hour)
	defer w.timer.Stop()
	defer w.close()
	for _, r := range load.Finals(node) {
		for {
			try := r
			try.Op.Flags |= history.FinalRead
			try.Op.Start = e.clock.Now()
			try.Op.Intended = try.Op.Start
			w.do(ctx, &try)
			if last.op.Outcome == history.OK || !w.wait(ctx, e.clock.Now()+int64(finalRetryEvery)) {
				break
			}
		}
		buffer.Append(&last.op)
	}
}

// lastTry keeps the last operation recorded, and generates nothing.
type lastTry struct{ op history.Op }

func (l *lastTry) Append(op *history.Op)   { l.op = *op }
func (l *lastTry) Next(*workloads.Request) {}
func (l *lastTry) Done(*history.Op)        {}
