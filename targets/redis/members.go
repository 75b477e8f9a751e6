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
	return kit.FollowLeader(ctx, s, m, func(its, leader targets.Status) bool {
		return its.Role != targets.Replica || its.Epoch < leader.Epoch
	})
}

// Leave stops a server: a primary counts the replicas that are connected, and knows no
// others. When the primary has left, the operator promotes a replica.
func (s *System) Leave(ctx context.Context, m targets.Membership) error {
	return kit.Depart(ctx, s, m)
}
