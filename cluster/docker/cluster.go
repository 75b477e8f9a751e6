package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// running is a launched cluster.
type running struct {
	eng     *engine
	launch  string // value of labelLaunch
	nodes   []*cluster.Node
	gateway netip.Addr

	mu      sync.Mutex
	dialled []*cluster.Node // nodes whose agents answered, also in a launch that failed
	reaped  []func(context.Context) error
	closed  bool
}

// Nodes implements cluster.Cluster.
func (c *running) Nodes() []*cluster.Node { return c.nodes }

// HarnessAddr is the network's gateway: the engine's machine has that address
// on the network's bridge.
func (c *running) HarnessAddr() netip.Addr { return c.gateway }

func (c *running) addNode(n *cluster.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialled = append(c.dialled, n)
}

// controlTimeout is how long Close waits for the agents to say goodbye before
// it removes their containers under them.
const controlTimeout = time.Second

// Close implements cluster.Cluster: it ends the control channels and removes
// the containers and the network. After an error it may be tried again.
func (c *running) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	begin := time.Now()
	parted := c.part()
	select {
	case <-parted:
	case <-time.After(controlTimeout):
	case <-ctx.Done():
	}
	if err := c.eng.removeAll(ctx, labelLaunch+"="+c.launch); err != nil {
		return fmt.Errorf("docker: close: %w; 'aftershock clean' removes what is left", err)
	}
	c.closed = true
	for _, remove := range c.reaped {
		if err := remove(ctx); err != nil && !notFound(err) {
			c.eng.log.Debug("docker close", "reaper", err)
		}
	}
	select {
	case <-parted:
	case <-ctx.Done(): // the controls bound themselves
	}
	c.eng.close()
	c.eng.log.Debug("docker closed", "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// part ends the control channels, once, and tells when all have ended. Their
// errors matter to nobody: the containers are removed in any case.
func (c *running) part() <-chan struct{} {
	var wg sync.WaitGroup
	for _, n := range c.dialled {
		wg.Go(func() {
			if err := n.Close(); err != nil {
				c.eng.log.Debug("docker close", "node", n.Name, "error", err)
			}
		})
	}
	c.dialled = nil
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	return done
}

// removeAll removes the containers that bear a label, then the networks.
func (e *engine) removeAll(ctx context.Context, label string) error {
	filter := make(client.Filters).Add("label", label)
	containers, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	errs := make([]error, len(containers.Items))
	var wg sync.WaitGroup
	for i, c := range containers.Items {
		wg.Go(func() { errs[i] = e.removeContainer(ctx, c.ID) })
	}
	wg.Wait()
	networks, err := e.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("list networks: %w", err))...)
	}
	for _, n := range networks.Items {
		errs = append(errs, e.removeNetwork(ctx, n.ID))
	}
	return errors.Join(errs...)
}

// Removing something can meet the engine half-way through the same removal, or
// a network whose last container is not quite detached: tries are repeated
// this often, this far apart.
const (
	removeTries = 20
	removePause = 100 * time.Millisecond
)

// removeContainer kills and removes a container with its anonymous volumes.
// One that is gone already is a success.
func (e *engine) removeContainer(ctx context.Context, id string) error {
	return retryRemoval(ctx, "container "+short(id), func() error {
		_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		return err
	})
}

// removeNetwork removes a network. One that is gone already is a success.
func (e *engine) removeNetwork(ctx context.Context, id string) error {
	return retryRemoval(ctx, "network "+short(id), func() error {
		_, err := e.api.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
		return err
	})
}

func retryRemoval(ctx context.Context, what string, remove func() error) error {
	var err error
	for range removeTries {
		if err = remove(); err == nil || notFound(err) {
			return nil
		}
		if !busy(err) {
			break
		}
		select {
		case <-time.After(removePause):
		case <-ctx.Done():
			return fmt.Errorf("remove %s: %w", what, errors.Join(ctx.Err(), err))
		}
	}
	return fmt.Errorf("remove %s: %w", what, err)
}

// busy tells whether a removal may succeed a moment later.
func busy(err error) bool {
	text := err.Error()
	return errdefs.IsConflict(err) || strings.Contains(text, "already in progress") || strings.Contains(text, "active endpoints")
}

func short(id string) string { return id[:min(12, len(id))] }
