package network_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/google/nftables"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
)

func TestMain(m *testing.M) { nodetest.Main(m) }

// reaches tells whether a TCP connection from one node to the other's server
// can be made.
func reaches(t *testing.T, from, to *cluster.Node) bool {
	t.Helper()
	return from.Probe(t.Context(), netip.AddrPortFrom(to.Addr, nodetest.ServerPort), 60*time.Millisecond) == nil
}

// graph shows who reaches whom, such as "1>2 1>3 2>1".
func graph(t *testing.T, nodes []*cluster.Node) string {
	t.Helper()
	var s string
	for i, from := range nodes {
		for j, to := range nodes {
			if i != j && reaches(t, from, to) {
				s += fmt.Sprintf(" %d>%d", i+1, j+1)
			}
		}
	}
	return s
}

func both(peers ...*cluster.Node) []cluster.Rule {
	var rules []cluster.Rule
	for _, p := range peers {
		rules = append(rules, cluster.Rule{Peer: p.Addr, In: true, Out: true})
	}
	return rules
}

const everybody = " 1>2 1>3 2>1 2>3 3>1 3>2"

func TestPartitionsCompose(t *testing.T) {
	nodes := nodetest.Launch(t, 3).Nodes()
	nodetest.Serve(t, nodes...)
	if g := graph(t, nodes); g != everybody {
		t.Fatalf("before: %s", g)
	}
	one := nodes[0]
	if e := nodetest.Do(t, one, cluster.Action{Kind: cluster.Block, ID: "f1", Rules: both(nodes[1])}); !e.Changed {
		t.Error("the block changed nothing")
	}
	if g := graph(t, nodes); g != " 1>3 2>3 3>1 3>2" {
		t.Errorf("f1: %s", g)
	}
	nodetest.Do(t, one, cluster.Action{Kind: cluster.Block, ID: "f2", Rules: both(nodes[1], nodes[2])})
	if g := graph(t, nodes); g != " 2>3 3>2" {
		t.Errorf("f1 and f2: %s", g)
	}
	if e := nodetest.Do(t, one, cluster.Action{Kind: cluster.Unblock, ID: "f1"}); !e.Changed || e.Dropped == 0 {
		t.Errorf("f1's end: %+v", e)
	}
	if g := graph(t, nodes); g != " 2>3 3>2" {
		t.Errorf("f2 alone: %s", g)
	}
	if e := nodetest.Do(t, one, cluster.Action{Kind: cluster.Unblock, ID: "f2"}); !e.Changed || e.Dropped == 0 {
		t.Errorf("f2's end: %+v", e)
	}
	if e := nodetest.Do(t, one, cluster.Action{Kind: cluster.Unblock, ID: "f2"}); e.Changed || e.Dropped != 0 {
		t.Errorf("the end of what has ended: %+v", e)
	}
	if g := graph(t, nodes); g != everybody {
		t.Errorf("after: %s", g)
	}
}

