package mariadb

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

// Join starts an empty server and makes it a replica: it replays the primary's binary
// log from its beginning (MASTER_USE_GTID = slave_pos), or is given a copy of the data
// where that log does not reach back so far.
func (s *System) Join(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	if err := n.Start(ctx, s.Server(m.Nodes, m.Node)); err != nil {
		return fmt.Errorf("start the server of %s: %w", n.Name, err)
	}
	err := kit.Retry(ctx, retryEvery, "wait for MariaDB on "+n.Name+" to answer", func() error {
		_, err := s.Status(ctx, n)
		return err
	})
	if err != nil {
		return err
	}
	return kit.FollowLeader(ctx, s, m, func(its, leader targets.Status) bool {
		return its.Role != targets.Replica || its.Epoch < leader.Epoch
	})
}

// Leave stops a server: a primary sends its binary log to those who connect, and knows
// no others. When the primary has left, the operator promotes a replica.
func (s *System) Leave(ctx context.Context, m targets.Membership) error {
	return kit.Depart(ctx, s, m)
}
