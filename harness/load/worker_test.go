package load

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// scripted is a system whose clients answer by a function.
type scripted struct {
	targets.System
	connect func(node int) error
	answer  func(node int, op *history.Op)
	unsent  int         // operations that the next Flush of a pipe does not send
	ends    func() bool // the next answer of a pipe is none: it breaks
}

func (s *scripted) Connect(_ context.Context, n *cluster.Node, _ targets.ClientOptions) (targets.Client, error) {
	if s.connect != nil {
		if err := s.connect(n.Index); err != nil {
			return nil, err
		}
	}
	return &scriptedClient{system: s, node: n.Index}, nil
}

type scriptedClient struct {
	system *scripted
	node   int
}

func (c *scriptedClient) Do(_ context.Context, op *history.Op) {
	if c.system.answer == nil {
		op.Outcome = history.OK
		return
	}
	c.system.answer(c.node, op)
}

func (c *scriptedClient) Broken() bool { return false }

func (c *scriptedClient) Close() error { return nil }

type kept struct{ ops []history.Op }

func (k *kept) Append(op *history.Op) { k.ops = append(k.ops, *op) }

type writes struct{ n int64 }

func (g *writes) Next(r *workloads.Request) {
	g.n++
	*r = workloads.Request{Op: history.Op{Kind: history.Write, Value: g.n}}
}

func (g *writes) Done(*history.Op) {}

func newTestWorker(system targets.System, primary func() int) (*worker, *kept) {
	k := &kept{}
	nodes := []*cluster.Node{{Name: "n1"}, {Name: "n2", Index: 1}, {Name: "n3", Index: 2}}
	w := newWorker(Clients{System: system, Nodes: nodes, Clock: history.NewClock(), Primary: primary, Options: targets.ClientOptions{ConnectTimeout: time.Second}}, k)
	w.generator, w.process, w.step = &writes{}, 5, 10
	return w, k
}

func forTime(w *worker, d time.Duration) Window {
	now := w.Clock.Now()
	return Window{Start: now, Measure: now, Stop: now + int64(d), Grace: now + int64(d)}
}

// every plans n operations, d apart.
func every(d time.Duration, n uint64) workloads.Pacer {
	return func(i uint64) int64 {
		if i >= n {
			return int64(time.Hour)
		}
		return int64(i) * int64(d)
	}
}

func TestWorkerTakesANewProcessAfterUnknown(t *testing.T) {
	calls := 0
	system := &scripted{answer: func(_ int, op *history.Op) {
		if calls++; calls == 3 {
			op.Outcome, op.Error = history.Unknown, history.ErrTimeout
			return
		}
		op.Outcome = history.OK
	}}
	w, k := newTestWorker(system, func() int { return 0 })
	w.pacer = every(time.Millisecond, 6)
	w.run(t.Context(), forTime(w, time.Minute))
	if len(k.ops) != 6 {
		t.Fatalf("%d operations, want the 6 that the pacer plans", len(k.ops))
	}
	for i, op := range k.ops {
		want := uint32(5)
		if i > 2 {
			want = 15
		}
		if op.Process != want {
			t.Errorf("operation %d is of process %d, want %d", i, op.Process, want)
		}
		if op.Intended != k.ops[0].Intended+int64(i)*int64(time.Millisecond) || op.Start < op.Intended || op.End < op.Start {
			t.Errorf("operation %d has times %d %d %d", i, op.Intended, op.Start, op.End)
		}
	}
}

func TestWorkerStaysWithAnOldPrimaryUntilItRefuses(t *testing.T) {
	believed := 0
	refuse := false
	system := &scripted{answer: func(node int, op *history.Op) {
		if node == 0 && refuse {
			op.Outcome, op.Error = history.Fail, history.ErrNotPrimary
			return
		}
		op.Outcome = history.OK
		if op.Value == 5 {
			believed = 2 // another node was promoted
		}
		if op.Value == 8 {
			refuse = true
		}
	}}
	w, k := newTestWorker(system, func() int { return believed })
	w.pacer = every(time.Millisecond, 15)
	w.run(t.Context(), forTime(w, time.Minute))
	for i, op := range k.ops {
		want := int8(0)
		if i > 8 {
			want = 2
		}
		if op.Node != want || op.Flags&history.FromPrimary == 0 {
			t.Errorf("operation %d went to node %d (flags %b), want %d", i, op.Node, op.Flags, want)
		}
	}
}

