package load

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
)

const (
	// finalRetryEvery is the pause between two tries of a final operation.
	finalRetryEvery = 50 * time.Millisecond
	// finalRounds bounds how often the final reads in which nodes differ are made,
	// finalRoundEvery apart.
	finalRounds     = 4
	finalRoundEvery = 200 * time.Millisecond
)

// Finals reads every key of every workload on every node of the settled
// cluster, and then drains the queues. What does not succeed is tried again
// until the limit, which the reads and the drains have each for themselves.
type Finals struct {
	Clients
	Workloads []workloads.Workload
	History   *history.Recorder
	Serving   func(context.Context) []int // the nodes that take writes
	Limit     time.Duration
}

// ReadNodes makes the final reads on all nodes at once. What the nodes answered
// differently is read again a few times: a late answer is no divergence, and
// the last of each node counts.
func (f *Finals) ReadNodes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.Limit)
	defer cancel()
	answers := newFinalAnswers()
	for round := range finalRounds {
		var readers sync.WaitGroup
		for node := range f.Nodes {
			if !f.Members.Has(node) {
				continue
			}
			buffer := f.History.Buffer()
			readers.Go(func() {
				defer buffer.Flush()
				f.operate(ctx, node, buffer, func(id finalID, k history.Kind) bool { return k != history.Drain && answers.wants(id) },
					func(id finalID, op *history.Op) { answers.add(id, node, op) })
			})
		}
		readers.Wait()
		if answers.compare() == 0 || round == finalRounds-1 || !SleepUntil(ctx, f.Clock, f.Clock.Now()+int64(finalRoundEvery)) {
			return
		}
	}
}

// DrainQueues drains through one node after the other: were they to drain at
// once, one could find a queue empty while a message that another has not yet
// acknowledged is on its way back. A drain takes messages, as no replica lets a
// client do, so it goes through the primary, or through every peer, as each may
// have messages of its own.
func (f *Finals) DrainQueues(ctx context.Context) {
	if !slices.ContainsFunc(f.Workloads, func(w workloads.Workload) bool { return slices.Contains(w.Kinds(), history.Drain) }) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, f.Limit)
	defer cancel()
	buffer := f.History.Buffer()
	defer buffer.Flush()
	for _, node := range f.Serving(ctx) {
		f.operate(ctx, node, buffer, func(_ finalID, k history.Kind) bool { return k == history.Drain }, func(finalID, *history.Op) {})
	}
}

// operate does those final operations of all workloads on one node that are
// wanted, and hands on how each ended.
func (f *Finals) operate(ctx context.Context, node int, buffer *history.Buffer, wanted func(finalID, history.Kind) bool, ended func(finalID, *history.Op)) {
	for number, workload := range f.Workloads {
		var requests []workloads.Request
		var ids []finalID
		for i, r := range workload.Finals(node) {
			if id := (finalID{number, i}); wanted(id, r.Op.Kind) {
				requests, ids = append(requests, r), append(ids, id)
			}
		}
		if len(requests) > 0 {
			f.request(ctx, uint8(number), requests, node, buffer, func(i int, op *history.Op) { ended(ids[i], op) })
		}
	}
}

func (f *Finals) request(ctx context.Context, workload uint8, requests []workloads.Request, node int, buffer *history.Buffer, ended func(i int, op *history.Op)) {
	object := workloads.ObjectOf(f.Workloads[workload].Spec().Type)
	tries := &finalTries{buffer: buffer, counts: object == history.ObjectCounter, patience: int64(min(goneFor, f.Limit/2))}
	w := newWorker(f.Clients, tries)
	w.generator = tries
	w.workload, w.flags = workload, history.FinalRead
	w.process = 1<<31 + uint32(node) // apart from every worker's
	w.timer = time.NewTimer(time.Hour)
	defer w.timer.Stop()
	defer w.close()
	for i, r := range requests {
		for {
			try := r
			try.Op.Flags |= history.FinalRead
			try.Op.Start = f.Clock.Now()
			try.Op.Intended = try.Op.Start
			w.do(ctx, &try)
			if tries.last.Outcome == history.OK || !w.wait(ctx, f.Clock.Now()+int64(finalRetryEvery)) {
				break
			}
		}
		tries.finish()
		ended(i, &tries.last)
	}
}

