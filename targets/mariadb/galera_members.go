package mariadb

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var (
	_ targets.Joiner = (*GaleraSystem)(nil)
	_ targets.Leaver = (*GaleraSystem)(nil)
)

// Join starts a server that knows the members' addresses and has no state of theirs:
// it asks them for all they have, which some member, the donor, sends while it takes no
// writes (a state snapshot transfer by rsync).
func (s *GaleraSystem) Join(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	if err := n.Start(ctx, s.server(append(m.Others(), n), n, 0)); err != nil {
		return fmt.Errorf("start the server of %s: %w", n.Name, err)
	}
	return kit.Healthy(ctx, s, n)
}

// Leave stops a server, which says so to the others: they go on as one less. Of one that
// ended without a word they agree that it is gone; it is waited for that.
func (s *GaleraSystem) Leave(ctx context.Context, m targets.Membership) error {
	if err := kit.Stop(ctx, m.Nodes[m.Node]); err != nil {
		return err
	}
	others := m.Others()
	return kit.Retry(ctx, retryEvery, "wait until the others go on without "+m.Nodes[m.Node].Name, func() error {
		return s.primaryOf(ctx, others)
	})
}

// primaryOf wants some node to be in a primary component of no more than the nodes.
func (s *GaleraSystem) primaryOf(ctx context.Context, nodes []*cluster.Node) (err error) {
	for _, n := range nodes {
		var m member
		err = s.operator.Use(ctx, n, func(c *session) (err error) {
			m, err = readMember(ctx, c)
			return err
		})
		if err == nil && m.ready && m.size <= len(nodes) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%s is %s in a %s component of %d", n.Name, m.state, m.component, m.size)
		}
	}
	return err
}
