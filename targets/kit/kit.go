// Package kit is what the targets share: how a call begins and ends, time-outs,
// kept connections, transactions of lists, forming a replica set, options,
// finding a server's program and becoming it.
package kit

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// Each calls f for every node at once and returns the first node's error.
func Each(nodes []*cluster.Node, f func(i int) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Retry calls f again and again, with a pause of every between, until it
// succeeds or ctx ends. The error then tells what was waited for and f's last.
func Retry(ctx context.Context, every time.Duration, what string, f func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (last: %w); the node's log says why", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Address is where clients and the other nodes reach a port of a node.
func Address(n *cluster.Node, port int) string {
	return net.JoinHostPort(n.At().String(), strconv.Itoa(port))
}

// FollowFirst makes node 0 the primary of epoch 1 and the others its replicas.
func FollowFirst(ctx context.Context, s targets.Operated, nodes []*cluster.Node) error {
	others := make([]int, 0, len(nodes))
	for i := 1; i < len(nodes); i++ {
		others = append(others, i)
	}
	if err := s.Promote(ctx, nodes, 0, others, 1); err != nil {
		return err
	}
	return Each(nodes[1:], func(i int) error { return s.Follow(ctx, nodes, i+1, 0, 1) })
}
