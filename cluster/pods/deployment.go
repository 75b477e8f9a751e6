package pods

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

const (
	changesBuffered = 1024
	exitsBuffered   = 256
)

// deployment implements cluster.Deployment.
type deployment struct {
	api     *api.API
	tracker *api.Tracker
	target  Target
	spec    cluster.AttachSpec
	log     *slog.Logger
	nodes   []*node
	public  []*cluster.Node
	here    netip.Addr // of this machine, towards the first node

	ctx        context.Context // from Find to Close
	cancel     context.CancelFunc
	background sync.WaitGroup
	changes    chan cluster.Change

	admitting sync.Mutex
	admission *admission // guarded by admitting; nil: nobody has asked yet

	mu        sync.Mutex
	invited   bool
	closing   bool
	moves     int // how often a node has got another address
	authority *agent.Authority
	rollouts  map[string]*rollout // by fault
}

var _ cluster.Neighbours = (*deployment)(nil)

func newDeployment(ctx context.Context, a *api.API, tracker *api.Tracker, t Target, spec cluster.AttachSpec, found []seen) (*deployment, error) {
	if spec.Lease == 0 {
		spec.Lease = cluster.DefaultLease
	}
	d := &deployment{api: a, tracker: tracker, target: t, spec: spec, log: spec.Logger, changes: make(chan cluster.Change, changesBuffered)}
	if d.log == nil {
		d.log = slog.Default()
	}
	if d.here = towards(found[0].addr); !d.here.IsValid() {
		return nil, fmt.Errorf("no way from here to %s, the address of pod %s", found[0].addr, found[0].pod.Name)
	}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for i, s := range found {
		n := newNode(d, i, t.Names[i], s)
		d.nodes, d.public = append(d.nodes, n), append(d.public, n.public)
		d.log.Debug("node", "name", n.public.Name, "pod", s.pod.Name, "machine", s.pod.Spec.NodeName, "addr", s.addr)
	}
	d.background.Go(d.follow)
	return d, nil
}

// Nodes implements cluster.Cluster.
func (d *deployment) Nodes() []*cluster.Node { return d.public }

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
	authority, err := agent.NewAuthority()
	if err != nil {
		return fmt.Errorf("pods: invite: %w", err)
	}
	if d.spec.Launch == "" {
		return errors.New("pods: invite: no launch id: make it with crypto/rand.Text")
	}
	d.mu.Lock()
	if d.invited || d.closing {
		d.mu.Unlock()
		return errInvited
	}
	d.invited, d.authority = true, authority
	d.background.Add(1) // Close waits
	d.mu.Unlock()
	defer d.background.Done()
	all, each := errgroup.WithContext(ctx)
	for _, n := range d.nodes {
		all.Go(func() error {
			if err := n.invite(each); err != nil {
				return fmt.Errorf("pods: invite to %s: %w", n.public.Name, err)
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

func (d *deployment) generation() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moves
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
// not hear of it end with their lease.
func (d *deployment) Close(context.Context) error {
	d.mu.Lock()
	first := !d.closing
	d.closing = true
	d.mu.Unlock()
	if !first {
		return nil
	}
	d.cancel()
	d.background.Wait()
	var ending sync.WaitGroup
	for _, n := range d.nodes {
		ending.Go(n.end)
	}
	ending.Wait()
	d.tracker.Stop()
	close(d.changes)
	return nil
}
