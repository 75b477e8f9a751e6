package load

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/demand"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// Load drives the workloads. It owns the workers of the phases warm-up and
// measure.
type Load struct {
	Clients
	Workloads []workloads.Workload
	History   *history.Recorder
	Seed      uint64
	Emit      func(history.Event)
	Share     Share            // of all workers
	all       []assignedWorker // once they are made
}

// Window is the part of the run in which workers start operations, in
// readings of the clock.
type Window struct {
	Start   int64 // of the load
	Measure int64 // operations intended before it are warm-up
	Stop    int64 // no operation is intended at or after it
	Grace   int64 // no operation is sent at or after it, however late it is
	Spans   []plan.LoadSpan
}

// NewWindow has as much time for late operations as clients that wait for an
// answer may need, and then some, but not for a backlog of any length.
func NewWindow(start int64, p *plan.Plan) Window {
	w := Window{Start: start, Measure: start + int64(p.Warmup), Stop: start + int64(p.Warmup+p.Duration), Spans: p.LoadSpans()}
	w.Grace = w.Stop + int64(min(p.Timeouts.Connect+p.Timeouts.Operation+time.Second, graceMost))
	return w
}

// graceMost bounds the time for late operations.
const graceMost = 10 * time.Second

// limit is when no operation is sent any more.
func (w *Window) limit(paced bool) int64 {
	if paced {
		return w.Grace
	}
	return w.Stop
}

// endless is the same window without an end.
func (w Window) endless() Window {
	w.Stop, w.Grace = 1<<63-1, 1<<63-1
	return w
}

// Run lets the workers work until the window's end, and tells what of the load
// was never sent. Those that only watch for what others wrote are handed to
// poll, and go on.
func (l *Load) Run(ctx context.Context, window Window, poll func(func(context.Context))) {
	var working sync.WaitGroup
	all := l.staff()
	for _, w := range all {
		if w.worker.filter != nil {
			poll(func(ctx context.Context) { w.run(ctx, window.endless()) })
			continue
		}
		working.Go(func() { w.run(ctx, window) })
	}
	telling, stop := context.WithCancel(ctx)
	var phases sync.WaitGroup
	phases.Go(func() { l.TellPhases(telling, window) })
	defer func() { stop(); phases.Wait() }() // a phase without operations begins though all workers are done
	working.Wait()
	ended := window // what others go on by stays as it is
	if now := l.Clock.Now(); now < window.Stop && ctx.Err() != nil {
		ended.Stop = now // the rest was called off
	}
	for number, workload := range l.Workloads {
		if first, behind := l.Share.Of(workload, len(l.Nodes)); !workload.Measured(0) || first == behind {
			continue
		}
		at, demand := demand.Of(workload.Kinds(), workersOf(all, number), ended.Told())
		l.Emit(history.Event{At: min(at, l.Clock.Now()), Kind: history.EventDemand, Name: workload.Spec().Name, Demand: demand})
	}
	SleepUntil(ctx, l.Clock, ended.Stop)
}

// assignedWorker is a worker with its own part of the history.
type assignedWorker struct {
	worker *worker
	buffer *history.Buffer
	next   *uint64 // number of the first operation that was not sent
}

func (w assignedWorker) run(ctx context.Context, window Window) {
	*w.next = w.worker.run(ctx, window)
	w.buffer.Flush()
}

func workersOf(all []assignedWorker, workload int) (list []demand.Worker) {
	for _, w := range all {
		if int(w.worker.workload) == workload {
			list = append(list, demand.Worker{Pacer: w.worker.pacer, Next: *w.next, Backlog: &w.worker.backlog})
		}
	}
	return list
}

// Told is the window as what came of the demand is told by.
func (w Window) Told() demand.Window {
	told := demand.Window{Start: w.Start, Measure: w.Measure, Stop: w.Stop, Grace: w.Grace}
	for _, s := range w.Spans {
		told.Cuts = append(told.Cuts, w.Measure+int64(s.Begin), w.Measure+int64(s.End))
	}
	return told
}

