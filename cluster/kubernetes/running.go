package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// running is a launched cluster.
type running struct {
	api     *api.API
	launch  string
	log     *slog.Logger
	nodes   []*cluster.Node
	harness netip.Addr

	stopLease func() // and wait until nobody renews it

	mu     sync.Mutex
	held   []func() error // ends of agents that answered, the keeper's too
	closed bool
}

// Nodes implements cluster.Cluster.
func (c *running) Nodes() []*cluster.Node { return c.nodes }

// HarnessAddr is the address under which all nodes see this machine.
func (c *running) HarnessAddr() netip.Addr { return c.harness }

func (c *running) hold(end func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, end)
}

// controlTimeout is how long Close waits for the agents to end by themselves.
const controlTimeout = time.Second

// Close implements cluster.Cluster. After an error it may be tried again.
func (c *running) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	c.stopLease()
	var ends sync.WaitGroup
	for _, end := range c.held {
		ends.Go(func() {
			if err := end(); err != nil {
				c.log.Debug("kubernetes close", "error", err)
			}
		})
	}
	c.held = nil
	ended := make(chan struct{})
	go func() {
		ends.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(controlTimeout):
	case <-ctx.Done():
	}
	if _, err := removeAll(ctx, c.api, c.launch); err != nil {
		return fmt.Errorf("kubernetes: close: %w; the cluster removes it by itself, and 'aftershock clean' too", err)
	}
	c.closed = true
	select {
	case <-ended:
	case <-ctx.Done(): // they bound themselves
	}
	return nil
}
