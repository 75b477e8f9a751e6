package compose

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// deployment implements cluster.Deployment.
type deployment struct {
	*guests.Deployment
	made  *docker.Guests
	api   *client.Client
	name  string
	spec  cluster.AttachSpec
	nodes []*node
}

func newDeployment(ctx context.Context, made *docker.Guests, spec cluster.AttachSpec, name string, found []seen, since time.Time) *deployment {
	d := &deployment{Deployment: guests.NewDeployment(ctx, spec.Logger), made: made, api: made.API(), name: name, spec: spec}
	for i, s := range found {
		n := newNode(d, i, s)
		d.nodes = append(d.nodes, n)
		d.Add(n)
	}
	d.Background.Go(func() { d.follow(since) })
	return d
}

// HarnessAddr is this machine's address on the network of the first node.
func (d *deployment) HarnessAddr() netip.Addr { return d.nodes[0].look().endpoints[0].here }

// Called is the compose project, or the first container.
func (d *deployment) Called() string { return d.name }

// Invite implements cluster.Deployment.
func (d *deployment) Invite(ctx context.Context) error {
	if err := d.Deployment.Invite(ctx, d.made.Prepare); err != nil {
		return fmt.Errorf("compose: invite: %w", err)
	}
	return nil
}

// closeTimeout bounds how long guests may take to end by themselves.
const closeTimeout = 3 * time.Second

// Close implements cluster.Cluster: guests let go what they hold and end; what was
// killed is started and what was paused goes on. After an error it may be tried
// again.
func (d *deployment) Close(ctx context.Context) error {
	if d.End() {
		var ending sync.WaitGroup
		for _, n := range d.nodes {
			ending.Go(func() {
				n.end()
				n.unsay(ctx)
			})
		}
		ending.Wait()
		d.Ended()
	}
	if err := d.made.Remove(ctx); err != nil {
		return fmt.Errorf("compose: close: %w; 'aftershock clean' removes what is left", err)
	}
	d.made.Close()
	return nil
}

// kindOf says what a guest beside a container can share with it.
func kindOf(s seen) agent.Guest {
	if s.alone != "" {
		return agent.GuestNetwork
	}
	return agent.GuestOfBoth
}
