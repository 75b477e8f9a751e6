// Package addresses is the place where a deployment is known by its addresses
// alone: load and checks are possible there, and no fault, as nobody of ours is
// beside the servers.
package addresses

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Place finds nodes by the addresses that a plan names.
type Place struct {
	Nodes []Address
}

// Address is where one node's server is.
type Address struct {
	Name string // of the node
	Host string // a name or an address
	Port int    // 0: the target's own
}

var _ cluster.Place = Place{}

// Name is the place's.
func (Place) Name() string { return "addresses" }

// lookupTimeout bounds the look at one node.
const lookupTimeout = 3 * time.Second

// Find looks the names up, and connects to every server once: one that nobody
// answers is told before anything is made.
func (p Place) Find(ctx context.Context, spec cluster.AttachSpec) (cluster.Deployment, error) {
	d := &deployment{exits: make(chan cluster.Exit), changes: make(chan cluster.Change)}
	errs := make([]error, len(p.Nodes))
	d.nodes = make([]*cluster.Node, len(p.Nodes))
	addrs := make([]netip.Addr, len(p.Nodes)) // of this machine, towards each node
	var looking sync.WaitGroup
	for i, a := range p.Nodes {
		if a.Port == 0 {
			a.Port = spec.Port
		}
		looking.Go(func() { d.nodes[i], addrs[i], errs[i] = find(ctx, i, a, d.exits) })
	}
	looking.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(addrs) > 0 {
		d.harness = addrs[0]
	}
	d.name = p.Nodes[0].Host
	return d, nil
}

func find(ctx context.Context, i int, a Address, exits chan cluster.Exit) (*cluster.Node, netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	target := net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, netip.Addr{}, fmt.Errorf("node %s: nothing answers at %s: %w: is it up, and reachable from here?", a.Name, target, err)
	}
	defer conn.Close()
	there := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	here := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	n := &cluster.Node{Name: a.Name, Index: i, Addr: there, Port: a.Port}
	n.Control = &remote{node: n, exits: exits}
	return n, here, nil
}

// deployment is servers that nobody of ours is beside.
type deployment struct {
	name    string
	nodes   []*cluster.Node
	harness netip.Addr
	exits   chan cluster.Exit // nobody tells of any
	changes chan cluster.Change
	closing sync.Once
}

func (d *deployment) Nodes() []*cluster.Node         { return d.nodes }
func (d *deployment) HarnessAddr() netip.Addr        { return d.harness }
func (d *deployment) Called() string                 { return d.name }
func (d *deployment) Invite(context.Context) error   { return nil }
func (d *deployment) Changes() <-chan cluster.Change { return d.changes }

func (d *deployment) Close(context.Context) error {
	d.closing.Do(func() { close(d.changes); close(d.exits) })
	return nil
}

// Can refuses everything.
func (d *deployment) Can(_ context.Context, kind cluster.ActionKind) error { return cannot(kind) }

func cannot(kind cluster.ActionKind) error {
	return fmt.Errorf("%s: %w: nobody of ours is beside servers that are known by their addresses alone: name them by compose, containers, kubernetes or ssh", kind, cluster.ErrCannot)
}

// remote is the Control of a node that there is none of.
type remote struct {
	node  *cluster.Node
	exits chan cluster.Exit
}

func (*remote) Start(context.Context, cluster.ServerSpec) error { return cannot("start") }

func (*remote) Do(_ context.Context, a cluster.Action) (cluster.Effect, error) {
	return cluster.Effect{}, cannot(a.Kind)
}

func (*remote) Probe(context.Context, netip.AddrPort, time.Duration) error { return cannot("probe") }

// DialServer goes over the network: there is no other way.
func (r *remote) DialServer(ctx context.Context, port int) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(r.node.At(), uint16(port)).String())
}

func (r *remote) Exits() <-chan cluster.Exit { return r.exits }

// CopyOutput has nothing to copy.
func (*remote) CopyOutput(ctx context.Context, _ io.Writer) error { <-ctx.Done(); return nil }

func (*remote) Run(context.Context, cluster.ServerSpec) ([]byte, error) { return nil, cannot("run") }

func (*remote) Close() error { return nil }
