package docker

import (
	"github.com/cenkalti/backoff/v4"

	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// running is a launched cluster.
type running struct {
	eng     *engine
	id      identity
	nodes   []*cluster.Node
	gateway netip.Addr
	limits  cluster.Limits // that hold after Limit
	limited []string       // the containers that they are of

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

// Limit implements cluster.Limiter.
func (c *running) Limit(ctx context.Context) error {
	quota, period := c.limits.Quota()
	if quota == 0 {
		return nil
	}
	of := container.Resources{CPUQuota: quota.Microseconds(), CPUPeriod: period.Microseconds()}
	for _, name := range c.limited {
		if _, err := c.eng.api.ContainerUpdate(ctx, name, client.ContainerUpdateOptions{Resources: &of}); err != nil {
			return fmt.Errorf("limit the time of container %s on processors: %w", name, err)
		}
	}
	return nil
}

func (c *running) addNode(n *cluster.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialled = append(c.dialled, n)
}

// controlTimeout is how long Close waits for the agents to end by themselves
// before it removes their containers.
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
	closed := c.closeControls()
	select {
	case <-closed:
	case <-time.After(controlTimeout):
	case <-ctx.Done():
	}
	if _, err := c.eng.removeAll(ctx, c.id.launch); err != nil {
		return fmt.Errorf("docker: close: %w; 'aftershock clean' removes what is left", err)
	}
	c.closed = true
	for _, remove := range c.reaped {
		if err := remove(ctx); err != nil && !notFound(err) {
			c.eng.log.Debug("docker close", "reaper", err)
		}
	}
	select {
	case <-closed:
	case <-ctx.Done(): // the controls bound themselves
	}
	c.eng.close()
	c.eng.log.Debug("docker closed", "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// closeControls closes the control channels, once; the channel that it returns is
// closed when all of them have ended. Their errors are logged only: the containers
// are removed in any case.
func (c *running) closeControls() <-chan struct{} {
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

// removeAll removes a launch's containers, whatever they do, then its networks,
// and tells how many there were.
func (e *engine) removeAll(ctx context.Context, launch string) (found int, err error) {
	own := func(i identity, ok bool) bool { return ok && i.launch == launch }
	filter := make(client.Filters).Add("label", labelLaunch+"="+launch)
	containers, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return 0, fmt.Errorf("list containers: %w", err)
	}
	errs := make([]error, len(containers.Items))
	var wg sync.WaitGroup
	for i, c := range containers.Items {
		if own(identifyContainer(c)) {
			found++
			wg.Go(func() { errs[i] = e.removeOwn(ctx, c) })
		}
	}
	wg.Wait()
	networks, err := e.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return found, errors.Join(append(errs, fmt.Errorf("list networks: %w", err))...)
	}
	for _, n := range networks.Items {
		if own(identify(n.Name, n.Labels)) {
			found++
			errs = append(errs, e.removeNetwork(ctx, n.ID))
		}
	}
	return found, errors.Join(errs...)
}

// Removing something can meet the engine half-way through the same removal, a
// container that ends at that moment ("could not kill ... is not running"), or
// a network whose last container is not quite detached. The engine has as many
// words for these as versions, so a removal that it refuses for any reason is
// tried again, this often, this far apart.
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

// retryRemoval repeats a removal until it succeeds or finds nothing to remove;
// only an engine that does not answer ends it early.
func retryRemoval(ctx context.Context, what string, remove func() error) error {
	tries := backoff.WithMaxRetries(backoff.NewConstantBackOff(removePause), removeTries-1)
	var refused error
	err := backoff.Retry(func() error {
		refused = remove()
		switch {
		case refused == nil || notFound(refused):
			return nil
		case client.IsErrConnectionFailed(refused):
			return backoff.Permanent(refused)
		}
		return refused
	}, backoff.WithContext(tries, ctx))
	switch {
	case err == nil:
		return nil
	case errors.Is(refused, err):
		return fmt.Errorf("remove %s: %w", what, refused)
	}
	return fmt.Errorf("remove %s: %w", what, errors.Join(err, refused))
}

func short(id string) string { return id[:min(12, len(id))] }
