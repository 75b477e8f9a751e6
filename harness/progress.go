package harness

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/roles"
	"github.com/aftershock-chaos/aftershock/history"
)

// progressEvery is the live line's pace.
const progressEvery = 200 * time.Millisecond

// liveCounts counts what the recorder's writer sees, for the live line. The
// recorder calls add from one goroutine; read may be called from another.
type liveCounts struct {
	measured []bool // by workload

	mu                     sync.Mutex
	acked, failed, unknown uint64
	writes                 *hdrhistogram.Histogram // since the last read
}

func newLiveCounts(measured []bool) *liveCounts {
	return &liveCounts{measured: measured, writes: hdrhistogram.New(1000, int64(time.Hour), 2)}
}

// add counts a chunk of completed operations.
func (c *liveCounts) add(ops []history.Op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range ops {
		op := &ops[i]
		if !c.measured[op.Workload] || op.Final() || op.Flags&history.Part != 0 {
			continue
		}
		switch op.Outcome {
		case history.OK:
			c.acked++
			if op.Kind.Writes() {
				_ = c.writes.RecordValue(min(op.End-op.Intended, int64(time.Hour)))
			}
		case history.Fail:
			if op.Error != history.ErrCompare {
				c.failed++
			}
		default:
			c.unknown++
		}
	}
}

// read fills in p and starts a new window for the percentile.
func (c *liveCounts) read(p *Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Acked, p.Failed, p.Unknown = c.acked, c.failed, c.unknown
	p.WriteP99 = time.Duration(c.writes.ValueAtQuantile(99))
	c.writes.Reset()
}

// progressReporter calls the user's Progress function.
type progressReporter struct {
	plan  *plan.Plan
	clock history.Clock
	live  *live
	roles *roles.Roles
	call  func(Progress)
	news  *news
	pace  *pace
	phase atomic.Pointer[string]
	start atomic.Int64 // the load's start on the clock

	mu       sync.Mutex
	faults   []string
	hit      map[string][]string // by node: the faults in force that hit it
	begun    map[string]bool     // the faults of the schedule that have begun
	lags     map[string]toldLag  // by node
	schedule []faults.Planned
}

// toldLag is when a system said how far a node is behind.
type toldLag struct {
	at int64
	Lagging
}

// lagKept is for how long what was told of a node's lag is shown.
const lagKept = int64(2 * time.Second)

// note keeps the list of faults in force, and what is told of the nodes' lag.
func (r *progressReporter) note(e history.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case history.EventLag:
		told := toldLag{e.At, Lagging{Time: -1, Bytes: -1}}
		if before, ok := r.lags[e.Node]; ok && e.At-before.at < lagKept/2 {
			told.Lagging = before.Lagging // one source tells the time, another the bytes
		}
		if e.Lag != nil {
			told.Time = time.Duration(*e.Lag)
		}
		if e.Bytes != nil {
			told.Bytes = *e.Bytes
		}
		r.lags[e.Node] = told
	case history.EventFault:
		r.begun[e.Fault] = true
		if !e.Failed {
			r.faults = append(r.faults, e.Fault+" "+e.Name)
			for _, n := range e.Nodes {
				r.hit[n] = append(r.hit[n], e.Name)
			}
		}
	case history.EventHeal:
		r.faults = slices.DeleteFunc(r.faults, func(f string) bool { return f == e.Fault+" "+e.Name })
		for _, n := range e.Nodes {
			if at := slices.Index(r.hit[n], e.Name); at >= 0 {
				r.hit[n] = slices.Delete(r.hit[n], at, at+1)
			}
		}
	}
}

// fill tells of the nodes and of the schedule.
func (r *progressReporter) fill(p *Progress) {
	view := r.roles.View()
	primary := r.roles.Primary()
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Faults = slices.Clone(r.faults)
	for i, n := range view.Nodes {
		now := NodeMoment{Name: n.Name, Role: n.Role, Primary: i == primary, Faults: slices.Clone(r.hit[n.Name])}
		if told, ok := r.lags[n.Name]; ok && i != primary && r.clock.Now()-told.at < lagKept {
			now.Lag = &told.Lagging
		}
		p.Nodes = append(p.Nodes, now)
	}
	for _, f := range r.schedule {
		if at := r.plan.Warmup + f.At; !r.begun[f.ID] && at >= p.Elapsed && (p.NextFault == "" || at-p.Elapsed < p.Next) {
			p.NextFault, p.Next = f.Spec.Title(), at-p.Elapsed
		}
	}
}

// report reports until ctx ends, and then what is still to be told.
func (r *progressReporter) report(ctx context.Context) {
	if r.call == nil {
		return
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	var last Progress
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case <-tick.C:
		}
		p := r.moment()
		p.Rate = float64(p.Acked-last.Acked) / progressEvery.Seconds()
		r.call(p)
		last = p
	}
}

// moment is what the run is like now.
func (r *progressReporter) moment() Progress {
	p := Progress{Plan: r.plan.Name, Run: r.pace.run, Began: r.clock.Time(0).Round(0), Phase: *r.phase.Load(), Total: r.plan.Warmup + r.plan.Duration, Events: r.news.take()}
	if start := r.start.Load(); start > 0 {
		p.Elapsed = min(time.Duration(r.clock.Now()-start), p.Total)
	}
	if !loading(p.Phase) {
		p.Usual = r.pace.last.Steps[p.Phase]
	}
	r.live.counts.read(&p)
	p.Linearizable = r.live.watch.Verdict()
	p.Metrics = r.live.metrics.Snapshot()
	if n := r.roles.Primary(); n >= 0 {
		p.Primary = r.roles.Nodes[n].Name
	}
	r.fill(&p)
	return p
}
