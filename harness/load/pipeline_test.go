package load

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/demand"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// Pipe has every operation answered by itself.
func (c *scriptedClient) Pipe(depth int) targets.Pipe {
	return &scriptedPipe{client: c, answers: make(chan scriptedAnswer, depth+1)}
}

type scriptedPipe struct {
	client  *scriptedClient
	started []func()
	answers chan scriptedAnswer
	once    sync.Once
}

type scriptedAnswer struct {
	to  *history.Op // nil: the end
	op  history.Op
	tag int32
}

func (p *scriptedPipe) Start(op *history.Op, tag int32) bool {
	op.Outcome, op.Error = history.Unknown, history.ErrNone
	answer := *op
	p.started = append(p.started, func() {
		p.client.Do(context.Background(), &answer)
		p.answers <- scriptedAnswer{op, answer, tag}
	})
	return true
}

func (p *scriptedPipe) Flush() (int, error) {
	if n := p.client.system.unsent; n > 0 {
		p.client.system.unsent = 0
		n = min(n, len(p.started))
		p.started = p.started[:0]
		return n, errors.New("broken")
	}
	for _, answer := range p.started {
		go answer()
	}
	p.started = p.started[:0]
	return 0, nil
}

func (p *scriptedPipe) Receive(tags []int32) ([]int32, bool) {
	a := <-p.answers
	if ends := p.client.system.ends; a.to == nil || ends != nil && ends() {
		return tags, false
	}
	*a.to = a.op
	return append(tags, a.tag), true
}

func (p *scriptedPipe) Close() error {
	p.once.Do(func() { p.answers <- scriptedAnswer{} })
	return nil
}

// piped is a worker of so many lanes.
func piped(system targets.System, lanes int) (*worker, *kept) {
	w, k := newTestWorker(system, func() int { return 0 })
	w.lanes, w.step = make([]lane, lanes), uint32(lanes)
	for i := range w.lanes {
		w.lanes[i].generator, w.lanes[i].index, w.lanes[i].process = &writes{}, uint16(i), uint32(i)
	}
	return w, k
}

// TestLanesAreProcesses: as many operations as there are lanes are under way, and
// no process has two of them.
func TestLanesAreProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		w, k := piped(&scripted{answer: func(_ int, op *history.Op) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Duration(1+op.Value%3) * time.Millisecond)
			mu.Lock()
			now--
			mu.Unlock()
			if op.Outcome = history.OK; op.Value == 7 {
				op.Outcome, op.Error = history.Unknown, history.ErrServer
			}
		}}, 16)
		w.run(t.Context(), forTime(w, 100*time.Millisecond))
		if most != 16 {
			t.Errorf("%d operations at once, want 16", most)
		}
		if len(k.ops) < 16*100/3 {
			t.Errorf("%d operations in 100 ms", len(k.ops))
		}
		last, ended := map[uint32]history.Op{}, map[uint32]bool{}
		for _, op := range k.ops {
			before, ok := last[op.Process]
			if ok && op.Start < before.End || ended[op.Process] || op.Process%16 != uint32(op.Worker) || op.End-op.Start < int64(time.Millisecond) {
				t.Fatalf("process %d of worker %d: from %d to %d after %d to %d", op.Process, op.Worker, op.Start, op.End, before.Start, before.End)
			}
			last[op.Process], ended[op.Process] = op, op.Outcome == history.Unknown
		}
	})
}

// TestPipelineKeepsTheSchedule: an operation is sent when it is due as long as
// fewer are under way than may be, and late when none is free.
func TestPipelineKeepsTheSchedule(t *testing.T) {
	for lanes, late := range map[int]bool{16: false, 4: true} {
		synctest.Test(t, func(t *testing.T) {
			w, k := piped(&scripted{answer: func(_ int, op *history.Op) {
				time.Sleep(10 * time.Millisecond)
				op.Outcome = history.OK
			}}, lanes)
			w.pacer = every(time.Millisecond, 300)
			window := forTime(w, 300*time.Millisecond)
			window.Grace += int64(10 * time.Second)
			if n := w.run(t.Context(), window); n != 300 || len(k.ops) != 300 {
				t.Fatalf("%d sent, %d recorded, want 300", n, len(k.ops))
			}
			for _, op := range k.ops {
				if wait := op.Start - op.Intended; wait < 0 || !late && wait > 0 {
					t.Fatalf("%d lanes: sent %d after it was intended", lanes, wait)
				}
			}
			if wait := k.ops[299].Start - k.ops[299].Intended; late != (wait > int64(400*time.Millisecond)) {
				t.Errorf("%d lanes: the last was sent %d late", lanes, wait)
			}
		})
	}
}