func TestWorkerRecordsThatNothingWasSent(t *testing.T) {
	w, k := newTestWorker(&scripted{connect: func(int) error { return errors.New("refused") }}, func() int { return 1 })
	w.run(t.Context(), forTime(w, 300*time.Millisecond))
	if len(k.ops) == 0 || len(k.ops) > 20 {
		t.Fatalf("%d operations against a dead node in 300 ms: want a few, paced by the backoff", len(k.ops))
	}
	for _, op := range k.ops {
		if op.Outcome != history.Fail || op.Error != history.ErrConnect || op.Node != 1 {
			t.Fatalf("got %+v", op)
		}
	}
	w, k = newTestWorker(&scripted{}, func() int { return -1 })
	w.run(t.Context(), forTime(w, 100*time.Millisecond))
	if len(k.ops) == 0 || k.ops[0].Outcome != history.Fail || k.ops[0].Error != history.ErrNoTarget {
		t.Fatalf("got %+v, want failures for want of a primary", k.ops)
	}
}

func TestWorkerRoutesReads(t *testing.T) {
	w, _ := newTestWorker(&scripted{}, func() int { return 1 })
	for pick := range uint32(9) {
		if n := w.route(&workloads.Request{Route: workloads.ToReplica, Pick: pick}); n == 1 {
			t.Errorf("pick %d sent a replica read to the primary", pick)
		}
	}
	if n := w.route(&workloads.Request{Route: workloads.ToNode, Pick: 2}); n != 2 {
		t.Errorf("got node %d, want 2", n)
	}
}

// TestWorkerRecordsWhatAScanRead: an answered scan, and a read of each register
// in its time, which counts as no operation of its own; of another only itself.
func TestWorkerRecordsWhatAScanRead(t *testing.T) {
	outcome := history.OK
	system := &scripted{answer: func(_ int, op *history.Op) {
		op.Outcome, op.Elements = outcome, append(op.Elements[:0], 7, history.Nil, 9)
	}}
	w, k := newTestWorker(system, func() int { return 0 })
	for range 2 {
		w.do(t.Context(), &workloads.Request{Op: history.Op{Kind: history.Scan, Key: 20, Old: 3, Start: 5, Intended: 4}})
		outcome = history.Fail
		w.timer = time.NewTimer(time.Hour)
	}
	want := []history.Op{{Kind: history.Scan, Key: 20, Old: 3}, {Kind: history.Read, Key: 20, Value: 7}, {Kind: history.Read, Key: 21, Value: history.Nil},
		{Kind: history.Read, Key: 22, Value: 9}, {Kind: history.Scan, Key: 20, Old: 3}}
	if len(k.ops) != len(want) {
		t.Fatalf("%d operations are recorded: %+v", len(k.ops), k.ops)
	}
	for i, op := range k.ops {
		part := op.Kind == history.Read
		if op.Kind != want[i].Kind || op.Key != want[i].Key || op.Value != want[i].Value || op.Old != want[i].Old || len(op.Elements) > 0 ||
			op.Load() == part || (op.Flags&history.Part != 0) != part || op.Start != 5 || op.Intended != 4 || op.End != k.ops[i/4*4].End {
			t.Errorf("operation %d is %+v", i, op)
		}
	}
}

// filling loads the keys 0 to 4, each again until it succeeds.
type filling struct {
	writes
	loaded uint32
}

func (g *filling) Fill(r *workloads.Request) bool {
	if g.loaded == 5 {
		return false
	}
	g.Next(r)
	r.Op.Key = g.loaded
	return true
}

func (g *filling) Done(op *history.Op) {
	if op.Outcome == history.OK {
		g.loaded++
	}
}

// TestLoadFillsBeforeTheLoad: what was not written is written again, in the
// warm-up, and it is told how much was loaded.
func TestLoadFillsBeforeTheLoad(t *testing.T) {
	calls := 0
	system := &scripted{answer: func(_ int, op *history.Op) {
		if calls++; calls%3 == 2 {
			op.Outcome, op.Error = history.Fail, history.ErrBusy
			return
		}
		op.Outcome = history.OK
	}}
	w, k := newTestWorker(system, func() int { return 0 })
	w.generator = &filling{}
	n, err := w.fill(t.Context(), w.generator.(workloads.Filler))
	if n != 5 || err != nil || len(k.ops) != 7 {
		t.Fatalf("%d loaded by %d operations: %v", n, len(k.ops), err)
	}
	for _, op := range k.ops {
		if op.Flags&history.Warmup == 0 || op.Start != op.Intended {
			t.Errorf("%+v is no warm-up", op)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	system.answer = func(_ int, op *history.Op) { op.Outcome, op.Error = history.Fail, history.ErrBusy }
	w.generator = &filling{}
	if _, err := w.fill(ctx, w.generator.(workloads.Filler)); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
}
