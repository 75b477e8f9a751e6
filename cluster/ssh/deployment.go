package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// deployment implements cluster.Deployment.
type deployment struct {
	*guests.Deployment
	target    Target
	spec      cluster.AttachSpec
	nodes     []*node
	harness   netip.Addr // of this machine, towards the first node
	packed    *packed    // this and the next are set once, before the first guest is brought
	authority *agent.Authority
}

func newDeployment(ctx context.Context, t Target, spec cluster.AttachSpec, found []seen) (*deployment, error) {
	if spec.Lease == 0 {
		spec.Lease = cluster.DefaultLease
	}
	if t.Server.Port == 0 {
		t.Server.Port = spec.Port
	}
	spec.Port = t.Server.Port
	here, err := guests.Towards(found[0].addr)
	if err != nil {
		return nil, fmt.Errorf("%s: no way from here to its address %s: %w", t.Hosts[0], found[0].addr, err)
	}
	d := &deployment{Deployment: guests.NewDeployment(ctx, spec.Logger), target: t, spec: spec, harness: here}
	for i, s := range found {
		n := newNode(d, i, t.Hosts[i], s)
		d.nodes = append(d.nodes, n)
		d.Add(n)
	}
	return d, nil
}

// HarnessAddr is this machine's address towards the first node.
func (d *deployment) HarnessAddr() netip.Addr { return d.harness }

// Called is the first host.
func (d *deployment) Called() string { return d.target.Hosts[0] }

// Invite implements cluster.Deployment.
func (d *deployment) Invite(ctx context.Context) error {
	err := d.Deployment.Invite(ctx, func(context.Context) (err error) {
		if d.packed, err = pack(d.spec.Binary); err != nil {
			return err
		}
		d.authority, err = agent.NewAuthority()
		return err
	})
	if err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	return nil
}

// Close implements cluster.Cluster: guests let go what they hold, start what they took
// down, and end.
func (d *deployment) Close(context.Context) error {
	if !d.End() {
		return nil
	}
	errs := make([]error, len(d.nodes))
	var ending sync.WaitGroup
	for i, n := range d.nodes {
		ending.Go(func() { errs[i] = n.end() })
	}
	ending.Wait()
	d.Ended()
	return errors.Join(errs...)
}

// Lookup implements cluster.Neighbours: a name is a node's, an address, or one that
// this machine finds the address of.
func (d *deployment) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	for _, n := range d.nodes {
		if n.Public.Name == name {
			return d.addrsOf(n), nil
		}
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("%s is no node, and no name that has an address here: %w", name, err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}

// addrsOf are the addresses of a node that no other has, as those of bridges that
// every machine makes alike.
func (d *deployment) addrsOf(n *node) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(n.seen.addrs), func(a netip.Addr) bool {
		return a != n.seen.addr && slices.ContainsFunc(d.nodes, func(o *node) bool { return o != n && slices.Contains(o.seen.addrs, a) })
	})
}

// whom finds out whom an address means: a node, by all addresses that only it has, or
// this machine.
func (d *deployment) whom(a netip.Addr) guests.Whom {
	for _, n := range d.nodes {
		if n.seen.addr == a {
			return func(int) []netip.Addr { return d.addrsOf(n) }
		}
	}
	if a == d.harness {
		return d.ownAddrs
	}
	return nil
}

// ownAddrs are the addresses of this machine that no node has.
func (d *deployment) ownAddrs(int) []netip.Addr {
	own := append(guests.Machine(), d.harness)
	return slices.DeleteFunc(own, func(a netip.Addr) bool {
		return a != d.harness && slices.ContainsFunc(d.nodes, func(n *node) bool { return slices.Contains(n.seen.addrs, a) })
	})
}
