// Package local is the host made of Linux namespaces: each node is an agent in
// its own network, mount, PID, IPC and UTS namespace on a bridge. Everything is
// made through netlink and system calls, with no external command.
//
// The harness runs inside a sandbox: it re-executes itself in a fresh network
// namespace that holds the bridge, so nothing of a run touches the machine's own
// network, and the kernel removes it all with the last process. As an ordinary
// user the sandbox has a user namespace as well, in which the harness is root.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

type host struct{}

// New returns the local host. Its Launch works inside a sandbox only.
func New() cluster.Host { return host{} }

func (host) Name() string { return "local" }

// Launch implements cluster.Host.
func (host) Launch(ctx context.Context, spec cluster.Spec) (cluster.Cluster, error) {
	if !InSandbox() {
		return nil, errors.New("local: nodes can be launched inside a sandbox only: re-execute the program through local.Command")
	}
	if err := check(spec); err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	if spec.Lease == 0 {
		spec.Lease = cluster.DefaultLease
	}
	if spec.Logger == nil {
		spec.Logger = slog.New(slog.DiscardHandler)
	}
	if spec.Binary == "" {
		var err error
		if spec.Binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("local: find this program's own file: %w", err)
		}
	}
	c, err := launch(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	return c, nil
}

func check(spec cluster.Spec) error {
	if len(spec.Nodes) == 0 || len(spec.Nodes) > mostNodes {
		return fmt.Errorf("%d nodes: give 1 to %d", len(spec.Nodes), mostNodes)
	}
	seen := map[string]bool{}
	for _, n := range spec.Nodes {
		if !validName(n.Name) || seen[n.Name] {
			return fmt.Errorf("node name %q: give each node a host name of its own (letters, digits, hyphens, up to 63)", n.Name)
		}
		seen[n.Name] = true
	}
	return nil
}

func validName(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// network is what the nodes of one cluster share.
type network struct {
	handle *netlink.Handle // of the sandbox's own namespace
	bridge int
}

func openNetwork() (*network, error) {
	handle, err := netlink.NewHandle()
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	bridge, err := handle.LinkByName(bridgeName)
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("find the bridge %s: %w: call local.EnterSandbox first", bridgeName, err)
	}
	return &network{handle: handle, bridge: bridge.Attrs().Index}, nil
}

type localCluster struct {
	network *network
	dir     *runDir
	members []*member
	nodes   []*cluster.Node

	mu     sync.Mutex
	closed bool
}

func launch(ctx context.Context, spec cluster.Spec) (_ *localCluster, err error) {
	c := &localCluster{}
	defer func() {
		if err != nil {
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
			defer cancel()
			err = errors.Join(err, c.Close(cleanup))
		}
	}()
	if c.network, err = openNetwork(); err != nil {
		return nil, err
	}
	if c.dir, err = newRunDir(os.TempDir(), spec.Launch); err != nil {
		return nil, err
	}
	authority, err := agent.NewAuthority()
	if err != nil {
		return nil, err
	}
	group, launching := errgroup.WithContext(ctx)
	for i, n := range spec.Nodes {
		m := &member{name: n.Name, ip: nodeIP(i), link: fmt.Sprintf("as%d", i), dir: c.dir.node(n.Name), logger: spec.Logger}
		c.members = append(c.members, m)
		group.Go(func() error {
			if err := m.launch(launching, c.network, spec.Of(i), authority); err != nil {
				return fmt.Errorf("launch node %s: %w", m.name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, m := range c.members {
		addr, _ := netip.AddrFromSlice(m.ip)
		c.nodes = append(c.nodes, &cluster.Node{Name: m.name, Index: i, Addr: addr, Control: m.client, Away: m.away})
	}
	return c, nil
}

func nodeIP(i int) net.IP { return net.IPv4(10, 77, 0, byte(firstNode+i)).To4() }

func (c *localCluster) Nodes() []*cluster.Node { return c.nodes }

// Limit implements cluster.Limiter.
func (c *localCluster) Limit(context.Context) error {
	for _, m := range c.members {
		if err := m.groups.hold(); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

func (c *localCluster) HarnessAddr() netip.Addr {
	addr, _ := netip.AddrFromSlice(bridgeIP)
	return addr
}

// Close implements cluster.Cluster. What it could not remove it tries again
// when it is called again.
func (c *localCluster) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	group := new(errgroup.Group)
	for _, m := range c.members {
		group.Go(func() error { return m.close(ctx, c.network) })
	}
	err := group.Wait()
	if c.dir != nil {
		err = errors.Join(err, c.dir.remove())
	}
	if err != nil {
		return fmt.Errorf("local: close the cluster: %w", err)
	}
	if c.network != nil {
		c.network.handle.Close()
	}
	c.closed = true
	return nil
}
