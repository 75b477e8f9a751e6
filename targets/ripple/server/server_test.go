package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests.
const patience = 10 * time.Second

var clusters atomic.Uint32

// testCluster is a few nodes on loopback. Each node reaches the others through
// a link of its own for each direction, which the test can cut.
type testCluster struct {
	t         *testing.T
	opts      Options
	names     []string
	dirs      []string
	nodes     []*Server // nil while down
	addrs     []string
	listeners []net.Listener   // of nodes that were never started
	links     map[[2]int]*link // from, to
}

// newCluster makes n nodes of o and starts them.
func newCluster(t *testing.T, n int, o Options) *testCluster {
	t.Helper()
	c := &testCluster{t: t, opts: o, nodes: make([]*Server, n), links: make(map[[2]int]*link)}
	for i := range n {
		c.names = append(c.names, fmt.Sprintf("n%d", i))
		c.dirs = append(c.dirs, t.TempDir())
		// Addresses of their own: a node that restarts finds its port free.
		ln, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 64+os.Getpid()%128, clusters.Add(1)%250, i+1))
		if err != nil {
			t.Fatal(err)
		}
		c.listeners = append(c.listeners, ln)
		c.addrs = append(c.addrs, ln.Addr().String())
	}
	for i := range n {
		for j := range n {
			if i != j {
				c.links[[2]int{i, j}] = newLink(t, c.addrs[j])
			}
		}
	}
	t.Cleanup(c.close)
	for i := range n {
		c.start(i)
	}
	return c
}

func (c *testCluster) close() {
	for i, s := range c.nodes {
		if s != nil {
			if err := s.Close(); err != nil {
				c.t.Errorf("close n%d: %v", i, err)
			}
		}
	}
	for _, l := range c.links {
		l.close()
	}
}

func (c *testCluster) start(i int) {
	c.t.Helper()
	o := c.opts
	o.Name, o.Data, o.Listen, o.Peers = c.names[i], c.dirs[i], c.addrs[i], make(map[string]string)
	if testing.Verbose() && os.Getenv("RIPPLE_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for j := range c.names {
		if j != i {
			o.Peers[c.names[j]] = c.link(i, j)
		}
	}
	s, err := New(o)
	if err != nil {
		c.t.Fatal(err)
	}
	if ln := c.listeners[i]; ln != nil {
		s.Serve(ln)
		c.listeners[i] = nil
	} else if err := s.Start(); err != nil {
		c.t.Fatal(errors.Join(err, s.Close()))
	}
	c.nodes[i] = s
}

// link is the address at which node i reaches node j.
func (c *testCluster) link(i, j int) string { return c.links[[2]int{i, j}].addr() }

// kill ends a node as SIGKILL would.
func (c *testCluster) kill(i int) {
	c.t.Helper()
	if err := c.nodes[i].Abort(); err != nil {
		c.t.Error(err)
	}
	c.nodes[i] = nil
}

// cut cuts (or mends) all links between node i and the others.
func (c *testCluster) cut(i int, cut bool) {
	for pair, l := range c.links {
		if pair[0] == i || pair[1] == i {
			l.cut(cut)
		}
	}
}

// form makes node 0 the primary of epoch 1 and waits for the others.
func (c *testCluster) form() {
	c.t.Helper()
	c.promote(0, 1)
	for i := range c.nodes {
		if i != 0 {
			c.follow(i, 0, 1)
		}
	}
	c.settled(0)
}

func (c *testCluster) promote(i int, epoch uint64, others ...int) {
	c.t.Helper()
	args := []any{epoch}
	for j := range c.nodes {
		if j != i && (len(others) == 0 || slices.Contains(others, j)) {
			args = append(args, c.names[j])
		}
	}
	c.dial(i).must("PROMOTE", args...)
}

func (c *testCluster) follow(i, primary int, epoch uint64) {
	c.t.Helper()
	c.dial(i).must("FOLLOW", c.link(i, primary), epoch)
}

// settled waits until every living node is healthy and has the primary's log.
func (c *testCluster) settled(primary int) {
	c.t.Helper()
	eventually(c.t, func() error {
		p := c.nodes[primary].Status()
		for i, s := range c.nodes {
			if s == nil {
				continue
			}
			st := s.Status()
			if !st.Healthy || st.Epoch != p.Epoch || st.Position != p.Position || st.Applied != p.Applied || !st.Eligible {
				return fmt.Errorf("n%d is not settled: %+v; the primary: %+v", i, st, p)
			}
		}
		return nil
	})
}

func eventually(t *testing.T, ok func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// client is a redigo connection to a node, by the clients' way.
type client struct {
	t *testing.T
	redis.Conn
}

func (c *testCluster) dial(i int) *client {
	c.t.Helper()
	conn, err := redis.Dial("tcp", c.addrs[i], redis.DialReadTimeout(patience), redis.DialConnectTimeout(patience))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return &client{c.t, conn}
}

func (c *client) must(name string, args ...any) any {
	c.t.Helper()
	v, err := c.Do(name, args...)
	if err != nil {
		c.t.Fatalf("%s %v: %v", name, args, err)
	}
	return v
}

func (c *client) get(key string) string {
	c.t.Helper()
	v := c.must("GET", key)
	if v == nil {
		return ""
	}
	return string(v.([]byte))
}

// refused checks that a command is answered with an error of that prefix.
func (c *client) refused(prefix, name string, args ...any) {
	c.t.Helper()
	v, err := c.Do(name, args...)
	if err == nil || !strings.HasPrefix(err.Error(), prefix) {
		c.t.Fatalf("%s %v: %v, %v; want %s", name, args, v, err, prefix)
	}
}