// finalTries records the tries of final operations and generates nothing: of a
// read only the last try, of a drain every one, since what it took is gone.
type finalTries struct {
	buffer recorder
	last   history.Op
	counts bool  // what is read are counters
	gone   int64 // when the node first said that what holds the data is gone; 0: never
	// patience is how long it has to say so until that is taken for the answer.
	patience int64
}

// goneFor is how long a node at most has to say that what holds the data is gone
// before that is taken as the answer that nothing is there.
const goneFor = 2 * time.Second

func (t *finalTries) Append(op *history.Op) {
	if op.Error == history.ErrGone && op.Outcome == history.Fail {
		if t.gone == 0 {
			t.gone = op.Start
		}
		if op.End-t.gone >= t.patience {
			t.nothing(op)
		}
	}
	t.last = *op
	if op.Kind == history.Drain {
		t.buffer.Append(op)
	}
}

// nothing makes the answer that what holds the data is gone the answer that it
// holds nothing.
func (t *finalTries) nothing(op *history.Op) {
	switch op.Kind {
	case history.Read:
		op.Value = history.Nil
		if t.counts {
			op.Value = 0
		}
	case history.ReadSet:
		op.Elements = op.Elements[:0]
	case history.Drain: // what it had taken before stays taken
	case history.Txn:
		micros, _ := history.Micros(op.Elements)
		op.Elements = nil
		for _, m := range micros {
			op.Elements = history.AppendMicro(op.Elements, history.Micro{Key: m.Key, Read: true, Known: true})
		}
	default:
		return
	}
	op.Outcome = history.OK
}

// finish records the last try of an operation that is over.
func (t *finalTries) finish() {
	if t.last.Kind != history.Drain {
		t.buffer.Append(&t.last)
	}
}

func (t *finalTries) Next(*workloads.Request) {}

func (t *finalTries) Done(*history.Op) {}

// finalID names a final read: the same on every node.
type finalID struct {
	workload, request int
}

// finalAnswers are what the nodes answered last to the final reads.
type finalAnswers struct {
	mu      sync.Mutex
	of      map[finalID]map[int]uint64 // by node: a digest
	differs map[finalID]bool           // nil before the first comparison
}

func newFinalAnswers() *finalAnswers { return &finalAnswers{of: map[finalID]map[int]uint64{}} }

// wants tells whether a read is to be made: all at first, then those that differ.
func (a *finalAnswers) wants(id finalID) bool { return a.differs == nil || a.differs[id] }

// add keeps the answer of a node; of several the last one counts.
func (a *finalAnswers) add(id finalID, node int, op *history.Op) {
	if op.Outcome != history.OK {
		return
	}
	d := digest(op)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[id] == nil {
		a.of[id] = map[int]uint64{}
	}
	a.of[id][node] = d
}

// compare counts the reads that the nodes answered differently.
func (a *finalAnswers) compare() int {
	a.differs = map[finalID]bool{}
	for id, nodes := range a.of {
		first, any := uint64(0), false
		for _, d := range nodes {
			if any && d != first {
				a.differs[id] = true
			}
			first, any = d, true
		}
	}
	return len(a.differs)
}

// digest is the same for the same answer, and hardly for another.
func digest(op *history.Op) uint64 {
	elements := op.Elements
	if op.Kind == history.ReadSet { // in any order
		elements = slices.Sorted(slices.Values(elements))
	}
	h := fnv.New64a()
	word := make([]byte, 8)
	for _, v := range append([]int64{op.Value}, elements...) {
		binary.LittleEndian.PutUint64(word, uint64(v))
		_, _ = h.Write(word) // never fails
	}
	return h.Sum64()
}
