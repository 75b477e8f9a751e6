package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var (
	_ targets.Joiner = (*System)(nil)
	_ targets.Leaver = (*System)(nil)
)

// Join has a node join a member, and gives quorum queues a member on it
// ("rabbitmq-queues grow NODE all"). Classic queues stay where they are.
func (s *System) Join(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	seed, err := s.anyReady(ctx, m)
	if err != nil {
		return err
	}
	if err := n.Start(ctx, s.Server([]*cluster.Node{seed, n}, 1)); err != nil {
		return fmt.Errorf("start the server of %s: %w", n.Name, err)
	}
	if err := s.booted(ctx, n); err != nil {
		return err
	}
	s.running.Store(int32(len(m.Members) + 1))
	if err := s.order(ctx, m, "grow", n); err != nil {
		return err
	}
	return kit.Healthy(ctx, s, n)
}

// Leave stops a node and has the others forget it ("rabbitmqctl forget_cluster_node"),
// which takes its members out of quorum queues.
func (s *System) Leave(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	if err := kit.Stop(ctx, n); err != nil {
		return err
	}
	if err := s.order(ctx, m, "forget", n); err != nil {
		return err
	}
	s.running.Store(int32(len(m.Members)))
	return nil
}

// anyReady waits for a member that serves.
func (s *System) anyReady(ctx context.Context, m targets.Membership) (ready *cluster.Node, err error) {
	err = kit.Retry(ctx, retryEvery, "wait for a member to join", func() error {
		var last error
		for _, n := range m.Others() {
			facts, err := s.ask(ctx, &s.operator, n, "version")
			if err == nil && facts["ready"] == "true" {
				ready = n
				return nil
			}
			last = errors.Join(err, fmt.Errorf("%s: %w", n.Name, errBooting))
		}
		return last
	})
	return ready, err
}

// order has some member do something about a node.
func (s *System) order(ctx context.Context, m targets.Membership, what string, n *cluster.Node) error {
	return kit.AskOthers(ctx, m, what+" "+n.Name, func(asked *cluster.Node) error {
		bounded, cancel := context.WithTimeout(ctx, orderTimeout)
		defer cancel()
		facts, err := s.askWithin(bounded, &s.operator, asked, what+" "+nodeName(n))
		if err == nil && facts["result"] != "ok" {
			err = fmt.Errorf("it said %v", facts)
		}
		return err
	})
}
