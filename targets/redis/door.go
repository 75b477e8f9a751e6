package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// sentinelDoor is the kind of a door whose addresses are Sentinels.
const sentinelDoor = "sentinel"

func checkDoor(d targets.Door) error {
	switch {
	case len(d.Addrs) == 0:
		return fmt.Errorf("target.connect: a %s:// without an address: write %s://host:port", d.Kind, d.Kind)
	case d.Kind == sentinelDoor && d.Name == "":
		return errors.New("target.connect: a sentinel:// without the name by which the Sentinels know the primary: write sentinel://host:26379/mymaster")
	case d.Kind == sentinelDoor:
		return nil
	case d.Kind != "redis" && d.Kind != "valkey":
		return fmt.Errorf("target.connect: %s:// leads to no Redis: write redis://host:port, or sentinel://host:26379/mymaster", d.Kind)
	}
	_, err := database(d.Name)
	return err
}

// Enter opens one connection through a door; its addresses are tried in turn.
func (s *Attached) Enter(ctx context.Context, d targets.Door, nodes []*cluster.Node, o targets.ClientOptions) (targets.Client, int, error) {
	if err := checkDoor(d); err != nil {
		return nil, -1, err
	}
	ctx, dial, cancel := kit.Connecting(ctx, o)
	defer cancel()
	var failed error
	for _, addr := range d.Addrs {
		conn, node, err := s.enter(ctx, dial, d, addr, nodes)
		if err == nil {
			c := s.client(conn, o)
			c.made = &s.consumers
			return c, node, nil
		}
		failed = kit.Also(failed, fmt.Errorf("enter by %s://%s: %w", d.Kind, addr, err))
	}
	return nil, -1, failed
}

func (s *Attached) enter(ctx context.Context, dial kit.DialFunc, d targets.Door, addr string, nodes []*cluster.Node) (net.Conn, int, error) {
	number := s.login.database
	if d.Kind == sentinelDoor {
		told, err := s.told(ctx, dial, d, addr)
		if err != nil {
			return nil, -1, err
		}
		addr = told
	} else if d.Name != "" {
		number, _ = strconv.Atoi(d.Name) // it has been checked
	}
	conn, err := s.login.dial(ctx, dial, addr, number)
	if err != nil {
		return nil, -1, fmt.Errorf("connect to %s: %w", addr, err)
	}
	l := newLink(conn)
	its, err := askSections(ctx, l, "server", "replication", "persistence")
	if err == nil && d.Kind == sentinelDoor && its.status.Role != d.Role {
		// The Sentinel has not heard of it yet, or the server has not.
		err = fmt.Errorf("the Sentinel names %s for the %s, and it says that it is a %s", addr, d.Role, its.status.Role)
	}
	if err != nil {
		_ = conn.Close() // the error that counts is the first
		return nil, -1, s.login.explain(err)
	}
	return conn, s.node(ctx, addr, its.fields["run_id"], nodes), nil
}

// node tells which node's server a connection leads to: that of the address, else
// the one whose life has the same id.
func (s *Attached) node(ctx context.Context, addr, runID string, nodes []*cluster.Node) int {
	for i, n := range nodes {
		if kit.ServerAddress(n, serverPort) == addr {
			return i
		}
	}
	if runID == "" {
		return -1
	}
	return s.whose.Find(ctx, runID, nodes, func(ctx context.Context, n *cluster.Node) (id string, err error) {
		err = kit.Ask(ctx, &s.operator, n, func(l *link) error {
			text, err := redigo.String(l.ask(ctx, "INFO", "server"))
			id = parseInfo(text)["run_id"]
			return err
		})
		return id, err
	})
}

