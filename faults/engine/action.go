package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// outcome is what came of a fault's begin or end on one node.
type outcome struct {
	at        int64 // when it took effect, on the clock; 0: it did not
	unchanged bool  // the node was so before, and no other fault is why
	dropped   uint64
	note      string
	err       error
}

// actionOf is an action for f, at an instant of the clock.
func (e *Engine) actionOf(f *activeFault, a cluster.Action, at int64) cluster.Action {
	a.ID, a.At = f.planned.ID, e.Clock.Time(at)
	return a
}

// do has an agent do something, once.
func (e *Engine) do(ctx context.Context, i int, a cluster.Action) outcome {
	wait := time.Duration(0)
	if !a.At.IsZero() {
		wait = max(0, time.Duration(e.Clock.At(a.At)-e.Clock.Now()))
	}
	ctx, cancel := context.WithTimeout(ctx, wait+a.Grace+actionTimeout)
	defer cancel()
	effect, err := e.Nodes[i].Do(ctx, a)
	if err != nil {
		return outcome{err: fmt.Errorf("%s %s: %w", a.Kind, e.Nodes[i].Name, err)}
	}
	o := outcome{at: e.Clock.Now(), unchanged: !effect.Changed, dropped: effect.Dropped}
	if !effect.At.IsZero() {
		o.at = e.Clock.At(effect.At)
	}
	return o
}

// undo is do for what must succeed: it tries a few times.
func (e *Engine) undo(ctx context.Context, i int, a cluster.Action) outcome {
	for try := 1; ; try++ {
		o := e.do(ctx, i, a)
		if o.err == nil || try == healTries || !e.sleepUntil(ctx, e.Clock.Now()+int64(healPause)) {
			return o
		}
		e.Logger.Warn("undoing a fault failed; trying again", "node", e.Nodes[i].Name, "try", try, "err", o.err)
	}
}

// onAll does something for several nodes at once.
func onAll(nodes []int, do func(i int) outcome) []outcome {
	outcomes := make([]outcome, len(nodes))
	var doing sync.WaitGroup
	for k, i := range nodes {
		doing.Go(func() { outcomes[k] = do(i) })
	}
	doing.Wait()
	return outcomes
}
