package ripple

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/ripple/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// testNode is a server in this process in place of an agent. Its methods that
// the target does not call are the nil interface's.
type testNode struct {
	cluster.Control
	addr   string
	server *server.Server
}

func (n *testNode) DialServer(ctx context.Context, port int) (net.Conn, error) {
	if port != server.DefaultPort {
		return nil, errors.New("not ripple's port")
	}
	return new(net.Dialer).DialContext(ctx, "tcp", n.addr)
}

// launch runs n nodes on loopback addresses of their own, which share the
// target's port.
func launch(t *testing.T, s *System, n int) []*cluster.Node {
	t.Helper()
	var nodes []*cluster.Node
	for i := range n {
		// Another process's test may use the same addresses: take the first free ones.
		nodes = append(nodes, &cluster.Node{Name: "n" + strconv.Itoa(i+1), Index: i, Addr: freeAddr(t, i)})
	}
	for i, node := range nodes {
		o := server.Options{Name: node.Name, Data: t.TempDir(), Listen: address(node), Peers: map[string]string{},
			Replication: server.Replication(s.replication), Fsync: server.Fsync(s.fsync), ReadLease: s.readLease}
		for j, peer := range nodes {
			if j != i {
				o.Peers[peer.Name] = address(peer)
			}
		}
		srv, err := server.New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = srv.Close() })
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		node.Control = &testNode{addr: address(node), server: srv}
	}
	return nodes
}

