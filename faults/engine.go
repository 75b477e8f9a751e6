package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	// lead is how long before its planned instant a fault's victims are chosen.
	lead = 50 * time.Millisecond
	// sendAhead is how long before its instant an action on a node's processes
	// is sent. Until it is done no other is sent to that node.
	sendAhead = 40 * time.Millisecond
	// actionTimeout bounds an agent's action beyond its instant and its grace.
	actionTimeout = 10 * time.Second
	// healTries and healPause bound the tries to undo a fault on one node.
	healTries = 3
	healPause = 100 * time.Millisecond
	// healTimeout bounds HealAll.
	healTimeout = 25 * time.Second
)

// Engine executes schedules through the nodes' agents. Faults compose: a node
// is down while any fault wants it down, and paused while any wants it paused,
// also when it was started again meanwhile.
type Engine struct {
	Nodes   []*cluster.Node
	Harness netip.Addr // where clients' packets come from
	Clock   history.Clock
	// Base is the measured phase's start on the clock, in nanoseconds; set
	// before Run.
	Base int64
	// View tells of Nodes, in their order, as they are now.
	View func() View
	// Emit takes what happened; it is never called twice at once.
	Emit   func(history.Event)
	Logger *slog.Logger // nil: silent

	once     sync.Once
	lanes    []*lane // by node
	emitting sync.Mutex

	mu      sync.Mutex
	forces  map[string]*force      // in force, by the fault's id
	stopRun func() <-chan struct{} // ends Run; closed when it has returned; nil: not running
}

func (e *Engine) init() {
	e.once.Do(func() {
		e.forces = map[string]*force{}
		for range e.Nodes {
			e.lanes = append(e.lanes, &lane{})
		}
		if e.Logger == nil {
			e.Logger = slog.New(slog.DiscardHandler)
		}
	})
}

// Run executes the schedule: each fault begins and ends at its planned instant
// after Base. It returns when all of them have ended, but for those that last
// until HealAll. A fault that cannot be put into effect is an EventFault with
// Failed, and the others go on. The faults that were begun are returned in the
// order of their instants, with their victims filled in, for a replay. The
// error is of a schedule that fits these nodes nowhere, in which case nothing
// was begun, or of ctx's end; then call HealAll. Only one Run at a time.
func (e *Engine) Run(ctx context.Context, schedule []Planned) ([]Planned, error) {
	e.init()
	if err := e.check(schedule); err != nil {
		return nil, err
	}
	ctx, finish, err := e.enterRun(ctx)
	if err != nil {
		return nil, err
	}
	defer finish()
	executed := slices.Clone(schedule)
	slices.SortStableFunc(executed, func(a, b Planned) int { return cmp.Compare(a.At, b.At) })
	var faults sync.WaitGroup
	begun := 0
	for ; begun < len(executed); begun++ {
		p := &executed[begun]
		if !e.sleepUntil(ctx, e.instant(p.At)-int64(lead)) {
			break
		}
		faults.Go(func() { e.execute(ctx, p) })
	}
	faults.Wait()
	if ctx.Err() != nil {
		return executed[:begun], fmt.Errorf("the schedule was interrupted after %d of %d faults had begun: %w", begun, len(executed), context.Cause(ctx))
	}
	return executed, nil
}

// enterRun makes this the only Run, which HealAll can end.
func (e *Engine) enterRun(ctx context.Context) (context.Context, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopRun != nil || len(e.forces) > 0 {
		return nil, nil, errors.New("a schedule is in force already: call HealAll first")
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	e.stopRun = func() <-chan struct{} { cancel(); return done }
	return ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.stopRun = nil
		cancel()
		close(done)
	}, nil
}

