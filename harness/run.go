// Package harness makes one run of a plan: it launches the system on a host,
// drives it, breaks it, records what happened, and has the record judged.
//
// Run checks the plan and chooses a host (run.go, hosts.go); the local host hands
// the run to a process in namespaces of its own (sandbox.go). An execution takes
// the run through its phases and starts the actors that go on beside them.
package harness

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/cluster/reaper"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// Run executes one plan and judges it. The plan is validated first, and left as
// it is; one with Vary has to be expanded before, see RunVariant. Errors wrap
// ErrInput, ErrInfrastructure or ErrInterrupted; a Result beside an error holds
// what could be saved.
func Run(ctx context.Context, p *plan.Plan, options Options) (*judge.Result, error) {
	return RunVariant(ctx, plan.Variant{Plan: p}, options)
}

// RunVariant is Run for one of the plans that plan.Expand makes of a plan with
// Vary. The verdict tells the varied values.
func RunVariant(ctx context.Context, v plan.Variant, options Options) (*judge.Result, error) {
	r, err := newRequest(v.Plan, options)
	if err != nil {
		return nil, err
	}
	for _, o := range v.Varied {
		r.varied = append(r.varied, results.Setting(o))
	}
	r.schedule = faults.Schedule(r.plan.Faults, r.plan.Duration, r.plan.Seed)
	return r.run(ctx, true)
}

// Replay is a saved plan with the schedule that was executed.
type Replay struct {
	Plan     *plan.Plan
	Schedule []faults.Planned
}

// LoadReplay reads what a run executed, to execute it again: the same seed,
// faults, instants and victims. Overrides change the plan, not the schedule.
// Errors wrap ErrInput.
func LoadReplay(path string, overrides []plan.Override) (*Replay, error) {
	dir, err := rundir.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	plan, schedule, err := judge.LoadPlanned(dir, overrides)
	if err != nil {
		return nil, fmt.Errorf("%w: replay %s: %w", failure.ErrInput, filepath.Base(path), err)
	}
	return &Replay{Plan: plan, Schedule: schedule}, nil
}

// Run executes the schedule again and judges the new run, see Run.
func (p *Replay) Run(ctx context.Context, options Options) (*judge.Result, error) {
	r, err := newRequest(p.Plan, options)
	if err != nil {
		return nil, err
	}
	r.schedule = p.Schedule
	return r.run(ctx, false)
}

// request is a run to be made: checked and complete, so that it can be handed
// to another process.
type request struct {
	plan     *plan.Plan // its own; with a seed
	schedule []faults.Planned
	varied   []results.Setting        // for the verdict
	origin   plan.Origin              // for the verdict
	control  *results.Control         // nil: the plan has none, or it is not made
	launch   string                   // random and its own: in the names of all that it makes
	options  Options                  // with their defaults
	clocks   map[string]history.Wrong // of drivers, in tests
}

func newRequest(p *plan.Plan, options Options) (*request, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.RunsDir == "" {
		options.RunsDir = "runs"
	}
	if len(p.Vary) > 0 {
		return nil, fmt.Errorf("%w: plan %s varies %s: expand it and run each of its plans", failure.ErrInput, p.Name, p.Vary[0].Path)
	}
	if p.Find.Asked() || p.Repeat > 1 {
		return nil, fmt.Errorf("%w: plan %s asks for more than one run (repeat, find): run the plan that its Once gives, or let harness/series make them all", failure.ErrInput, p.Name)
	}
	p = p.Clone()
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	if p.Seed == 0 {
		p.Seed = rand.Uint64N(1<<31) + 1
	}
	clocks, err := wrongClocks()
	if err != nil {
		return nil, err
	}
	return &request{plan: p, origin: p.Origin(), options: options, launch: crand.Text(), clocks: clocks}, nil
}

// run makes the run on the host that its plan names, and before it the control
// if one is wanted.
func (r *request) run(ctx context.Context, controlled bool) (*judge.Result, error) {
	host, err := hostOf(ctx, r.plan, r.options.Logger)
	if err == nil && (host.reap != nil || len(r.plan.Control.Violates) > 0) { // else nobody needs it
		r.options.Binary, err = findBinary(ctx, r.options, attached.Environ(r.plan))
	}
	if err != nil {
		return nil, orInterrupted(ctx, err)
	}
	if controlled {
		if r.control, err = r.makeControl(ctx, host); err != nil {
			return nil, fmt.Errorf("the negative control: %w", err)
		}
	}
	return r.on(ctx, host)
}

// on makes the run on a host.
func (r *request) on(ctx context.Context, host Host) (*judge.Result, error) {
	end := r.outlived(host)
	result, err := r.runOn(ctx, host)
	end(err)
	return result, err
}

func (r *request) runOn(ctx context.Context, host Host) (*judge.Result, error) {
	if host.reexecute != nil {
		return host.reexecute(ctx, r)
	}
	return execute(ctx, r, host)
}

// outlived starts the reaper, which removes what the run leaves on its host if
// this process does not come to it. The function that it returns ends it, once
// the run has ended with err: a run that could not clean up is left to it.
func (r *request) outlived(host Host) (end func(err error)) {
	if host.reap == nil {
		return func(error) {}
	}
	guard, err := reaper.Start(r.options.Binary, reaper.Order{Host: host.Name, Launch: r.launch, TempDir: os.TempDir(), Env: attached.Environ(r.plan)})
	if err != nil {
		r.options.Logger.Warn("what this run leaves behind if it is killed stays until the next one", "err", err)
		return func(error) {}
	}
	return func(err error) {
		if errors.Is(err, failure.ErrInfrastructure) {
			guard.Release()
			return
		}
		guard.Done()
	}
}

// Reap is what the hidden command reaper.Command does: it waits on in for the
// end of the harness that started it, and removes what is left of its run.
func Reap(ctx context.Context, in io.Reader) error {
	return reaper.Serve(ctx, in, func(ctx context.Context, order reaper.Order) (bool, error) {
		host, ok := FindHost(order.Host)
		if !ok || host.reap == nil {
			return false, fmt.Errorf("%w: no host %q", failure.ErrInput, order.Host)
		}
		return host.reap(ctx, order)
	})
}

// orInterrupted is err, or the interruption that caused it.
func orInterrupted(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w before the nodes were launched", failure.ErrInterrupted)
	}
	return fmt.Errorf("%w: %v", failure.ErrInterrupted, err) // what it wraps does not count any more
}
