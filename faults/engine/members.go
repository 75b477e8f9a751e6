package engine

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Members changes who belongs to the cluster.
type Members interface {
	// Change puts an action of the kind Join or Leave into effect on a node
	// and returns, within ctx, when that is done, with words about it for people. A
	// node that is a member and joins was replaced: its former self is taken out
	// first.
	Change(ctx context.Context, a cluster.Action, node int) (words string, err error)
}

// change has the target change its members at an action's instant. It took effect
// when it began: it is a fault for as long as it takes.
func (e *Engine) change(ctx context.Context, i int, a cluster.Action) outcome {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	name := e.Nodes[i].Name
	if e.Members == nil {
		return outcome{err: fmt.Errorf("%s %s: the members of this cluster cannot be changed", a.Kind, name)}
	}
	if err := e.await(ctx, a); err != nil {
		return outcome{err: fmt.Errorf("%s %s: %w", a.Kind, name, err)}
	}
	at := e.Clock.Now()
	words, err := e.Members.Change(ctx, a, i)
	if err != nil {
		return outcome{at: at, err: fmt.Errorf("%s %s: %w", a.Kind, name, err)}
	}
	return outcome{at: at, note: words}
}

// inTurn is a step of f that changes members: while it is under way no other fault
// touches the node's processes. A node that another fault keeps down, or paused,
// can leave, and nothing else.
func (e *Engine) inTurn(ctx context.Context, f *activeFault, i int, at int64, a cluster.Action) outcome {
	p, name := e.processes[i], e.Nodes[i].Name
	turn := p.reserve(at)
	if err := p.acquire(ctx, turn); err != nil {
		return outcome{err: fmt.Errorf("%s: %w", name, err)}
	}
	defer p.release(turn)
	if a.Kind != cluster.Leave && p.wantDown+p.wantPaused > 0 {
		return outcome{err: fmt.Errorf("%s %s: another fault keeps it down or paused: let that end before", a.Kind, name)}
	}
	o := e.do(ctx, i, e.actionOf(f, a, at))
	if a.Kind == cluster.Leave && o.err == nil {
		p.down, p.paused, p.wiped = false, false, false // it is not started again
	}
	return o
}
