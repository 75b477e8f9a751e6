package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
)

// processes is what the engine has made of one node's processes. Whoever has
// the turn may read and change it.
type processes struct {
	turns
	ending     atomic.Uint64 // counts twice how often a fault has ended its server: odd while one does; this everybody may read
	wantDown   int           // faults that hold the node down
	wantPaused int           // faults that hold it paused
	down       bool          // it was killed or stopped, and not yet started again
	wiped      bool          // it lost its disk as well: not a start, but a join brings it back
	paused     bool          // it was paused, and not yet resumed
}

// hold puts a fault of processes into effect on node i at an instant of the
// clock.
func (e *Engine) hold(ctx context.Context, f *activeFault, i int, at int64) outcome {
	p, name := e.processes[i], e.Nodes[i].Name
	turn := p.reserve(at)
	if f.planned.For > 0 || f.instant() {
		f.ends[i] = p.reserve(at + int64(f.planned.For))
	}
	e.sleepUntil(ctx, at-int64(sendAhead))
	if err := p.acquire(ctx, turn); err != nil {
		return outcome{err: fmt.Errorf("%s: %w", name, err)}
	}
	defer p.release(turn)
	f.inEffect[i] = true
	enter := e.actionOf(f, f.kind.EnterOf(f.planned.Spec), at)
	enter.Process = f.planned.Spec.Process
	if f.kind.Hold == faults.Paused {
		p.wantPaused++
		if p.down {
			return outcome{at: max(at, e.Clock.Now()), note: name + " is down and will be paused when it starts"}
		}
		already := p.paused
		p.paused = true
		return explainUnchanged(e.do(ctx, i, enter), already, name+" was paused already", "nothing ran on "+name)
	}
	p.wantDown++
	p.ending.Add(1)
	defer p.ending.Add(1)
	already := p.down && enter.Kind != cluster.Wipe
	p.down, p.paused = true, false
	p.wiped = p.wiped || enter.Kind == cluster.Wipe
	o := explainUnchanged(e.do(ctx, i, enter), already, name+" was down already", "nothing ran on "+name)
	if o.unchanged && f.kind.Starts {
		o.unchanged, o.note = false, name+" had ended by itself, and is started"
		o.counts = map[string]uint64{faults.CountStarted: 1}
	}
	return o
}

// explainUnchanged notes why an action changed nothing, if so. With another
// fault as the reason the node is as this fault wants it, which counts as an
// effect.
func explainUnchanged(o outcome, otherFault bool, because, otherwise string) outcome {
	if o.unchanged {
		o.unchanged, o.note = !otherFault, otherwise
		if otherFault {
			o.note = because
		}
	}
	return o
}

// letGo ends the fault's hold on node i and brings the node, at an instant of
// the clock, to what no other fault forbids.
func (e *Engine) letGo(ctx context.Context, f *activeFault, i int, at int64) outcome {
	p, turn := e.processes[i], f.ends[i]
	if turn == nil {
		turn = p.reserve(at)
	}
	f.ends[i] = nil
	e.sleepUntil(ctx, at-int64(sendAhead))
	if err := p.acquire(ctx, turn); err != nil {
		return outcome{err: fmt.Errorf("%s: %w", e.Nodes[i].Name, err)}
	}
	defer p.release(turn)
	if f.inEffect[i] {
		f.inEffect[i] = false
		if f.kind.Hold == faults.Paused {
			p.wantPaused--
		} else {
			p.wantDown--
		}
		f.healed[i] = e.reconcile(ctx, i, at)
	}
	return f.healed[i]
}

// reconcileNow brings node i to what the faults in force want of it.
func (e *Engine) reconcileNow(ctx context.Context, i int) error {
	p := e.processes[i]
	turn := p.reserve(0)
	if err := p.acquire(ctx, turn); err != nil {
		return fmt.Errorf("%s: %w", e.Nodes[i].Name, err)
	}
	defer p.release(turn)
	return e.reconcile(ctx, i, 0).err
}

// reconcile brings node i to the state that the faults which hold it ask for.
// It is called with the node's turn. What it could not do it tries again when
// it is called again.
func (e *Engine) reconcile(ctx context.Context, i int, at int64) outcome {
	p, name := e.processes[i], e.Nodes[i].Name
	o := outcome{at: max(at, e.Clock.Now())}
	if p.down && p.wantDown > 0 {
		o.note = name + " stays down for another fault"
		return o
	}
	switch {
	case p.wiped:
		o = e.change(ctx, i, cluster.Action{Kind: cluster.Join, At: e.Clock.Time(at)})
		o.at = e.Clock.Now() // it is over when the new one is a member
	case p.down:
		o = e.undo(ctx, i, cluster.Action{Kind: cluster.Restart, At: e.Clock.Time(at)})
	}
	if o.err != nil {
		return o
	}
	p.down, p.wiped = false, false
	switch {
	case p.wantPaused > 0 && !p.paused:
		p.paused = true
		if again := e.do(ctx, i, cluster.Action{Kind: cluster.Pause}); again.err != nil {
			return again
		}
		o.note = name + " was paused again for another fault"
	case p.wantPaused > 0:
		o.note = name + " stays paused for another fault"
	case p.paused:
		o = e.undo(ctx, i, cluster.Action{Kind: cluster.Resume, At: e.Clock.Time(at)})
		p.paused = o.err != nil
	}
	return o
}
