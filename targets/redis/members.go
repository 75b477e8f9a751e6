package redis

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var (
	_ targets.Joiner = (*System)(nil)
	_ targets.Leaver = (*System)(nil)
)

// Join starts a server and makes it a replica (REPLICAOF); the primary sends it all
// that it has.
func (s *System) Join(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	if err := n.Start(ctx, s.Server(m.Nodes, m.Node)); err != nil {
		return fmt.Errorf("start the server of %s: %w", n.Name, err)
	}
	err := kit.Retry(ctx, retryEvery, "wait for "+s.brand.title+" on "+n.Name, func() error { return s.serves(ctx, n) })
	if err != nil {
		return err
	}
	return kit.Leader(ctx, s, m, "have "+n.Name+" follow the primary", func(ctx context.Context, p int, st targets.Status) error {
		its, err := s.Status(ctx, n)
		if err == nil && (its.Role != targets.Replica || its.Epoch < st.Epoch) {
			err = s.Follow(ctx, m.Nodes, m.Node, p, st.Epoch)
		}
		switch {
		case err != nil:
			return err
		case its.Role != targets.Replica || its.Epoch != st.Epoch || !its.Healthy:
			return fmt.Errorf("%s is not caught up: %s", n.Name, its.Detail)
		}
		return nil
	})
}

// Leave stops a server: a primary counts the replicas that are connected, and knows no
// others. When the primary has left, the operator promotes a replica.
func (s *System) Leave(ctx context.Context, m targets.Membership) error {
	if err := kit.Stop(ctx, m.Nodes[m.Node]); err != nil {
		return err
	}
	return kit.Leader(ctx, s, m, "wait for a primary", func(context.Context, int, targets.Status) error { return nil })
}
