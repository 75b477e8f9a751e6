package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// report is what became of a step on one node.
type report struct {
	at      int64 // when it took effect, on the clock; 0: it did not
	nothing bool  // there was nothing to do, and no other fault is why
	dropped uint64
	note    string
	err     error
}

// seize puts a fault of processes into effect on node i at an instant of the
// clock and counts it.
func (e *Engine) seize(ctx context.Context, f *force, i int, at int64) report {
	l, name := e.lanes[i], e.Nodes[i].Name
	turn := l.announce(at)
	if f.planned.For > 0 || f.instant() {
		f.ends[i] = l.announce(at + int64(f.planned.For))
	}
	e.sleepUntil(ctx, at-int64(sendAhead))
	if err := l.take(ctx, turn); err != nil {
		return report{err: fmt.Errorf("%s: %w", name, err)}
	}
	defer l.withdraw(turn)
	f.held[i] = true
	action := cluster.Action{Kind: f.kind.action, ID: f.planned.ID, At: e.Clock.Time(at)}
	if f.kind.action == cluster.Pause {
		l.paused++
		if l.killed {
			return report{at: max(at, e.Clock.Now()), note: name + " is down and will be paused when it starts"}
		}
		already := l.frozen
		l.frozen = true
		return explain(e.act(ctx, i, action), already, name+" was paused already", "nothing ran on "+name)
	}
	if f.kind.action == cluster.Stop {
		action.Grace = stopGrace
	}
	l.down++
	already := l.killed
	l.killed, l.frozen = true, false
	return explain(e.act(ctx, i, action), already, name+" was down already", "nothing ran on "+name)
}

// explain says why there was nothing to do, if so. With another fault as the
// reason the node is as this one wants it, which counts as an effect.
func explain(r report, otherFault bool, because, otherwise string) report {
	if r.nothing {
		r.nothing, r.note = !otherFault, otherwise
		if otherFault {
			r.note = because
		}
	}
	return r
}

// release takes the fault's hold from node i and lets the node do, at an
// instant of the clock, what no other fault forbids.
func (e *Engine) release(ctx context.Context, f *force, i int, at int64) report {
	l, turn := e.lanes[i], f.ends[i]
	if turn == nil {
		turn = l.announce(at)
	}
	f.ends[i] = nil
	e.sleepUntil(ctx, at-int64(sendAhead))
	if err := l.take(ctx, turn); err != nil {
		return report{err: fmt.Errorf("%s: %w", e.Nodes[i].Name, err)}
	}
	defer l.withdraw(turn)
	if f.held[i] {
		f.held[i] = false
		if f.kind.action == cluster.Pause {
			l.paused--
		} else {
			l.down--
		}
		f.healed[i] = e.converge(ctx, i, at)
	}
	return f.healed[i]
}

// settle lets node i be what the faults in force want of it.
func (e *Engine) settle(ctx context.Context, i int) error {
	l := e.lanes[i]
	turn := l.announce(0)
	if err := l.take(ctx, turn); err != nil {
		return fmt.Errorf("%s: %w", e.Nodes[i].Name, err)
	}
	defer l.withdraw(turn)
	return e.converge(ctx, i, 0).err
}

// converge brings node i to the state that its counts ask for. It is called
// with the lane's turn, and what it could not do it will do when called again.
func (e *Engine) converge(ctx context.Context, i int, at int64) report {
	l, name := e.lanes[i], e.Nodes[i].Name
	r := report{at: max(at, e.Clock.Now())}
	if l.killed && l.down > 0 {
		r.note = name + " stays down for another fault"
		return r
	}
	if l.killed {
		r = e.undo(ctx, i, cluster.Action{Kind: cluster.Restart, At: e.Clock.Time(at)})
		if r.err != nil {
			return r
		}
		l.killed = false
	}
	switch {
	case l.paused > 0 && !l.frozen:
		l.frozen = true
		if paused := e.act(ctx, i, cluster.Action{Kind: cluster.Pause}); paused.err != nil {
			return paused
		}
		r.note = name + " was paused again for another fault"
	case l.paused > 0:
		r.note = name + " stays paused for another fault"
	case l.frozen:
		r = e.undo(ctx, i, cluster.Action{Kind: cluster.Resume, At: e.Clock.Time(at)})
		l.frozen = r.err != nil
	}
	return r
}

// act has an agent do something, once.
func (e *Engine) act(ctx context.Context, i int, a cluster.Action) report {
	wait := time.Duration(0)
	if !a.At.IsZero() {
		wait = max(0, time.Duration(e.Clock.At(a.At)-e.Clock.Now()))
	}
	ctx, cancel := context.WithTimeout(ctx, wait+a.Grace+actionTimeout)
	defer cancel()
	effect, err := e.Nodes[i].Do(ctx, a)
	if err != nil {
		return report{err: fmt.Errorf("%s %s: %w", a.Kind, e.Nodes[i].Name, err)}
	}
	r := report{at: e.Clock.Now(), nothing: !effect.Changed, dropped: effect.Dropped}
	if !effect.At.IsZero() {
		r.at = e.Clock.At(effect.At)
	}
	return r
}

// undo is act for what must succeed: it tries a few times.
func (e *Engine) undo(ctx context.Context, i int, a cluster.Action) report {
	for try := 1; ; try++ {
		r := e.act(ctx, i, a)
		if r.err == nil || try == healTries || !e.sleepUntil(ctx, e.Clock.Now()+int64(healPause)) {
			return r
		}
		e.Logger.Warn("undoing a fault failed; trying again", "node", e.Nodes[i].Name, "try", try, "err", r.err)
	}
}
