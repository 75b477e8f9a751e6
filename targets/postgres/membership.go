package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var (
	_ targets.Joiner = (*System)(nil)
	_ targets.Leaver = (*System)(nil)
)

// Join makes a node a standby: it clones the primary (pg_basebackup) and streams from
// it, and where the primary waits for standbys it is counted on once it has caught up.
func (s *System) Join(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	err := kit.Leader(ctx, s, m, "start "+n.Name+" as a clone of the primary", func(ctx context.Context, p int, _ targets.Status) error {
		l := launch{Data: cluster.DataDir, Name: n.Name, Primary: m.Nodes[p].Addr.String(), Settings: s.settings(),
			Rejoin: fmt.Sprintf("join %d", s.rejoins.Add(1)), Clone: true}
		return n.Start(ctx, l.spec())
	})
	if err != nil {
		return err
	}
	return kit.FollowLeader(ctx, s, m, func(its, leader targets.Status) bool { return its.Epoch < leader.Epoch || !its.Healthy })
}

// Leave takes a standby out of synchronous_standby_names and stops it. When the
// primary has left, the operator promotes a standby.
func (s *System) Leave(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	was, err := s.Status(ctx, n)
	if (err != nil || was.Role != targets.Primary) && s.quorum.n > 0 && s.members.has(m.Node) {
		err := kit.Leader(ctx, s, m, "have the primary count on "+n.Name+" no more", func(ctx context.Context, p int, _ targets.Status) error {
			return s.discount(ctx, m.Nodes, m.Node, p)
		})
		if err != nil {
			return err
		}
	}
	return kit.Depart(ctx, s, m)
}

// discount has the primary p wait for node i no more. What i alone has acknowledged
// has to be on the others before a failover is decided by the new list: until then
// the old one is remembered, by which too few are seen for one.
func (s *System) discount(ctx context.Context, nodes []*cluster.Node, i, p int) error {
	return s.members.change(func(listed []int) ([]int, error) {
		listed = slices.DeleteFunc(listed, func(j int) bool { return j == i })
		return listed, operate(ctx, nodes[p], func(c *session) error {
			if err := c.exec(ctx, setting("synchronous_standby_names", s.quorum.list(names(nodes, listed))), reload); err != nil {
				return err
			}
			counted := "SELECT count(*) FROM pg_stat_replication WHERE application_name = " + literal(nodes[i].Name) + " AND sync_state <> 'async'"
			if err := atLeast(ctx, c, "wait until "+nodes[i].Name+" does not count", "SELECT 1 - least(1, ("+counted+"))", 1); err != nil {
				return err
			}
			end, err := c.value(ctx, "SELECT pg_current_wal_flush_lsn()")
			if err != nil {
				return err
			}
			have := "SELECT count(*) FROM pg_stat_replication WHERE sync_state <> 'async' AND flush_lsn >= " + literal(end)
			return atLeast(ctx, c, "wait until the others have all", have, min(s.quorum.n, len(listed)))
		})
	})
}

// atLeast waits until a query counts so many.
func atLeast(ctx context.Context, c *session, what, query string, n int) error {
	return kit.Retry(ctx, retryEvery, what, func() error {
		text, err := c.value(ctx, query)
		if err != nil {
			return err
		}
		if found, err := strconv.Atoi(text); err != nil || found < n {
			return fmt.Errorf("%s of %d", text, n)
		}
		return nil
	})
}
