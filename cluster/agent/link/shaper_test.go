package link_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
	"github.com/aftershock-chaos/aftershock/cluster/agent/link"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
)

func TestMain(m *testing.M) { nodetest.Main(m) }

// client is a connection to a node's server over the clients' network.
type client struct {
	net.Conn
	lines *bufio.Reader
}

func dial(t testing.TB, n *cluster.Node) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(n.Addr, nodetest.ServerPort).String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{conn, bufio.NewReader(conn)}
}

// ask tells how long an answer took.
func (c *client) ask(t testing.TB, line string) (answer string, took time.Duration) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	began := time.Now()
	if _, err := fmt.Fprintln(c, line); err != nil {
		t.Fatal(err)
	}
	answer, err := c.lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(answer), time.Since(began)
}

// fastest is the least of some round trips: what a busy machine adds is not in it.
func (c *client) fastest(t testing.TB, times int) time.Duration {
	t.Helper()
	least := time.Hour
	for range times {
		_, took := c.ask(t, "ping")
		least = min(least, took)
	}
	return least
}

func shape(t testing.TB, n *cluster.Node, id string, links ...cluster.Link) cluster.Effect {
	t.Helper()
	return nodetest.Do(t, n, cluster.Action{Kind: cluster.Shape, ID: id, Links: links, Seed: 7})
}

func unshape(t testing.TB, n *cluster.Node, id string) cluster.Effect {
	t.Helper()
	return nodetest.Do(t, n, cluster.Action{Kind: cluster.Unshape, ID: id})
}

const ms = time.Millisecond

// Delays of faults add; each ends by itself; a restart of the server ends none; the
// control channel is never slow.
func TestDelaysCompose(t *testing.T) {
	c := nodetest.Launch(t, 1)
	node, clients := c.Nodes()[0], c.HarnessAddr()
	nodetest.Serve(t, node)
	conn := dial(t, node)
	if e := shape(t, node, "f1", cluster.Link{Peer: clients, Delay: 30 * ms}); !e.Changed {
		t.Error("the shape changed nothing")
	}
	if took := conn.fastest(t, 5); took < 29*ms {
		t.Errorf("one delay: %s", took)
	}
	shape(t, node, "f2", cluster.Link{Peer: clients, Delay: 50 * ms})
	if took := conn.fastest(t, 5); took < 79*ms {
		t.Errorf("two delays: %s", took)
	}
	nodetest.Do(t, node, cluster.Action{Kind: cluster.Kill})
	nodetest.Do(t, node, cluster.Action{Kind: cluster.Restart})
	nodetest.WaitAnswers(t, node)
	conn = dial(t, node)
	if took := conn.fastest(t, 5); took < 79*ms {
		t.Errorf("after a restart: %s", took)
	}
	began := time.Now()
	if err := node.Control.(cluster.Able).Can(t.Context(), cluster.Shape); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("the control channel: %v", err)
	}
	if e := unshape(t, node, "f1"); !e.Changed || e.Counts["packets held"] == 0 || e.Lapsed != 0 {
		t.Errorf("f1's end: %+v", e)
	}
	if took := conn.fastest(t, 20); took < 49*ms || took > 79*ms {
		t.Errorf("f2 alone: %s", took)
	}
	unshape(t, node, "f2")
	if took := conn.fastest(t, 50); took > 29*ms {
		t.Errorf("after the end: %s", took)
	}
	if e := unshape(t, node, "f2"); e.Changed || e.Counts != nil {
		t.Errorf("the end of what has ended: %+v", e)
	}
}

