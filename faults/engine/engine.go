// Package engine executes schedules of faults through the agents of the nodes.
// What a fault does is told by its faults.Kind.
package engine

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
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	// lead is how long before its planned instant a fault's victims are chosen.
	lead = 50 * time.Millisecond
	// patience bounds how long after its planned instant a fault waits for a victim,
	// as when the primary is being replaced; half of what it is to last bounds it too.
	patience = time.Second
	// sendAhead is how long before its instant an action on a node's processes
	// is sent. Until it is done no other is sent to that node.
	sendAhead = 40 * time.Millisecond
	// actionTimeout bounds an agent's action beyond its instant and its grace.
	actionTimeout = 10 * time.Second
	// commandTimeout bounds a command of the plan, and a task of the target.
	commandTimeout = 2 * time.Minute
	// memberTimeout bounds a change of the cluster's members.
	memberTimeout = time.Minute
	// rolloutTimeout bounds the replacement of all nodes in turn.
	rolloutTimeout = 10 * time.Minute
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
	Harness netip.Addr   // where clients' packets come from
	Clients []netip.Addr // where else they do
	// Here runs a command on this machine, within ctx, and returns what it said; nil
	// where no fault asks for it.
	Here func(ctx context.Context, command []string) ([]byte, error)
	// Lookup finds the addresses of what is no node; nil where no fault names any.
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	// Members changes who belongs to the cluster; nil where no fault does.
	Members Members
	// Upgrades replaces servers by those of other versions; nil where no fault does.
	Upgrades Upgrades
	// Task has the target do a task on a node, within ctx, and returns words about what
	// came of it; nil where no fault asks for it.
	Task  func(ctx context.Context, node int, task string) (words string, err error)
	Clock history.Clock
	// Base is the measured phase's start on the clock, in nanoseconds; set
	// before Run.
	Base int64
	// Attached: somebody else runs the nodes.
	Attached bool
	// View describes Nodes, in their order, as they are now.
	View func() faults.View
	// Emit takes what happened; it is never called twice at once.
	Emit   func(history.Event)
	Logger *slog.Logger // nil: silent

	once      sync.Once
	processes []*processes // by node
	emitting  sync.Mutex

	mu      sync.Mutex
	active  map[string]*activeFault // in force, by the fault's id
	stopRun func() <-chan struct{}  // ends Run; closed when it has returned; nil: not running
}

func (e *Engine) init() {
	e.once.Do(func() {
		e.active = map[string]*activeFault{}
		for range e.Nodes {
			e.processes = append(e.processes, &processes{})
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
func (e *Engine) Run(ctx context.Context, schedule []faults.Planned) ([]faults.Planned, error) {
	e.init()
	if err := faults.CheckSchedule(schedule, e.names()); err != nil {
		return nil, err
	}
	ctx, finish, err := e.enterRun(ctx)
	if err != nil {
		return nil, err
	}
	defer finish()
	executed := slices.Clone(schedule)
	slices.SortStableFunc(executed, func(a, b faults.Planned) int { return cmp.Compare(a.At, b.At) })
	var executing sync.WaitGroup
	begun := 0
	for ; begun < len(executed); begun++ {
		p := &executed[begun]
		if !e.sleepUntil(ctx, e.instant(p.At)-int64(lead)) {
			break
		}
		executing.Go(func() { e.execute(ctx, p) })
	}
	executing.Wait()
	if ctx.Err() != nil {
		return executed[:begun], fmt.Errorf("the schedule was interrupted after %d of %d faults had begun: %w", begun, len(executed), context.Cause(ctx))
	}
	return executed, nil
}

// enterRun makes this the only Run, which HealAll can end.
func (e *Engine) enterRun(ctx context.Context) (context.Context, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopRun != nil || len(e.active) > 0 {
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

// execute takes one fault from its victims' choice to its end.
func (e *Engine) execute(ctx context.Context, p *faults.Planned) {
	victims, err := e.chooseVictims(ctx, p)
	also, lookErr := e.lookup(ctx, p.Spec.Also)
	if err = cmp.Or(err, lookErr); err != nil {
		e.emit(history.Event{At: e.Clock.Now(), Planned: e.instant(p.At), Kind: history.EventFault,
			Fault: p.ID, Name: p.Spec.Name(), Failed: true, Detail: err.Error()})
		return
	}
	f := e.activate(*p, victims, also)
	p.Victims = f.victims
	e.mu.Lock()
	e.active[p.ID] = f
	e.mu.Unlock()
	e.begin(ctx, f)
	switch {
	case f.instant():
		_ = e.end(ctx, f, 0) // the event has the error; HealAll tries again
	case p.For > 0 && e.sleepUntil(ctx, e.instant(p.At+p.For)-int64(lead)):
		_ = e.end(ctx, f, e.instant(p.At+p.For)) // likewise
	}
}

// lookup finds the addresses of what is no node.
func (e *Engine) lookup(ctx context.Context, names []string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, name := range names {
		if e.Lookup == nil {
			return nil, fmt.Errorf("nobody knows where %s is: also is for deployments that are attached to by compose or containers", name)
		}
		addrs, err := e.Lookup(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, addrs...)
	}
	return all, nil
}

// chooseVictims chooses the victims. When no node fits now, as in the middle of a
// failover, it looks again until the planned instant, and with patience after it.
func (e *Engine) chooseVictims(ctx context.Context, p *faults.Planned) ([]int, error) {
	until := e.instant(p.At + patienceOf(p))
	for {
		view := e.View()
		if len(view.Nodes) != len(e.Nodes) {
			return nil, fmt.Errorf("the view has %d nodes, the cluster %d", len(view.Nodes), len(e.Nodes))
		}
		victims, err := faults.Resolve(*p, view)
		if !errors.Is(err, faults.ErrNoVictim) || e.Clock.Now() >= until {
			return victims, err
		}
		if !e.sleepUntil(ctx, min(e.Clock.Now()+int64(lead/5), until)) {
			return nil, fmt.Errorf("interrupted: %w", err)
		}
	}
}

// patienceOf is for how long after its instant p waits for a victim.
func patienceOf(p *faults.Planned) time.Duration {
	if p.For > 0 {
		return min(patience, p.For/2)
	}
	return patience
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
	var left []*activeFault
	for _, f := range e.active {
		left = append(left, f)
	}
	e.mu.Unlock()
	errs := make([]error, len(left)+len(e.Nodes))
	var ending sync.WaitGroup
	for i, f := range left {
		ending.Go(func() {
			if err := e.end(ctx, f, 0); f.kind.Steps != nil {
				errs[i] = err // that of processes is tried again below
			}
		})
	}
	ending.Wait()
	for i := range e.Nodes { // what the ends of faults could not undo
		ending.Go(func() { errs[len(left)+i] = e.reconcileNow(ctx, i) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// names are the nodes' names.
func (e *Engine) names() []string {
	names := make([]string, len(e.Nodes))
	for i, n := range e.Nodes {
		names[i] = n.Name
	}
	return names
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