// freeAddr finds a loopback address whose ripple port is free.
func freeAddr(t *testing.T, i int) netip.Addr {
	t.Helper()
	for third := range 250 {
		addr := netip.AddrFrom4([4]byte{127, 77, byte(third), byte(i + 1)})
		ln, err := net.Listen("tcp", netip.AddrPortFrom(addr, server.DefaultPort).String())
		if err != nil {
			continue
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatal("no loopback address is free")
	return netip.Addr{}
}

func configure(t *testing.T, options map[string]string) *System {
	t.Helper()
	s, err := Target{}.Configure(targets.Config{Replicas: 2, Options: options, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*System)
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, s *System, n *cluster.Node) targets.Client {
	t.Helper()
	c, err := s.Connect(within(t), n, targets.ClientOptions{ConnectTimeout: time.Second, OpTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func do(t *testing.T, c targets.Client, op history.Op) history.Op {
	t.Helper()
	c.Do(within(t), &op)
	return op
}

func TestFormAndEveryKindOfOperation(t *testing.T) {
	s := configure(t, map[string]string{"replication": "sync", "fsync": "never"})
	nodes := launch(t, s, 3)
	began := time.Now()
	if err := s.Form(within(t), nodes); err != nil {
		t.Fatal(err)
	}
	t.Logf("formed in %v", time.Since(began))
	p := connect(t, s, nodes[0])
	ok := func(op history.Op) history.Op {
		t.Helper()
		op = do(t, p, op)
		if op.Outcome != history.OK || op.Error != history.ErrNone {
			t.Fatalf("%v: %v %v", op.Kind, op.Outcome, op.Error)
		}
		return op
	}
	if op := ok(history.Op{Kind: history.Read, Key: 7}); op.Value != history.Nil {
		t.Error("a missing key reads as", op.Value)
	}
	op := do(t, p, history.Op{Kind: history.CAS, Key: 7, Old: 1, Value: 2})
	if op.Outcome != history.Fail || op.Error != history.ErrCompare || op.Flags&history.Seen == 0 || op.Observed != history.Nil {
		t.Errorf("a CAS on nothing: %+v", op)
	}
	ok(history.Op{Kind: history.Write, Key: 7, Value: -5})
	ok(history.Op{Kind: history.CAS, Key: 7, Old: -5, Value: 6})
	op = do(t, p, history.Op{Kind: history.CAS, Key: 7, Old: -5, Value: 8, Flags: history.Warmup})
	if op.Outcome != history.Fail || op.Error != history.ErrCompare || op.Observed != 6 || op.Flags != history.Seen|history.Warmup {
		t.Errorf("%+v", op)
	}
	if op := ok(history.Op{Kind: history.Read, Key: 7, Flags: history.Seen}); op.Value != 6 || op.Flags != 0 {
		t.Errorf("%+v", op)
	}
	for i := range int64(2000) {
		ok(history.Op{Kind: history.Add, Key: 7, Value: i})
	}
	if op := ok(history.Op{Kind: history.ReadSet, Key: 7, Elements: make([]int64, 3)}); len(op.Elements) != 2000 || op.Elements[1999] != 1999 {
		t.Errorf("%d elements", len(op.Elements))
	}
	if op := ok(history.Op{Kind: history.ReadSet, Key: 8}); len(op.Elements) != 0 {
		t.Error(op.Elements)
	}
	if op := ok(history.Op{Kind: history.Dequeue, Key: 7}); op.Value != history.Nil {
		t.Error("an empty queue delivers", op.Value)
	}
	for i := range int64(1000) {
		ok(history.Op{Kind: history.Enqueue, Key: 7, Value: i})
	}
	if op := ok(history.Op{Kind: history.Dequeue, Key: 7, Value: history.Nil}); op.Value != 0 {
		t.Error("the first message is", op.Value)
	}
	if op := ok(history.Op{Kind: history.Drain, Key: 7, Elements: make([]int64, 3)}); len(op.Elements) != 999 || op.Elements[998] != 999 || op.Value != history.Nil {
		t.Errorf("%d drained", len(op.Elements))
	}
	if op := ok(history.Op{Kind: history.Drain, Key: 7}); len(op.Elements) != 0 {
		t.Error(op.Elements)
	}
	ok(history.Op{Kind: history.Mark, Key: 7, Value: 11})
	if op := ok(history.Op{Kind: history.Poll, Key: 7, Flags: history.FromPrimary}); op.Value != 11 {
		t.Error("marker", op.Value) // and not the register's or the set's key
	}
	r := connect(t, s, nodes[1])
	for _, op := range []history.Op{
		{Kind: history.Write}, {Kind: history.CAS}, {Kind: history.Add}, {Kind: history.Mark},
		{Kind: history.Read, Flags: history.FromPrimary}, {Kind: history.ReadSet, Flags: history.FromPrimary},
		{Kind: history.Poll, Flags: history.FromPrimary}, {Kind: history.Enqueue}, {Kind: history.Dequeue}, {Kind: history.Drain},
	} {
		if op = do(t, r, op); op.Outcome != history.Fail || op.Error != history.ErrNotPrimary || r.Broken() {
			t.Errorf("%v on a replica: %v %v", op.Kind, op.Outcome, op.Error)
		}
	}
	if op := do(t, r, history.Op{Kind: history.Read, Key: 7}); op.Outcome != history.OK {
		t.Errorf("%+v", op)
	}
	if op := do(t, p, history.Op{Kind: 99}); op.Outcome != history.Fail || p.Broken() {
		t.Errorf("%+v", op)
	}
}

func TestStatusPromoteFollow(t *testing.T) {
	s := configure(t, map[string]string{"replication": "sync", "fsync": "never", "read_lease": "100ms"})
	nodes := launch(t, s, 3)
	if err := s.Form(within(t), nodes); err != nil {
		t.Fatal(err)
	}
	if op := do(t, connect(t, s, nodes[0]), history.Op{Kind: history.Write, Value: 1}); op.Outcome != history.OK {
		t.Fatalf("%+v", op)
	}
	ctx := within(t)
	if err := s.Promote(ctx, nodes, 2, []int{1}, 5); err != nil {
		t.Fatal(err)
	}
	if err := s.Follow(ctx, nodes, 1, 2, 5); err != nil {
		t.Fatal(err)
	}
	if err := s.Follow(ctx, nodes, 0, 2, 5); err != nil {
		t.Fatal(err)
	}
	if err := s.Promote(ctx, nodes, 1, nil, 4); err == nil || !strings.Contains(err.Error(), "STALE") || !strings.Contains(err.Error(), "n2") {
		t.Fatal(err)
	}
	if err := s.formed(ctx, nodes); err != nil {
		t.Fatal(err)
	}
	for i, n := range nodes {
		want := targets.Status{Role: targets.Replica, Epoch: 5, LogEpoch: 5, Position: 3, Eligible: true, Healthy: true}
		if i == 2 {
			want.Role = targets.Primary
		}
		for name, ask := range map[string]func(context.Context, *cluster.Node) (targets.Status, error){
			"Status": s.Status, "ClientStatus": s.ClientStatus} {
			st, err := ask(ctx, n)
			if st.Detail == "" {
				t.Error("no detail")
			}
			st.Detail = ""
			if err != nil || st != want {
				t.Errorf("%s of %s: %+v %v", name, n.Name, st, err)
			}
		}
	}
}

// TestDeadlines asks a node that takes connections and says nothing.
func TestDeadlines(t *testing.T) {
	addr := freeAddr(t, 9)
	ln, err := net.Listen("tcp", netip.AddrPortFrom(addr, server.DefaultPort).String())
	if err != nil {
		t.Fatal(err)
	}
	node := &cluster.Node{Name: "mute", Addr: addr}
	node.Control = &testNode{addr: address(node)}
	s := configure(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Status(ctx, node); err == nil {
		t.Error("a status of nothing")
	}
	if err := s.Form(ctx, []*cluster.Node{node}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "mute") {
		t.Error(err)
	}
	cancelled, stop := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, stop)
	if _, err := s.ClientStatus(cancelled, node); err == nil {
		t.Error("a status of nothing")
	}
	c, err := s.Connect(within(t), node, targets.ClientOptions{OpTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	op := do(t, c, history.Op{Kind: history.Write})
	if op.Outcome != history.Unknown || op.Error != history.ErrTimeout || !c.Broken() {
		t.Errorf("%+v", op)
	}
	// The late answer to one call must not become that of the next.
	if op := do(t, c, history.Op{Kind: history.Write}); op.Outcome != history.Fail || op.Error != history.ErrConnect {
		t.Errorf("%+v", op)
	}
	_ = c.Close()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Connect(within(t), node, targets.ClientOptions{}); err == nil || !strings.Contains(err.Error(), "mute") {
		t.Error(err)
	}
}

func TestConfigure(t *testing.T) {
	for _, bad := range []struct{ key, value, want string }{
		{"replicaton", "sync", `did you mean "replication"?`},
		{"color", "red", "known are replication, fsync"},
		{"replication", "snyc", `did you mean "sync"?`},
		{"fsync", "allways", `did you mean "always"?`},
		{"apply", "", "known are serial, parallel"},
		{"bug", "drop-acked, double-aply", `did you mean "double-apply"?`},
		{"bug_n", "0", "at least 1"},
		{"bug_n", "x", "at least 1"},
		{"replay_cost", "200", "write it like 200us"},
		{"replay_cost", "-1ms", "out of range"},
		{"read_lease", "1ms", "out of range"},
		{"fsync_interval", "0", "out of range"},
	} {
		_, err := Target{}.Configure(targets.Config{Options: map[string]string{bad.key: bad.value}})
		if err == nil || !strings.Contains(err.Error(), bad.want) || !strings.HasPrefix(err.Error(), "target.options."+bad.key+":") {
			t.Errorf("%s: %s: %v", bad.key, bad.value, err)
		}
	}
	if _, err := (Target{}).Configure(targets.Config{Replicas: -1}); err == nil {
		t.Error("-1 replicas")
	}
	defaults := map[string]string{}
	for _, o := range (Target{}).Info().Options {
		defaults[o.Name] = o.Default
		if o.Meaning == "" || o.Words != nil && !slices.Contains(o.Words, o.Default) {
			t.Errorf("option %+v", o)
		}
	}
	if got, want := configure(t, defaults), configure(t, nil); !equal(got, want) {
		t.Errorf("the documented defaults are not the real ones: %+v, %+v", got, want)
	}
}

func equal(a, b *System) bool {
	x, y := *a, *b
	x.bugs, y.bugs = nil, nil
	return slices.Equal(a.bugs, b.bugs) && x.replication == y.replication && x.fsync == y.fsync && x.apply == y.apply &&
		x.fsyncInterval == y.fsyncInterval && x.replayCost == y.replayCost && x.readLease == y.readLease &&
		x.bugN == y.bugN && x.seed == y.seed
}

func TestServeRunsUntilItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	addr := netip.AddrPortFrom(freeAddr(t, 20), server.DefaultPort).String()
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, server.Options{Name: "n1", Data: t.TempDir(), Listen: addr}) }()
	if err := kit.Retry(within(t), retryEvery, "dial", func() error {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
