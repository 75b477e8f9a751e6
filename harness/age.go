package harness

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/failure"
)

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
