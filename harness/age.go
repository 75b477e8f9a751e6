package harness

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/internal/failure"
)

// agedAhead is how long before the measured phase the nodes' volumes are aged again.
const agedAhead = 300 * time.Millisecond

// ageAgain does age towards the end of the warm-up, if there is one: what clients make as
// they connect, such as queues, is older than that too. False: the run is to end.
func (e *execution) ageAgain(ctx context.Context, w load.Window) bool {
	at := w.Measure - min(int64(agedAhead), int64(e.plan.Warmup/2))
	if e.plan.Warmup == 0 {
		return true
	}
	if !load.SleepUntil(ctx, e.session.clock, at) {
		return false
	}
	if err := e.age(ctx); err != nil {
		e.gateFailed(err.Error() + "; see harness.log in the run's folder, and make the run again")
	}
	return true
}

// age makes durable what the nodes have written on their volumes so far: what is tested
// is a cluster that has run for a while, not one whose first files nobody has synced.
func (e *execution) age(ctx context.Context) error {
	if e.plan.Needs().Volume == nil || e.plan.Target.Disk.Fresh {
		return nil
	}
	all, each := errgroup.WithContext(ctx)
	for _, n := range e.deployment.nodes {
		all.Go(func() error {
			if _, err := n.Control.Do(each, cluster.Action{Kind: cluster.Age}); err != nil && ctx.Err() == nil {
				return fmt.Errorf("have the disk of %s hold what was written before the load: %w", n.Name, err)
			}
			return nil
		})
	}
	return failure.Infrastructure("begin the load", all.Wait())
}