// check refuses a schedule, usually one to be replayed, that does not fit.
func (e *Engine) check(schedule []Planned) error {
	seen := map[string]bool{}
	for _, p := range schedule {
		if p.ID == "" || seen[p.ID] {
			return fmt.Errorf("schedule: the fault at %s has the id %q, which is empty or used twice", p.At, p.ID)
		}
		seen[p.ID] = true
		if _, ok := findKind(p.Spec.Kind); !ok {
			return fmt.Errorf("schedule: fault %s: unknown kind %q", p.ID, p.Spec.Kind)
		}
		if _, ok := findShape(p.Spec.Shape); !ok && p.Spec.Kind == "partition" {
			return fmt.Errorf("schedule: fault %s: unknown shape %q", p.ID, p.Spec.Shape)
		}
		for _, victim := range p.Victims {
			if !slices.ContainsFunc(e.Nodes, func(n *cluster.Node) bool { return n.Name == victim }) {
				return fmt.Errorf("schedule: fault %s names the victim %q, which this cluster does not have: replay it on as many nodes as it was made for", p.ID, victim)
			}
		}
	}
	return nil
}

// execute takes one fault from its victims' choice to its end.
func (e *Engine) execute(ctx context.Context, p *Planned) {
	victims, err := e.aim(ctx, p)
	if err != nil {
		e.emit(history.Event{At: e.Clock.Now(), Planned: e.instant(p.At), Kind: history.EventFault,
			Fault: p.ID, Name: eventName(p.Spec), Failed: true, Detail: err.Error()})
		return
	}
	f := e.newForce(*p, victims)
	p.Victims = f.names
	f.planned.Victims = f.names
	e.mu.Lock()
	e.forces[p.ID] = f
	e.mu.Unlock()
	e.begin(ctx, f)
	switch {
	case f.instant():
		_ = e.end(ctx, f, 0) // told by the event; HealAll tries again
	case p.For > 0 && e.sleepUntil(ctx, e.instant(p.At+p.For)-int64(lead)):
		_ = e.end(ctx, f, e.instant(p.At+p.For)) // likewise
	}
}

// aim chooses the victims. When no node fits now, as in the middle of a
// failover, it looks again until the planned instant.
func (e *Engine) aim(ctx context.Context, p *Planned) ([]int, error) {
	for {
		view := e.View()
		if len(view.Nodes) != len(e.Nodes) {
			return nil, fmt.Errorf("the view has %d nodes, the cluster %d", len(view.Nodes), len(e.Nodes))
		}
		victims, err := Resolve(*p, view)
		if !errors.Is(err, ErrNoVictim) || e.Clock.Now() >= e.instant(p.At) {
			return victims, err
		}
		if !e.sleepUntil(ctx, min(e.Clock.Now()+int64(lead/5), e.instant(p.At))) {
			return nil, fmt.Errorf("interrupted: %w", err)
		}
	}
}

// HealAll ends every fault that is in force now, and Run if it has not
// returned. It takes no notice of ctx's end but has its own bound of 25 s. What
// could not be undone after a few tries is returned, joined.
func (e *Engine) HealAll(ctx context.Context) error {
	e.init()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healTimeout)
	defer cancel()
	e.mu.Lock()
	stop := e.stopRun
	e.mu.Unlock()
	if stop != nil {
		select {
		case <-stop():
		case <-ctx.Done():
			return fmt.Errorf("the schedule did not end in %s; the faults in force were left as they are", healTimeout)
		}
	}
	e.mu.Lock()
	var left []*force
	for _, f := range e.forces {
		left = append(left, f)
	}
	e.mu.Unlock()
	errs := make([]error, len(left)+len(e.Nodes))
	var ending sync.WaitGroup
	for i, f := range left {
		ending.Go(func() {
			if err := e.end(ctx, f, 0); f.rules != nil {
				errs[i] = err // that of a process is settled below
			}
		})
	}
	ending.Wait()
	for i := range e.Nodes { // what the end of a fault could not undo
		ending.Go(func() { errs[len(left)+i] = e.settle(ctx, i) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// instant is a time after Base on the clock.
func (e *Engine) instant(after time.Duration) int64 { return e.Base + int64(after) }

// sleepUntil sleeps until the clock reads t; false when ctx ended first.
func (e *Engine) sleepUntil(ctx context.Context, t int64) bool {
	timer := time.NewTimer(time.Duration(t - e.Clock.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (e *Engine) emit(event history.Event) {
	e.emitting.Lock()
	defer e.emitting.Unlock()
	e.Emit(event)
}
