package harness

import (
	"context"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// pace knows which step a run is at: setting up, a phase, judging. It notes how long
// each took, and how long it did in the plan's run before, which is how long it is
// likely to take now. Steps may be begun by any goroutine.
type pace struct {
	plan *plan.Plan
	run  string         // its name
	call func(Progress) // nil: nobody asks
	last rundir.Took

	mu    sync.Mutex
	step  string
	since time.Time
	took  map[string]time.Duration
}

// begin begins a step, and ends the one before.
func (p *pace) begin(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.step != "" {
		p.took[p.step] += now.Sub(p.since)
	}
	p.step, p.since = step, now
}

// tell begins a step before the load, or after it, and tells it. While the load goes on
// it is the reporter that tells.
func (p *pace) tell(step string) {
	p.begin(step)
	if p.call != nil {
		p.call(p.moment(step))
	}
}

func (p *pace) moment(step string) Progress {
	return Progress{Plan: p.plan.Name, Run: p.run, Phase: step, Usual: p.last.Steps[step]}
}

// judging begins the judgement of so many operations. The context that it returns has
// the checkers tell how far they are, in moments like the one it is given.
func (p *pace) judging(ctx context.Context, operations int, moment Progress) context.Context {
	p.begin(stepJudge)
	if p.call == nil {
		return ctx
	}
	moment.Phase, moment.Usual = stepJudge, 0
	if p.last.Operations > 0 {
		moment.Usual = time.Duration(float64(p.last.Steps[stepJudge]) * float64(operations) / float64(p.last.Operations))
	}
	p.call(moment)
	return checkers.WithProgress(ctx, func(share float64) {
		moment.Share, moment.Events = share, nil
		p.call(moment)
	})
}

// over ends the last step, and says how long all took.
func (p *pace) over(host string, operations int) *rundir.Took {
	p.begin("")
	return &rundir.Took{Plan: p.plan.Name, Host: host, Operations: operations, Steps: p.took}
}

// The steps that are no phases of the run's clock.
const (
	stepLaunch = "launching"
	stepForm   = "form"
	stepJudge  = "judge"
)
