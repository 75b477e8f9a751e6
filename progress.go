package aftershock

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/aftershock-chaos/aftershock/history"
)

// progressEvery is the live line's pace.
const progressEvery = 200 * time.Millisecond

// tally counts what the recorder's writer sees, for the live line. The
// recorder calls add from one goroutine; read may be called from another.
type tally struct {
	measured []bool // by workload

	mu                     sync.Mutex
	acked, failed, unknown uint64
	writes                 *hdrhistogram.Histogram // since the last read
}

func newTally(measured []bool) *tally {
	return &tally{measured: measured, writes: hdrhistogram.New(1000, int64(time.Hour), 2)}
}

// add counts a chunk of completed operations.
func (t *tally) add(ops []history.Op) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range ops {
		op := &ops[i]
		if !t.measured[op.Workload] || op.Final() {
			continue
		}
		switch op.Outcome {
		case history.OK:
			t.acked++
			if op.Kind.Writes() {
				_ = t.writes.RecordValue(min(op.End-op.Intended, int64(time.Hour)))
			}
		case history.Fail:
			if op.Error != history.ErrCompare {
				t.failed++
			}
		default:
			t.unknown++
		}
	}
}

// read fills in p and starts a new window for the percentile.
func (t *tally) read(p *Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.Acked, p.Failed, p.Unknown = t.acked, t.failed, t.unknown
	p.WriteP99 = time.Duration(t.writes.ValueAtQuantile(99))
	t.writes.Reset()
}

// reporter calls the user's Progress function.
type reporter struct {
	plan  *Plan
	clock history.Clock
	tally *tally
	roles *roles
	watch *watcher
	call  func(Progress)
	phase atomic.Pointer[string]
	start atomic.Int64 // the load's start on the clock

	mu     sync.Mutex
	faults []string
}

// event keeps the list of faults in force.
func (r *reporter) event(e history.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case history.EventFault:
		if !e.Failed {
			r.faults = append(r.faults, e.Fault+" "+e.Name)
		}
	case history.EventHeal:
		r.faults = slices.DeleteFunc(r.faults, func(f string) bool { return f == e.Fault+" "+e.Name })
	}
}

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context) {
	if r.call == nil {
		return
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	var last Progress
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p := Progress{Plan: r.plan.Name, Phase: *r.phase.Load(), Total: r.plan.Warmup + r.plan.Duration}
		if start := r.start.Load(); start > 0 {
			p.Elapsed = min(time.Duration(r.clock.Now()-start), p.Total)
		}
		r.tally.read(&p)
		p.Linearizable = r.watch.verdict()
		p.Rate = float64(p.Acked-last.Acked) / progressEvery.Seconds()
		if n := r.roles.primary(); n >= 0 {
			p.Primary = r.roles.nodes[n].Name
		}
		r.mu.Lock()
		p.Faults = slices.Clone(r.faults)
		r.mu.Unlock()
		r.call(p)
		last = p
	}
}