// Datagrams show each direction by itself; the fault's count survives rebuilds.
func TestOneWayAndCounts(t *testing.T) {
	nodes := nodetest.Launch(t, 3).Nodes()
	nodetest.Serve(t, nodes...)
	one, two := nodes[0], nodes[1]
	send := func(from, to *cluster.Node, times int) {
		t.Helper()
		for range times {
			// A datagram that the sender's own rules drop is an error to it.
			if _, err := nodetest.Ask(t, from, "send "+to.Addr.String()); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := func(at, from *cluster.Node) int {
		t.Helper()
		answer, err := nodetest.Ask(t, at, "got "+from.Addr.String())
		count, convErr := strconv.Atoi(answer)
		if err != nil || convErr != nil {
			t.Fatal(answer, err)
		}
		return count
	}
	arrives := func(from, to *cluster.Node) bool {
		t.Helper()
		before := got(to, from)
		for range 20 {
			send(from, to, 1)
			if got(to, from) > before {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		name      string
		rule      cluster.Rule
		out, back bool // whether datagrams arrive
	}{
		{"in", cluster.Rule{Peer: two.Addr, In: true}, true, false},
		{"out", cluster.Rule{Peer: two.Addr, Out: true}, false, true},
		{"both", cluster.Rule{Peer: two.Addr, In: true, Out: true}, false, false},
	} {
		nodetest.Do(t, one, cluster.Action{Kind: cluster.Block, ID: c.name, Rules: []cluster.Rule{c.rule}})
		if out, back := arrives(one, two), arrives(two, one); out != c.out || back != c.back {
			t.Errorf("%s: out %t, back %t", c.name, out, back)
		}
		nodetest.Do(t, one, cluster.Action{Kind: cluster.Block, ID: "other", Rules: both(nodes[2])}) // rebuilds
		want := uint64(20)
		if !c.out && !c.back {
			want = 40
		}
		if e := nodetest.Do(t, one, cluster.Action{Kind: cluster.Unblock, ID: c.name}); e.Dropped != want {
			t.Errorf("%s: dropped %d, want %d", c.name, e.Dropped, want)
		}
		nodetest.Do(t, one, cluster.Action{Kind: cluster.Unblock, ID: "other"})
	}
}

// A node that is cut off from everybody is still the harness's to control.
func TestControlWorksThroughFullBlock(t *testing.T) {
	c := nodetest.Launch(t, 2)
	one, two := c.Nodes()[0], c.Nodes()[1]
	nodetest.Serve(t, one, two)
	dial := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(one.Addr, nodetest.ServerPort).String())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if err := dial(); err != nil {
		t.Fatal(err)
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	rules := both(two)
	for _, peer := range []netip.Addr{c.HarnessAddr(), one.Addr, loopback} {
		rules = append(rules, cluster.Rule{Peer: peer, In: true, Out: true})
	}
	nodetest.Do(t, one, cluster.Action{Kind: cluster.Block, ID: "f1", Rules: rules})
	if dial() == nil || reaches(t, one, two) || reaches(t, two, one) {
		t.Error("the block does not hold")
	}
	nodetest.WaitAnswers(t, one)
	if !reaches(t, one, one) {
		t.Error("a node cannot reach itself")
	}
	nodetest.Do(t, one, cluster.Action{Kind: cluster.Kill})
	nodetest.Do(t, one, cluster.Action{Kind: cluster.Restart})
	nodetest.WaitAnswers(t, one)
	if dial() == nil || reaches(t, one, two) {
		t.Error("the restart lifted the block")
	}
	nodetest.Do(t, one, cluster.Action{Kind: cluster.Unblock, ID: "f1"})
	if err := dial(); err != nil {
		t.Error(err)
	}
	if _, err := one.Do(t.Context(), cluster.Action{Kind: cluster.Block, Rules: rules}); err == nil {
		t.Error("rules without an id were taken")
	}
	if _, err := one.Do(t.Context(), cluster.Action{Kind: cluster.Block, ID: "f2", Rules: []cluster.Rule{{In: true}}}); err == nil {
		t.Error("a rule without a peer was taken")
	}
}

// Rules end by themselves, in the kernel, when the harness is not heard of; a
// longer partition than the lease holds as long as it is.
func TestRulesLiveOnTheLease(t *testing.T) {
	nodes := nodetest.Launch(t, 2).Nodes()
	nodetest.Serve(t, nodes...)
	one, two := nodes[0], nodes[1]
	nodetest.Do(t, one, cluster.Action{Kind: cluster.Block, ID: "f1", Rules: both(two)})
	for began := time.Now(); time.Since(began) < cluster.DefaultLease+time.Second; {
		if reaches(t, one, two) || reaches(t, two, one) {
			t.Fatalf("the rules lapsed after %s, though the harness is there", time.Since(began))
		}
	}
	if e := nodetest.Do(t, one, cluster.Action{Kind: cluster.Unblock, ID: "f1"}); e.Lapsed != 0 || e.Dropped == 0 {
		t.Errorf("the end: %+v", e)
	}
	if !reaches(t, one, two) {
		t.Error("the rules are still there")
	}
}

// Nobody renews: the kernel alone lets the rules lapse, and the next renewal tells
// for how long and puts them in force again.
func TestTheKernelHeals(t *testing.T) {
	two := nodetest.Launch(t, 1).Nodes()[0]
	nodetest.Serve(t, two)
	dial := func() bool {
		conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(two.Addr, nodetest.ServerPort).String(), 60*time.Millisecond)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	const lease = 500 * time.Millisecond
	heard := time.Now()
	f := network.NewFirewall(1, lease, func() time.Time { return heard }) // of the network that this process is in
	block := cluster.Action{ID: "f1", Rules: both(two)}
	if _, err := f.Block(block); err != nil {
		t.Fatal(err)
	}
	if dial() && time.Since(heard) < lease {
		t.Fatal("no rule is in force")
	}
	for began := time.Now(); !dial(); {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the rules outlive the lease")
		}
	}
	if early := lease - time.Since(heard); early > 50*time.Millisecond {
		t.Errorf("they ended %s before the lease", early)
	}
	heard = time.Now()
	if err := f.Renew(); err != nil {
		t.Fatal(err)
	}
	if l := f.Lapse(); l.Count != 1 || !l.Until.After(l.From) {
		t.Errorf("the lapse: %+v", l)
	}
	if dial() && time.Since(heard) < lease {
		t.Error("they are not in force again")
	}
	if e, err := f.Unblock(block); err != nil || e.Lapsed <= 0 {
		t.Errorf("the end: %+v, %v", e, err)
	}
	if _, err := f.Block(block); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !dial() {
		t.Error("the end left rules")
	}
}

// Somebody removes the rules: the next renewal puts them back and tells.
func TestRulesThatWereRemovedComeBack(t *testing.T) {
	two := nodetest.Launch(t, 1).Nodes()[0]
	f := network.NewFirewall(1, time.Minute, time.Now)
	block := cluster.Action{ID: "f1", Rules: both(two)}
	if _, err := f.Block(block); err != nil {
		t.Fatal(err)
	}
	somebody, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	count := func() int {
		t.Helper()
		tables, err := somebody.ListTablesOfFamily(nftables.TableFamilyINet)
		if err != nil {
			t.Fatal(err)
		}
		return len(tables)
	}
	if count() != 1 {
		t.Fatalf("%d tables", count())
	}
	somebody.DelTable(&nftables.Table{Name: "aftershock", Family: nftables.TableFamilyINet})
	if err := somebody.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Renew(); err != nil {
		t.Fatal(err)
	}
	if l := f.Lapse(); count() != 1 || l.Count != 1 {
		t.Errorf("%d tables, the lapse %+v", count(), l)
	}
	next := network.NewFirewall(1, time.Minute, time.Now)
	if err := next.Clear(); err != nil || count() != 0 {
		t.Errorf("%d tables, though the next one has cleared up: %v", count(), err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil || count() != 0 {
		t.Errorf("%d tables after the end, %v", count(), err)
	}
}