// TestWhatWasStartedIsSent also when the connection is given up before, for an
// operation whose outcome is unknown.
func TestWhatWasStartedIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := piped(&scripted{}, 2)
		p := newPipeline(w, w.lanes)
		lane := &w.lanes[0]
		p.first, p.ready = 1, 1
		lane.generator.Next(&lane.req)
		p.start(t.Context(), lane)
		p.retire(lane.link)
		p.flush(t.Context())
		<-p.wake
		p.take(t.Context())
		if len(k.ops) != 1 || k.ops[0].Outcome != history.OK || p.ready != 2 || len(p.all) != 0 {
			t.Errorf("%+v, %d lanes are free, %d links are left", k.ops, p.ready, len(p.all))
		}
		p.close()
	})
}

// TestPipelineBreaks: what has no answer is unknown and ends its process, what was
// never written failed, and the worker connects anew.
func TestPipelineBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := 0
		system := &scripted{answer: func(_ int, op *history.Op) {
			time.Sleep(time.Millisecond)
			op.Outcome = history.OK
		}}
		system.ends = func() bool { answered++; return answered == 20 }
		w, k := piped(system, 8)
		w.run(t.Context(), forTime(w, 50*time.Millisecond))
		count := map[history.Outcome]int{}
		for i, op := range k.ops {
			count[op.Outcome]++
			if op.Outcome == history.Unknown && op.Error != history.ErrConnLost {
				t.Errorf("unknown for %s", op.Error)
			}
			if op.Outcome == history.Unknown && slices.ContainsFunc(k.ops[i+1:], func(next history.Op) bool { return next.Process == op.Process }) {
				t.Errorf("process %d goes on after it was lost", op.Process)
			}
		}
		if count[history.Unknown] == 0 || count[history.Unknown] > 8 || count[history.Fail] > 0 || count[history.OK] < 100 {
			t.Errorf("outcomes are %v", count)
		}
	})
}

// TestPipelineCatchesUp: after a time in which nothing was answered, and every
// operation ran out of its own, what is late is sent as fast as it may.
func TestPipelineCatchesUp(t *testing.T) {
	for _, kind := range []history.Error{history.ErrTimeout, history.ErrConnLost} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			w, k := piped(&scripted{answer: func(_ int, op *history.Op) {
				if at := time.Since(begin); at >= time.Second && at < 1500*time.Millisecond {
					time.Sleep(100 * time.Millisecond)
					op.Outcome, op.Error = history.Unknown, kind
					return
				}
				time.Sleep(time.Millisecond)
				op.Outcome = history.OK
			}}, 8)
			w.pacer = every(2*time.Millisecond, 1500)
			w.backlog.Gap = func(int64) int64 { return int64(200 * time.Microsecond) }
			if n := w.run(t.Context(), forTime(w, 3*time.Second)); n != 1500 || len(k.ops) != 1500 {
				t.Fatalf("%d sent, %d recorded, want 1500", n, len(k.ops))
			}
			unknown := 0
			for _, op := range k.ops {
				if op.Outcome != history.OK {
					unknown++
				}
				if late := op.Start - op.Intended; op.Intended > k.ops[0].Intended+int64(1800*time.Millisecond) && late > int64(10*time.Millisecond) {
					t.Fatalf("%s: sent %d late at %d", kind, late, op.Intended)
				}
			}
			if unknown < 20 || unknown > 60 {
				t.Errorf("%s: %d unknown", kind, unknown)
			}
			window := demand.Window{Stop: int64(4 * time.Second), Grace: int64(4 * time.Second)}
			if _, d := demand.Of(nil, []demand.Worker{{Pacer: w.pacer, Next: 1500, Backlog: &w.backlog}}, window); d.Own.Late > 0 {
				t.Errorf("%s: %d late by the harness's doing", kind, d.Own.Late)
			}
		})
	}
}

func TestWhatWasNeverWrittenFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := piped(&scripted{unsent: 3}, 8)
		w.pacer = every(0, 8)
		w.run(t.Context(), forTime(w, 50*time.Millisecond))
		for i, op := range k.ops {
			want := history.Unknown
			if i < 3 {
				want = history.Fail // they are ended at once, the others when the connection is
			}
			if op.Outcome != want {
				t.Errorf("operation %d is %v, want %v", i, op.Outcome, want)
			}
		}
		if len(k.ops) != 8 {
			t.Errorf("%d operations", len(k.ops))
		}
	})
}

