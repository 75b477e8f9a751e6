package ripple

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

// Join starts the node's server and has it follow the primary; in sync mode it
// returns when the node is in sync, so that it may be promoted.
func (s *System) Join(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	if err := n.Start(ctx, s.Server(m.Nodes, m.Node)); err != nil {
		return fmt.Errorf("start the server of %s: %w", n.Name, err)
	}
	if err := s.answers(ctx, n); err != nil {
		return err
	}
	return kit.Leader(ctx, s, m, "have "+n.Name+" follow the primary", func(ctx context.Context, p int, st targets.Status) error {
		its, err := s.Status(ctx, n)
		if err == nil && (its.Epoch < st.Epoch || !its.Healthy) {
			err = s.Follow(ctx, m.Nodes, m.Node, p, st.Epoch) // the same again is no error
		}
		switch {
		case err != nil:
			return err
		case its.Epoch != st.Epoch || !its.Healthy || !its.Eligible:
			return fmt.Errorf("%s is not caught up: %s", n.Name, its.Detail)
		}
		return nil
	})
}

// Leave stops the node's server, and then has the primary wait for it no more. In
// sync mode nothing is acknowledged in between. Of a primary that leaves the replicas
// hear by the operator, who promotes another one.
func (s *System) Leave(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	was, err := s.Status(ctx, n)
	if err := kit.Stop(ctx, n); err != nil {
		return err
	}
	if err == nil && was.Role == targets.Primary {
		return kit.Leader(ctx, s, m, "wait for another primary", func(context.Context, int, targets.Status) error { return nil })
	}
	return kit.Leader(ctx, s, m, "have the primary forget "+n.Name, func(ctx context.Context, p int, _ targets.Status) error {
		_, err := ask(ctx, m.Nodes[p], "FORGET", n.Name)
		return err
	})
}
