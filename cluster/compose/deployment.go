package compose

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
)

const (
	changesBuffered = 1024
	exitsBuffered   = 256
)

// deployment implements cluster.Deployment.
type deployment struct {
	guests *docker.Guests
	api    *client.Client
	log    *slog.Logger
	name   string
	spec   cluster.AttachSpec
	nodes  []*node
	public []*cluster.Node

	ctx        context.Context // from Find to Close
	cancel     context.CancelFunc
	background sync.WaitGroup
	changes    chan cluster.Change

	mu      sync.Mutex
	invited bool
	closing bool
	moves   int // how often a node has got other addresses

}

func newDeployment(ctx context.Context, guests *docker.Guests, spec cluster.AttachSpec, name string, found []seen, since time.Time) *deployment {
	d := &deployment{guests: guests, api: guests.API(), log: spec.Logger, name: name, spec: spec, changes: make(chan cluster.Change, changesBuffered)}
	if d.log == nil {
		d.log = slog.Default()
	}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for i, s := range found {
		n := newNode(d, i, s)
		d.nodes, d.public = append(d.nodes, n), append(d.public, n.public)
	}
	d.background.Go(func() { d.follow(since) })
	return d
}

// Nodes implements cluster.Cluster.
func (d *deployment) Nodes() []*cluster.Node { return d.public }

// HarnessAddr is this machine's address on the network of the first node.
func (d *deployment) HarnessAddr() netip.Addr { return d.nodes[0].look().endpoints[0].here }

// Called is the compose project, or the first container.
func (d *deployment) Called() string { return d.name }

// Changes implements cluster.Deployment.
func (d *deployment) Changes() <-chan cluster.Change { return d.changes }

// tell delivers a change. Who takes none for very long loses the rest.
func (d *deployment) tell(c cluster.Change) {
	d.log.Info("attached node", "node", d.nodes[c.Node].public.Name, "what", c.Kind, "detail", c.Detail)
	select {
	case d.changes <- c:
	default:
		d.log.Warn("nobody takes what happens to the deployment; this is lost", "node", c.Node, "what", c.Kind)
	}
}

var errInvited = errors.New("guests were invited already")

// Invite implements cluster.Deployment.
func (d *deployment) Invite(ctx context.Context) error {
	d.mu.Lock()
	if d.invited || d.closing {
		d.mu.Unlock()
		return errInvited
	}
	d.invited = true
	d.background.Add(1) // Close waits
	d.mu.Unlock()
	defer d.background.Done()
	if err := d.guests.Prepare(ctx); err != nil {
		return fmt.Errorf("compose: invite: %w", err)
	}
	all, each := errgroup.WithContext(ctx)
	for _, n := range d.nodes {
		all.Go(func() error {
			if err := n.invite(each); err != nil {
				return fmt.Errorf("compose: invite beside %s: %w", n.public.Name, err)
			}
			return nil
		})
	}
	return all.Wait()
}

// Can implements cluster.Deployment.
func (d *deployment) Can(ctx context.Context, kind cluster.ActionKind) error {
	for _, n := range d.nodes {
		if err := n.can(ctx, kind); err != nil {
			return fmt.Errorf("%s on %s: %w: %w", kind, n.public.Name, cluster.ErrCannot, err)
		}
	}
	return nil
}

// isInvited tells whether guests are wanted.
func (d *deployment) isInvited() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.invited && !d.closing
}

// moved counts a change of addresses.
func (d *deployment) moved() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moves++
}

func (d *deployment) generation() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moves
}

// closeTimeout bounds how long guests may take to end by themselves.
const closeTimeout = 3 * time.Second

// Close implements cluster.Cluster: guests let go what they hold and end; what was
// killed is started and what was paused goes on. After an error it may be tried
// again.
func (d *deployment) Close(ctx context.Context) error {
	d.mu.Lock()
	first := !d.closing
	d.closing = true
	d.mu.Unlock()
	if first {
		d.cancel()
		d.background.Wait()
		var ending sync.WaitGroup
		for _, n := range d.nodes {
			ending.Go(func() {
				n.end()
				n.unsay(ctx)
			})
		}
		ending.Wait()
		close(d.changes)
	}
	if err := d.guests.Remove(ctx); err != nil {
		return fmt.Errorf("compose: close: %w; 'aftershock clean' removes what is left", err)
	}
	d.guests.Close()
	return nil
}

// kindOf says what a guest beside a container can share with it.
func kindOf(s seen) agent.Guest {
	if s.alone != "" {
		return agent.GuestNetwork
	}
	return agent.GuestOfBoth
}