// TestLanesLookBeforeTheyOverwrite: on another primary, each key once.
func TestLanesLookBeforeTheyOverwrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		believed := 0
		var mu sync.Mutex
		w, k := piped(&scripted{answer: func(node int, op *history.Op) {
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if op.Outcome = history.OK; node == 0 && op.Value > 6 {
				op.Outcome, op.Error, believed = history.Fail, history.ErrNotPrimary, 1
			}
		}}, 4)
		w.Primary = func() int { mu.Lock(); defer mu.Unlock(); return believed }
		w.looks.Keys = 3
		for i := range w.lanes {
			w.lanes[i].generator = &blindWrites{}
		}
		w.run(t.Context(), forTime(w, 60*time.Millisecond))
		looked, wrote := map[uint32]bool{}, 0
		for _, op := range k.ops {
			switch {
			case op.Node != 1 || op.Outcome != history.OK:
			case op.Kind == history.Read:
				looked[op.Key] = true
			case op.Key < 3:
				wrote++
				if !looked[op.Key] {
					t.Errorf("key %d was written without a look", op.Key)
				}
			}
		}
		if wrote == 0 || len(looked) != 3 {
			t.Errorf("%d writes, looks at %v", wrote, looked)
		}
	})
}

// TestLanesKnowWhoIsUnconfirmed: a node that has a write, and says that too few others have, is
// no other node: nobody looks, and the connection goes on.
func TestLanesKnowWhoIsUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		doubted := 0
		w, k := piped(&scripted{answer: func(node int, op *history.Op) {
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if op.Outcome = history.OK; op.Value == 2 {
				op.Outcome, op.Error = history.Unknown, history.ErrNoQuorum
				doubted++
			}
		}}, 4)
		w.looks.Keys = 3
		for i := range w.lanes {
			w.lanes[i].generator = &blindWrites{}
		}
		w.run(t.Context(), forTime(w, 60*time.Millisecond))
		processes := map[uint32]bool{}
		for _, op := range k.ops {
			if processes[op.Process] = true; op.Kind == history.Read {
				t.Errorf("key %d was looked at", op.Key)
			}
		}
		if doubted != 4 || len(processes) != 8 {
			t.Errorf("%d doubts, %d processes of 4 lanes", doubted, len(processes))
		}
	})
}

// BenchmarkPipeline is BenchmarkWorker with several operations under way.
func BenchmarkPipeline(b *testing.B) {
	w, _ := piped(&instant{}, 16)
	w.record = forget{}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	left := b.N
	for i := range w.lanes {
		w.lanes[i].generator = &counted{left: &left, stop: stop}
	}
	b.ReportAllocs()
	b.ResetTimer()
	w.run(ctx, Window{}.endless())
}

type forget struct{}

func (forget) Append(*history.Op) {}

type counted struct {
	writes
	left *int
	stop func()
}

func (c *counted) Done(*history.Op) {
	if *c.left--; *c.left <= 0 {
		c.stop()
	}
}

var _ workloads.Generator = (*counted)(nil)

// instant is a system that answers as it is asked, all that was sent at once.
type instant struct{ scripted }

func (s *instant) Connect(context.Context, *cluster.Node, targets.ClientOptions) (targets.Client, error) {
	return &instantClient{}, nil
}

type instantClient struct{ scriptedClient }

func (c *instantClient) Pipe(depth int) targets.Pipe {
	return &instantPipe{sent: make(chan []int32, 1), back: make(chan []int32, 2), tags: make([]int32, 0, depth)}
}

type instantPipe struct {
	tags       []int32
	sent, back chan []int32
	once       sync.Once
}

func (p *instantPipe) Start(op *history.Op, tag int32) bool {
	op.Outcome = history.OK
	p.tags = append(p.tags, tag)
	return true
}

func (p *instantPipe) Flush() (int, error) {
	p.sent <- p.tags
	select {
	case p.tags = <-p.back:
	default:
		p.tags = make([]int32, 0, cap(p.tags))
	}
	p.tags = p.tags[:0]
	return 0, nil
}

func (p *instantPipe) Receive(tags []int32) ([]int32, bool) {
	sent, ok := <-p.sent
	tags = append(tags, sent...)
	if ok {
		select {
		case p.back <- sent:
		default:
		}
	}
	return tags, ok
}

func (p *instantPipe) Close() error { p.once.Do(func() { close(p.sent) }); return nil }