// TellPhases tells of each phase of the load as it begins.
func (l *Load) TellPhases(ctx context.Context, w Window) {
	spans := slices.Clone(w.Spans)
	slices.SortStableFunc(spans, func(a, b plan.LoadSpan) int { return cmp.Compare(a.Begin, b.Begin) })
	for _, s := range spans {
		at := w.Measure + int64(s.Begin)
		if !SleepUntil(ctx, l.Clock, at) {
			return
		}
		l.Emit(history.Event{At: at, Until: w.Measure + int64(s.End), Kind: history.EventLoad, Name: s.Name, Detail: s.Rule, Workloads: s.Workloads})
	}
}

// staff is every worker of every workload.
func (l *Load) staff() []assignedWorker {
	if l.all == nil {
		l.all = l.workers()
	}
	return l.all
}

// workers makes every worker of every workload. Process ids never meet: each
// worker, and each lane of one, starts at its own number and steps by how many there
// are in all.
func (l *Load) workers() []assignedWorker {
	var all []assignedWorker
	var processes []*uint32
	for number, workload := range l.Workloads {
		spec, count := workload.Spec(), workloads.Connections(workload, len(l.Nodes))
		closed, gap := courseOf(&spec, count)
		first, behind := l.Share.Of(workload, len(l.Nodes))
		for i := range count {
			if i < first || i >= behind {
				for range max(spec.Pipeline, 1) {
					processes = append(processes, new(uint32)) // of a worker elsewhere
				}
				continue
			}
			buffer := l.History.Buffer()
			w := newWorker(l.Clients, buffer)
			w.pacer, w.closed = workload.Pacer(i, len(l.Nodes)), closed
			w.backlog.Skip, w.backlog.Gap = spec.Backlog == workloads.SkipIt, gap
			w.workload = uint8(number)
			if spec.Pipeline > 1 {
				w.lanes = make([]lane, spec.Pipeline)
			}
			for k := range w.lanes {
				lane := &w.lanes[k]
				lane.index = uint16(i*spec.Pipeline + k)
				lane.generator = workload.Worker(int(lane.index), len(l.Nodes), l.Seed)
				processes = append(processes, &lane.process)
			}
			if len(w.lanes) > 0 {
				w.generator, w.index = w.lanes[0].generator, w.lanes[0].index
			} else {
				w.generator, w.index = workload.Worker(i, len(l.Nodes), l.Seed), uint16(i)
				w.filter, _ = w.generator.(workloads.Filter)
				processes = append(processes, &w.process)
			}
			if blind, ok := w.generator.(workloads.BlindWriter); ok {
				w.looks.Keys = blind.Blind()
			}
			all = append(all, assignedWorker{w, buffer, new(uint64)})
		}
	}
	for i, process := range processes {
		*process = uint32(i)
	}
	for _, w := range all {
		w.worker.step = uint32(len(processes))
	}
	return all
}

// Processes are the process id that worker 0 of a workload begins with, those of the others
// following, and by how much ids step: how many workers there are in all.
func Processes(list []workloads.Workload, workload, nodes int) (first, step uint32) {
	for i, w := range list {
		n := uint32(workloads.Connections(w, nodes) * max(w.Spec().Pipeline, 1))
		if i < workload {
			first += n
		}
		step += n
	}
	return first, step
}

// courseOf are the times in which a workload is a closed loop though it has a
// rate at others, and the least gap between operations of one worker that are late.
func courseOf(spec *workloads.Spec, workers int) (closed []pace.Stretch, gap func(at int64) int64) {
	curve := spec.Curve()
	if curve == nil {
		return nil, nil
	}
	return curve.Closed(), func(at int64) int64 { return spec.CatchUpGap(curve, workers, at) }
}
