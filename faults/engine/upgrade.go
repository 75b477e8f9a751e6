package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
)

const (
	// upgradeTimeout bounds the replacement of one server.
	upgradeTimeout = 2 * time.Minute
	// upgradesTimeout bounds the wait for those of other nodes.
	upgradesTimeout = 10 * time.Minute
)

// Upgrades replaces servers by those of other versions.
type Upgrades interface {
	// Turn waits, within ctx, until it is a node's turn: one server is replaced at a
	// time, in the order in which faults asked for it. done ends the turn; an error that
	// the replacement ended with keeps the fault's other nodes from having theirs.
	Turn(ctx context.Context, a cluster.Action, node int) (done func(error), err error)
	// Upgrade puts an action of the kind Upgrade into effect and returns, within ctx,
	// when the node has caught up, with words about it for people. changed is false if it
	// ran that version already.
	Upgrade(ctx context.Context, a cluster.Action, node int) (words string, changed bool, err error)
}

// upgrade is a step of f that replaces a server. It took effect when the server was about
// to be stopped; meanwhile no other fault touches the node's processes.
func (e *Engine) upgrade(ctx context.Context, f *activeFault, i int, at int64) outcome {
	name, a := e.Nodes[i].Name, e.actionOf(f, f.steps[i].Begin, at)
	if e.Upgrades == nil {
		return outcome{err: fmt.Errorf("upgrade %s: the servers of this cluster cannot be replaced", name)}
	}
	if err := e.await(ctx, a); err != nil {
		return outcome{err: fmt.Errorf("upgrade %s: %w", name, err)}
	}
	waiting, cancel := context.WithTimeout(ctx, upgradesTimeout)
	defer cancel()
	done, err := e.Upgrades.Turn(waiting, a, i)
	if err != nil {
		return outcome{err: fmt.Errorf("upgrade %s: %w", name, err)}
	}
	o := e.replace(ctx, i, at, a)
	done(o.err)
	return o
}

// replace replaces a server in the node's turn.
func (e *Engine) replace(ctx context.Context, i int, at int64, a cluster.Action) outcome {
	p, name := e.processes[i], e.Nodes[i].Name
	turn := p.reserve(at)
	if err := p.acquire(ctx, turn); err != nil {
		return outcome{err: fmt.Errorf("upgrade %s: %w", name, err)}
	}
	defer p.release(turn)
	if p.wantDown+p.wantPaused > 0 {
		return outcome{err: fmt.Errorf("upgrade %s: another fault keeps it down or paused: let that end before", name)}
	}
	p.ending.Add(1)
	defer p.ending.Add(1)
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	o := outcome{at: e.Clock.Now()}
	words, changed, err := e.Upgrades.Upgrade(ctx, a, i)
	o.note, o.unchanged = words, !changed
	if err != nil {
		o.note, o.err = "", fmt.Errorf("upgrade %s: %w", name, err)
	}
	if changed {
		o.counts = map[string]uint64{faults.CountReplaced: 1}
	}
	return o
}

// sinceFirst has a fault that takes one node after the other be in force from the first on.
func sinceFirst(outcomes []outcome) {
	first := int64(0)
	for _, o := range outcomes {
		if o.at > 0 && (first == 0 || o.at < first) {
			first = o.at
		}
	}
	for i := range outcomes {
		outcomes[i].at = first
	}
}
