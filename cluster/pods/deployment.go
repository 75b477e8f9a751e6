package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// deployment implements cluster.Deployment.
type deployment struct {
	*guests.Deployment
	api     *api.API
	tracker *api.Tracker
	target  Target
	spec    cluster.AttachSpec
	nodes   []*node
	here    netip.Addr // of this machine, towards the first node

	admitting sync.Mutex
	admission *admission // guarded by admitting; nil: nobody has asked yet

	mu        sync.Mutex
	authority *agent.Authority
	rollouts  map[string]*rollout // by fault

	cordons cordons
}

var _ cluster.Neighbours = (*deployment)(nil)

func newDeployment(ctx context.Context, a *api.API, tracker *api.Tracker, t Target, spec cluster.AttachSpec, found []seen) (*deployment, error) {
	if spec.Lease == 0 {
		spec.Lease = cluster.DefaultLease
	}
	here, err := guests.Towards(found[0].addr)
	if err != nil {
		return nil, fmt.Errorf("no way from here to %s, the address of pod %s: %w", found[0].addr, found[0].pod.Name, err)
	}
	d := &deployment{Deployment: guests.NewDeployment(ctx, spec.Logger), api: a, tracker: tracker, target: t, spec: spec, here: here}
	for i, s := range found {
		n := newNode(d, i, t.Names[i], s)
		d.nodes = append(d.nodes, n)
		d.Add(n)
		d.Log.Debug("node", "name", n.Public.Name, "pod", s.pod.Name, "machine", s.pod.Spec.NodeName, "addr", s.addr)
	}
	d.Background.Go(d.follow)
	return d, nil
}

// HarnessAddr is this machine's address as the first guest sees it, else towards the
// first node.
func (d *deployment) HarnessAddr() netip.Addr {
	if peer := d.nodes[0].harness(); peer.IsValid() {
		return peer
	}
	return d.here
}

// Called is the namespace, and what the pods are known by there: "shop/etcd".
func (d *deployment) Called() string { return d.target.called(d.api.Namespace) }

// Invite implements cluster.Deployment.
func (d *deployment) Invite(ctx context.Context) error {
	authority, err := agent.NewAuthority()
	if err != nil {
		return fmt.Errorf("pods: invite: %w", err)
	}
	if d.spec.Launch == "" {
		return errors.New("pods: invite: no launch id: make it with crypto/rand.Text")
	}
	err = d.Deployment.Invite(ctx, func(context.Context) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.authority = authority
		return nil
	})
	if err != nil {
		return fmt.Errorf("pods: invite: %w", err)
	}
	return nil
}

// Lookup implements cluster.Neighbours: a name is a pod of the namespace, a service's
// or any other that this machine finds the address of, or an address.
func (d *deployment) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if p, err := d.api.Pods.Get(call, name); err == nil && p.Status.PodIP != "" && !p.Spec.HostNetwork {
		return addrsOf(p), nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(call, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("%s is no running pod of namespace %s, and no name that has an address here: %w", name, d.api.Namespace, err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}

// closeTimeout bounds how long Close waits for guests to end by themselves.
const closeTimeout = 3 * time.Second

// Close implements cluster.Cluster: guests let go what they hold and end. Those that do
// not hear of it end with their lease. Machines take pods again.
func (d *deployment) Close(context.Context) error {
	if !d.End() {
		return nil
	}
	err := d.uncordonAll()
	var ending sync.WaitGroup
	for _, n := range d.nodes {
		ending.Go(n.end)
	}
	ending.Wait()
	d.tracker.Stop()
	d.Ended()
	return err
}