// got asks a node how many datagrams of another one have come.
func got(t *testing.T, at, from *cluster.Node) (n int) {
	t.Helper()
	answer, err := nodetest.Ask(t, at, "got "+from.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Sscan(answer, &n)
	return n
}

// send has a node send datagrams to another one, and waits for the last of what
// arrives.
func send(t *testing.T, from, to *cluster.Node, times int) (arrived int) {
	t.Helper()
	before := got(t, to, from)
	for range times {
		if answer, err := nodetest.Ask(t, from, "send "+to.Addr.String()); err != nil || answer != "<nil>" {
			t.Fatal(answer, err)
		}
	}
	arrived = -1
	for last := got(t, to, from) - before; last != arrived; last = got(t, to, from) - before {
		arrived = last
		time.Sleep(50 * ms)
	}
	return arrived
}

// What is lost, and what comes twice, is what was counted, on both ends of a link.
func TestWhatIsCountedIsWhatHappened(t *testing.T) {
	nodes := nodetest.Launch(t, 2).Nodes()
	nodetest.Serve(t, nodes...)
	one, two := nodes[0], nodes[1]
	const sent = 200
	for name, link := range map[string]cluster.Link{"in": {Peer: one.Addr}, "out": {Peer: two.Addr, Out: true}} {
		at := two
		if link.Out {
			at = one
		}
		lossy, double := link, link
		lossy.Loss, lossy.Burst = 0.3, 3
		double.Duplicate = 0.5
		shape(t, at, "lossy", lossy)
		arrived := send(t, one, two, sent)
		lost := int(unshape(t, at, "lossy").Counts["packets lost"])
		if arrived != sent-lost || lost < sent/20 || lost > sent*2/3 {
			t.Errorf("%s: %d of %d arrived, %d were lost", name, arrived, sent, lost)
		}
		shape(t, at, "double", double)
		arrived = send(t, one, two, sent)
		more := int(unshape(t, at, "double").Counts["packets duplicated"])
		if arrived != sent+more || more < sent/4 || more > sent*3/4 {
			t.Errorf("%s: %d of %d arrived, %d were duplicated", name, arrived, sent, more)
		}
	}
}

// A partition and a slow link on the same packets: what is dropped is not held.
func TestShapeAndBlockCompose(t *testing.T) {
	nodes := nodetest.Launch(t, 2).Nodes()
	nodetest.Serve(t, nodes...)
	one, two := nodes[0], nodes[1]
	shape(t, two, "slow", cluster.Link{Peer: one.Addr, Delay: 5 * ms})
	nodetest.Do(t, two, cluster.Action{Kind: cluster.Block, ID: "cut", Rules: []cluster.Rule{{Peer: one.Addr, In: true}}})
	if n := send(t, one, two, 20); n != 0 {
		t.Errorf("%d arrived through the cut", n)
	}
	if e := nodetest.Do(t, two, cluster.Action{Kind: cluster.Unblock, ID: "cut"}); e.Dropped != 20 {
		t.Errorf("the cut dropped %d", e.Dropped)
	}
	if n := send(t, one, two, 20); n != 20 {
		t.Errorf("%d arrived after the cut", n)
	}
	if e := unshape(t, two, "slow"); e.Counts["packets held"] != 20 {
		t.Errorf("%+v", e)
	}
}

// A connection that is reset ends at once on both ends, idle as it is; those of others,
// and the control channel, go on.
func TestReset(t *testing.T) {
	c := nodetest.Launch(t, 2)
	one, two := c.Nodes()[0], c.Nodes()[1]
	nodetest.Serve(t, one, two)
	hit, other := dial(t, one), dial(t, two)
	hit.ask(t, "ping")
	other.ask(t, "ping")
	if err := one.Control.(cluster.Able).Can(t.Context(), cluster.Reset); err != nil {
		t.Fatal(err)
	}
	reset := cluster.Action{Kind: cluster.Reset, ID: "f1", Rules: []cluster.Rule{{Peer: c.HarnessAddr(), In: true, Out: true}, {Peer: two.Addr}}}
	e := nodetest.Do(t, one, reset)
	if !e.Changed || e.Counts["connections reset"] != 1 {
		t.Errorf("%+v", e)
	}
	_ = hit.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := hit.lines.ReadString('\n'); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's end says: %v", err)
	}
	if answer, _ := other.ask(t, "ping"); answer != "pong" {
		t.Error(answer)
	}
	dial(t, one).ask(t, "ping") // new ones are welcome
	nodetest.WaitAnswers(t, one)
	if e := nodetest.Do(t, two, cluster.Action{Kind: cluster.Reset, ID: "f2", Rules: []cluster.Rule{{Peer: one.Addr}}}); e.Changed || e.Counts["connections reset"] != 0 {
		t.Errorf("nothing to reset: %+v", e)
	}
}

// Nobody renews the rules, or nobody reads the queue: packets pass as if there were no
// fault.
func TestNothingIsHeldWithoutTheHarness(t *testing.T) {
	c := nodetest.Launch(t, 1)
	node := c.Nodes()[0]
	nodetest.Serve(t, node)
	conn := dial(t, node)
	const lease = 400 * time.Millisecond
	heard := time.Now()
	f := network.NewFirewall(1, lease, func() time.Time { return heard }) // of the network that this process is in
	s := link.New(f)
	slow := cluster.Action{ID: "f1", Links: []cluster.Link{{Peer: node.Addr, Delay: 150 * ms}}}
	if _, err := s.Shape(slow); err != nil {
		t.Fatal(err)
	}
	if _, took := conn.ask(t, "ping"); took < 140*ms && time.Since(heard) < lease {
		t.Errorf("it takes %s", took)
	}
	for began := time.Now(); ; {
		if _, took := conn.ask(t, "ping"); took < 140*ms {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal("the rules outlive the lease")
		}
	}
	heard = time.Now().Add(time.Hour)
	if err := f.Renew(); err != nil {
		t.Fatal(err)
	}
	if _, took := conn.ask(t, "ping"); took < 140*ms {
		t.Errorf("renewed, it takes %s", took)
	}
	done := make(chan time.Duration, 1)
	go func() { _, took := conn.ask(t, "ping"); done <- took }()
	time.Sleep(20 * ms)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := <-done; took > 140*ms {
		t.Errorf("what was held at the end came after %s", took)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