// told asks a Sentinel for the address of the primary, or of a replica that it
// takes for healthy: each time the next one.
func (s *Attached) told(ctx context.Context, dial kit.DialFunc, d targets.Door, sentinel string) (string, error) {
	l, err := s.login.sentinel(ctx, dial, sentinel)
	if err != nil {
		return "", err
	}
	defer l.Close()
	if d.Role == targets.Primary {
		addr, err := redigo.Strings(l.ask(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", d.Name))
		if errors.Is(err, redigo.ErrNil) || err == nil && len(addr) != 2 {
			return "", fmt.Errorf("the Sentinel knows no primary %q: correct the name behind the addresses in target.connect", d.Name)
		}
		if err != nil {
			return "", s.login.explain(err)
		}
		return net.JoinHostPort(addr[0], addr[1]), nil
	}
	replicas, err := redigo.Values(l.ask(ctx, "SENTINEL", "REPLICAS", d.Name))
	if err != nil {
		return "", s.login.explain(err)
	}
	var healthy []string
	for _, r := range replicas {
		if f, err := redigo.StringMap(r, nil); err == nil && f["flags"] == "slave" && f["master-link-status"] == "ok" {
			healthy = append(healthy, net.JoinHostPort(f["ip"], f["port"]))
		}
	}
	if len(healthy) == 0 {
		return "", fmt.Errorf("the Sentinel knows no healthy replica of %q", d.Name)
	}
	return healthy[s.turns.Add(1)%uint64(len(healthy))], nil
}

// sentinel opens a connection to a Sentinel. It may have the servers' password, or
// none at all.
func (l *login) sentinel(ctx context.Context, dial kit.DialFunc, addr string) (*link, error) {
	conn, err := l.open(ctx, dial, addr)
	if err != nil {
		return nil, err
	}
	k := newLink(conn)
	if _, err = k.ask(ctx, "SENTINEL", "MASTERS"); err != nil && strings.HasPrefix(err.Error(), "NOAUTH") {
		err = l.authenticate(ctx, k)
	}
	if err != nil {
		_ = k.Close() // the error that counts is the first
		return nil, l.explain(err)
	}
	return k, nil
}

// watchers are the Sentinels of a door, asked for the epoch of their configuration.
type watchers struct {
	name  string
	nodes []*cluster.Node // stand for the Sentinels
	links links

	mu   sync.Mutex
	last masterView
	at   time.Time
}

const (
	viewTimeout = 100 * time.Millisecond // a Sentinel that hangs is not to hold a status up
	viewFor     = 50 * time.Millisecond  // what was told is not asked again
)

func newWatchers(l *login, d targets.Door) *watchers {
	w := &watchers{name: d.Name}
	for i := range d.Addrs {
		w.nodes = append(w.nodes, &cluster.Node{Index: i, Name: d.Addrs[i]})
	}
	w.links.Dial = func(ctx context.Context, n *cluster.Node) (*link, error) {
		return l.sentinel(ctx, new(net.Dialer).DialContext, n.Name)
	}
	return w
}

// view is the newest configuration that a Sentinel tells.
func (w *watchers) view(ctx context.Context) (masterView, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.at) < viewFor {
		return w.last, true
	}
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	views, told := make([]masterView, len(w.nodes)), make([]bool, len(w.nodes))
	_ = kit.Each(w.nodes, func(i int) error { // who does not answer tells nothing
		return w.links.Use(ctx, w.nodes[i], func(l *link) error {
			v, err := askSentinel(ctx, l, w.name)
			views[i], told[i] = v, err == nil
			return err
		})
	})
	found := false
	for i, v := range views {
		if told[i] && (!found || v.epoch > w.last.epoch) {
			w.last, w.at, found = v, time.Now(), true
		}
	}
	return w.last, found
}

// is tells whether a view means a node, whose server has that id.
func (v masterView) is(runID string, n *cluster.Node) bool {
	if v.runID != "" && v.runID == runID {
		return true
	}
	at, err := netip.ParseAddr(v.addr)
	return err == nil && at.Unmap() == n.At().Unmap() && v.port == strconv.Itoa(kit.Port(n, serverPort))
}
