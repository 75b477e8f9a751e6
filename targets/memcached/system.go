package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// port is memcached's own.
const port = 11211

// System is one configured set of caches. It fails over by itself (clients
// just read another node), so it does not implement targets.Operated.
type System struct {
	all   bool            // a write needs every node
	nodes []*cluster.Node // known from Form on

	// The harness asks every node for its role many times a second, over the
	// clients' network and by the operator's way: on connections that are kept.
	clients, operators kit.Kept[*link]
}

var (
	_ targets.Target    = Target{}
	_ targets.System    = (*System)(nil)
	_ targets.Versioned = (*System)(nil)
	_ targets.Elsewhere = (*System)(nil)
)

// Server is what a node runs, now and after every restart. Programs are looked
// for in the node's PATH; memcache is the user that Debian's package and the
// official image make for it. A server that keeps data would keep it below
// cluster.DataDir.
func (s *System) Server([]*cluster.Node, int) cluster.ServerSpec {
	return cluster.ServerSpec{
		Command: []string{"memcached", "--listen=0.0.0.0", fmt.Sprintf("--port=%d", port)},
		User:    "memcache",
	}
}

// Elsewhere implements targets.Elsewhere: a client connects to every node.
func (s *System) Elsewhere(nodes []*cluster.Node, _ int) { s.nodes = nodes }

// Form waits until every node answers. There is nothing to join together.
func (s *System) Form(ctx context.Context, nodes []*cluster.Node) error {
	s.nodes = nodes
	return kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, 10*time.Millisecond, "wait for memcached on "+nodes[i].Name, func() error {
			_, err := s.Status(ctx, nodes[i])
			return err
		})
	})
}

// Status asks a node by the operator's way, which no network fault touches.
func (s *System) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return ask(ctx, &s.operators, n)
}

// ClientStatus asks a node over the clients' network.
func (s *System) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return ask(ctx, &s.clients, n)
}

// ask learns whether a node answers: all that there is to know of a Peer.
func ask(ctx context.Context, kept *kit.Kept[*link], n *cluster.Node) (targets.Status, error) {
	err := kept.Use(ctx, n, func(l *link) error {
		l.until(ctx)
		return l.Ping()
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s whether it answers: %w", n.Name, err)
	}
	return targets.Status{Role: targets.Peer, Eligible: true, Healthy: true}, nil
}

// Version is the server's own answer to "version".
func (s *System) Version(ctx context.Context, n *cluster.Node) (version string, err error) {
	tcp, err := n.DialServer(ctx, port) // of its own: the driver asks the same, but keeps the answer
	if err == nil {
		defer tcp.Close()
		version, err = askVersion(ctx, tcp)
	}
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", n.Name, err)
	}
	return version, nil
}

// askVersion asks the server at the other end, within ctx.
func askVersion(ctx context.Context, tcp net.Conn) (string, error) {
	release, err := kit.Bound(ctx, tcp, kit.DefaultTimeout)
	if err != nil {
		return "", err
	}
	defer release()
	if _, err := io.WriteString(tcp, "version\r\n"); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(tcp).ReadString('\n')
	if err != nil {
		return "", err
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(answer), "VERSION ")
	if !ok {
		return "", fmt.Errorf("it answered %q", answer)
	}
	return version, nil
}

func dialClients(ctx context.Context, n *cluster.Node) (*link, error) {
	tcp, err := new(net.Dialer).DialContext(ctx, "tcp", kit.Address(n, port))
	return newLink(tcp, err)
}

func dialOperators(ctx context.Context, n *cluster.Node) (*link, error) {
	tcp, err := n.DialServer(ctx, port)
	return newLink(tcp, err)
}

// Close closes the kept connections.
func (s *System) Close() error { return errors.Join(s.clients.Close(), s.operators.Close()) }
