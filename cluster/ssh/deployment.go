package ssh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

const (
	changesBuffered = 1024
	exitsBuffered   = 256
)

// deployment implements cluster.Deployment.
type deployment struct {
	target  Target
	spec    cluster.AttachSpec
	log     *slog.Logger
	nodes   []*node
	public  []*cluster.Node
	harness netip.Addr // of this machine, towards the first node

	ctx        context.Context // from Find to Close
	cancel     context.CancelFunc
	background sync.WaitGroup
	changes    chan cluster.Change

	mu        sync.Mutex
	invited   bool
	closing   bool
	packed    *packed
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
	d := &deployment{target: t, spec: spec, log: logger(spec.Logger), changes: make(chan cluster.Change, changesBuffered)}
	here, err := towards(found[0].addr)
	if err != nil {
		return nil, fmt.Errorf("%s: no way from here to its address %s: %w", t.Hosts[0], found[0].addr, err)
	}
	d.harness = here
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for i, s := range found {
		n := newNode(d, i, t.Hosts[i], s)
		d.nodes, d.public = append(d.nodes, n), append(d.public, n.public)
	}
	return d, nil
}

// towards is the address that this machine's packets to another come from; no packet
// is sent to find out.
func towards(there netip.Addr) (netip.Addr, error) {
	conn, err := net.Dial("udp", netip.AddrPortFrom(there, 9).String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// Nodes implements cluster.Cluster.
func (d *deployment) Nodes() []*cluster.Node { return d.public }

// HarnessAddr is this machine's address towards the first node.
func (d *deployment) HarnessAddr() netip.Addr { return d.harness }

// Called is the first host.
func (d *deployment) Called() string { return d.target.Hosts[0] }

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
	var err error
	if d.packed, err = pack(d.spec.Binary); err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	if d.authority, err = agent.NewAuthority(); err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	all, each := errgroup.WithContext(ctx)
	for _, n := range d.nodes {
		all.Go(func() error {
			if err := n.bring(each); err != nil {
				return fmt.Errorf("%s: %w", n.public.Name, err)
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

func (d *deployment) isInvited() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.invited && !d.closing
}

// Close implements cluster.Cluster: guests let go what they hold, start what they took
// down, and end.
func (d *deployment) Close(context.Context) error {
	d.mu.Lock()
	first := !d.closing
	d.closing = true
	d.mu.Unlock()
	if !first {
		return nil
	}
	d.cancel()
	errs := make([]error, len(d.nodes))
	var ending sync.WaitGroup
	for i, n := range d.nodes {
		ending.Go(func() { errs[i] = n.end() })
	}
	ending.Wait()
	d.background.Wait()
	close(d.changes)
	return errors.Join(errs...)
}

// Lookup implements cluster.Neighbours: a name is a node's, an address, or one that
// this machine finds the address of.
func (d *deployment) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	for _, n := range d.nodes {
		if n.public.Name == name {
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

// resolve makes of rules by one address of a machine rules by all of them.
func (d *deployment) resolve(rules []cluster.Rule) []cluster.Rule {
	var list []cluster.Rule
	for _, r := range rules {
		peers := []netip.Addr{r.Peer}
		for _, n := range d.nodes {
			if n.seen.addr == r.Peer.Unmap() {
				peers = d.addrsOf(n)
			}
		}
		if r.Peer.Unmap() == d.harness {
			peers = d.ownAddrs()
		}
		for _, p := range peers {
			r.Peer = p
			list = append(list, r)
		}
	}
	return list
}

// ownAddrs are the addresses of this machine that no node has.
func (d *deployment) ownAddrs() []netip.Addr {
	own := []netip.Addr{d.harness}
	list, _ := net.InterfaceAddrs() // without them there is the one
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || prefix.Addr().IsLoopback() || prefix.Addr().IsLinkLocalUnicast() || prefix.Addr().Unmap() == d.harness {
			continue
		}
		if !slices.ContainsFunc(d.nodes, func(n *node) bool { return slices.Contains(n.seen.addrs, prefix.Addr().Unmap()) }) {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own
}
