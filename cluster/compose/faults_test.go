package compose

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

func TestFaults(t *testing.T) {
	p := newProject(t)
	p.runAll()
	d := p.attach()
	nodes := d.Nodes()
	if d.Called() != p.name || len(nodes) != 3 || nodes[1].Name != "db2" || nodes[2].Index != 2 || nodes[0].Port != serverPort {
		t.Fatalf("%s: %+v", d.Called(), nodes)
	}
	for _, kind := range []cluster.ActionKind{cluster.Kill, cluster.Stop, cluster.Restart, cluster.Crash, cluster.Pause, cluster.Resume, cluster.Block, cluster.Unblock} {
		if err := d.Can(t.Context(), kind); err != nil {
			t.Error(err)
		}
	}
	if err := nodes[0].Start(t.Context(), cluster.ServerSpec{Command: []string{"x"}}); !errors.Is(err, cluster.ErrCannot) {
		t.Errorf("a start: %v", err)
	}
	if _, err := nodes[0].Do(t.Context(), cluster.Action{Kind: cluster.Kill, Process: "x"}); !errors.Is(err, cluster.ErrCannot) {
		t.Errorf("a kill of one program: %v", err)
	}
	t.Run("partition", func(t *testing.T) { checkPartition(t, d) })
	t.Run("inside", func(t *testing.T) { checkInside(t, nodes[2]) })
	t.Run("pause", func(t *testing.T) { checkPause(t, nodes[0]) })
	t.Run("kill", func(t *testing.T) { checkKill(t, d, nodes[1]) })
	t.Run("kill of a paused one", func(t *testing.T) {
		do(t, nodes[1], cluster.Action{Kind: cluster.Pause, ID: "p"})
		do(t, nodes[1], cluster.Action{Kind: cluster.Kill, ID: "k"})
		if x := exit(t, nodes[1]); !x.Planned {
			t.Errorf("exit: %+v", x)
		}
		do(t, nodes[1], cluster.Action{Kind: cluster.Restart, ID: "k"})
		until(t, "it serves", 10*time.Second, func() bool { _, err := asks(nodes[1].At(), time.Second); return err == nil })
	})
	t.Run("stop", func(t *testing.T) { checkStop(t, nodes[1]) })
	t.Run("crash", func(t *testing.T) { checkCrash(t, d, nodes[2]) })

	do(t, nodes[0], cluster.Action{Kind: cluster.Kill, ID: "last"})
	block(t, "last", nodes[1], nodes[2].At())
	p.close(d)
	if l := left(t, p.api, "run-"+p.name); len(l) > 0 {
		t.Errorf("left: %v", l)
	}
	for _, n := range nodes {
		until(t, n.Name+" serves", 10*time.Second, func() bool { _, err := asks(n.At(), time.Second); return err == nil })
	}
	if _, open := <-d.Changes(); open {
		for range d.Changes() { // to its end
		}
	}
}

func checkPartition(t *testing.T, d cluster.Deployment) {
	nodes := d.Nodes()
	if g := graph(t, nodes); g != everybody {
		t.Fatalf("before: %s", g)
	}
	block(t, "f1", nodes[0], nodes[1].At())
	block(t, "f1", nodes[1], nodes[0].At())
	if g := graph(t, nodes); g != " 1>3 2>3 3>1 3>2" {
		t.Errorf("two cut off: %s", g)
	}
	block(t, "f2", nodes[0], d.HarnessAddr())
	if _, err := asks(nodes[0].At(), 150*time.Millisecond); err == nil {
		t.Error("clients reach a node that is cut off from them")
	}
	conn, err := nodes[0].DialServer(t.Context(), serverPort)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	for _, id := range []string{"f1", "f2"} {
		for _, n := range nodes[:2] {
			e := do(t, n, cluster.Action{Kind: cluster.Unblock, ID: id})
			if id == "f1" && (e.Dropped == 0 || !e.Changed || e.Lapsed != 0) {
				t.Errorf("the heal of %s: %+v", n.Name, e)
			}
		}
	}
	if _, err := asks(nodes[0].At(), time.Second); err != nil {
		t.Error(err)
	}
	if g := graph(t, nodes); g != everybody {
		t.Errorf("after: %s", g)
	}
}

// log is a writer that many may use.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}

func checkInside(t *testing.T, n *cluster.Node) {
	output, err := n.Run(t.Context(), cluster.ServerSpec{Command: []string{"/aftershock", "say", "hello"}})
	if string(output) != "hello\n" || err != nil {
		t.Errorf("%q, %v", output, err)
	}
	if output, err = n.Run(t.Context(), cluster.ServerSpec{Command: []string{"/aftershock", "say"}}); err == nil || !strings.Contains(string(output), "usage") {
		t.Errorf("a command that fails: %q, %v", output, err)
	}
	u, err := n.Control.(cluster.Metered).Usage(t.Context())
	if err != nil || u.Set[usage.CPU] <= 0 || u.Set[usage.Memory] <= 0 || u.Set[usage.Threads] <= 0 {
		t.Errorf("usage: %+v, %v", u, err)
	}
}

func checkPause(t *testing.T, n *cluster.Node) {
	if e := do(t, n, cluster.Action{Kind: cluster.Pause, ID: "p", At: time.Now().Add(20 * time.Millisecond)}); !e.Changed {
		t.Error("it changed nothing")
	}
	if line, err := asks(n.At(), 300*time.Millisecond); err == nil {
		t.Errorf("a paused server answers %q", line)
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Resume, ID: "p"}); !e.Changed {
		t.Error("the resume changed nothing")
	}
	if _, err := asks(n.At(), 2*time.Second); err != nil {
		t.Error(err)
	}
}

func checkKill(t *testing.T, d cluster.Deployment, n *cluster.Node) {
	at := time.Now().Add(30 * time.Millisecond)
	e := do(t, n, cluster.Action{Kind: cluster.Kill, ID: "k", At: at})
	if !e.Changed || e.At.Before(at) {
		t.Errorf("kill: %+v", e)
	}
	if x := exit(t, n); !x.Planned || x.By != "k" || x.Signal != "killed" || x.Code != -1 {
		t.Errorf("exit: %+v", x)
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Kill, ID: "k2"}); e.Changed {
		t.Error("what is down was killed")
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Pause, ID: "k3"}); e.Changed {
		t.Error("what is down was paused")
	}
	time.Sleep(1500 * time.Millisecond) // its restart policy would have acted by now
	if _, err := asks(n.At(), 200*time.Millisecond); err == nil {
		t.Error("it is up again")
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Restart, ID: "k"}); !e.Changed {
		t.Error("the start changed nothing")
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Restart, ID: "k"}); e.Changed {
		t.Error("what runs was started")
	}
	took := until(t, "it serves", 10*time.Second, func() bool { _, err := asks(n.At(), time.Second); return err == nil })
	t.Logf("served %s after the start", took)
	do(t, n, cluster.Action{Kind: cluster.Pause, ID: "k4"}) // by its new guest
	do(t, n, cluster.Action{Kind: cluster.Resume, ID: "k4"})
	select {
	case c := <-d.Changes():
		t.Errorf("what the harness did is told as a change: %+v", c)
	default:
	}
}

func checkStop(t *testing.T, n *cluster.Node) {
	if e := do(t, n, cluster.Action{Kind: cluster.Stop, ID: "s", Grace: 500 * time.Millisecond}); !e.Changed {
		t.Error("it changed nothing")
	}
	if x := exit(t, n); !x.Planned || x.By != "s" {
		t.Errorf("exit: %+v", x)
	}
	do(t, n, cluster.Action{Kind: cluster.Restart, ID: "s"})
	until(t, "it serves", 10*time.Second, func() bool { _, err := asks(n.At(), time.Second); return err == nil })
}

func checkCrash(t *testing.T, d cluster.Deployment, n *cluster.Node) {
	ctx, cancel := context.WithCancel(t.Context())
	said := &log{}
	copied := make(chan error, 1)
	go func() { copied <- n.CopyOutput(ctx, said) }()
	at := time.Now().Add(30 * time.Millisecond)
	e := do(t, n, cluster.Action{Kind: cluster.Crash, ID: "c", At: at})
	if x := exit(t, n); !x.Planned || x.By != "c" || x.Signal != "killed" {
		t.Errorf("exit: %+v", x)
	} else {
		t.Logf("the engine tells the end %s after the effect", x.At.Sub(e.At))
	}
	c := change(t, d, cluster.Restarted)
	if c.Node != 2 || c.At.Before(e.At) {
		t.Errorf("%+v", c)
	}
	until(t, "it serves", 10*time.Second, func() bool { _, err := asks(n.At(), time.Second); return err == nil })
	until(t, "its output goes on", 10*time.Second, func() bool { return said.count("serving 1") == 1 })
	do(t, n, cluster.Action{Kind: cluster.Pause, ID: "c2"}) // by its new guest
	do(t, n, cluster.Action{Kind: cluster.Resume, ID: "c2"})
	cancel()
	if err := <-copied; !errors.Is(err, context.Canceled) {
		t.Errorf("the output: %v", err)
	}
}

// One program of several: its supervisor lives on and starts it again.
func TestOneProgram(t *testing.T) {
	p := newProject(t)
	p.run("db1", func(c *container.Config, _ *container.HostConfig) {
		c.Cmd, c.User = []string{"supervise", ":7000"}, "1234:1234"
	})
	d := p.find(Target{Containers: []string{p.name + "_db1_1"}}, p.spec())
	if err := d.Invite(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := d.Nodes()[0]
	first := ""
	until(t, "it serves", 10*time.Second, func() bool { first, _ = asks(n.At(), time.Second); return first != "" })
	do(t, n, cluster.Action{Kind: cluster.Pause, ID: "p", Process: "database"})
	if _, err := asks(n.At(), 300*time.Millisecond); err == nil {
		t.Error("it answers though it is paused")
	}
	do(t, n, cluster.Action{Kind: cluster.Resume, ID: "p", Process: "database"})
	if e := do(t, n, cluster.Action{Kind: cluster.Crash, ID: "c", Process: "database"}); !e.Changed {
		t.Error("it changed nothing")
	}
	if x := exit(t, n); !x.Planned || x.By != "c" {
		t.Errorf("exit: %+v", x)
	}
	until(t, "its supervisor starts it", 10*time.Second, func() bool {
		now, err := asks(n.At(), time.Second)
		return err == nil && now != first
	})
	if e := do(t, n, cluster.Action{Kind: cluster.Crash, ID: "none", Process: "nothing"}); e.Changed {
		t.Error("nothing was crashed")
	}
	// The supervisor is PID 1 here, which goes by the binary's name.
	if e := do(t, n, cluster.Action{Kind: cluster.Crash, ID: "c2", Process: "aftershock"}); !e.Changed {
		t.Error("it changed nothing")
	}
	if x := exit(t, n); !x.Planned || x.By != "c2" || x.Signal != "killed" {
		t.Errorf("exit: %+v", x)
	}
	change(t, d, cluster.Restarted)
}

// A partition goes on over the restart of a node, by the addresses of then.
func TestRestartUnderPartition(t *testing.T) {
	p := newProject(t)
	ids := p.runAll()
	d := p.attach()
	nodes := d.Nodes()
	cut := func(n *cluster.Node, peers ...*cluster.Node) {
		addrs := []netip.Addr{d.HarnessAddr()}
		for _, peer := range peers {
			addrs = append(addrs, peer.At())
		}
		block(t, "f1", n, addrs...)
	}
	cut(nodes[0], nodes[1], nodes[2])
	block(t, "f1", nodes[1], nodes[0].At())
	block(t, "f1", nodes[2], nodes[0].At())
	for range 2 {
		do(t, nodes[0], cluster.Action{Kind: cluster.Crash, ID: "c"})
		exit(t, nodes[0])
		if c := change(t, d, cluster.Restarted); c.Node != 0 {
			t.Errorf("%+v", c)
		}
		gap := change(t, d, cluster.Unguarded)
		if gap.Node != 0 || gap.Until.Before(gap.At) || gap.Until.Sub(gap.At) > 2*time.Second {
			t.Errorf("the gap: %+v", gap)
		}
		if g := graph(t, nodes); g != " 2>3 3>2" {
			t.Errorf("after the restart: %s", g)
		}
		if _, err := asks(nodes[0].At(), 200*time.Millisecond); err == nil {
			t.Error("clients reach it")
		}
	}
	// Killed and moved: a stranger takes its address.
	do(t, nodes[0], cluster.Action{Kind: cluster.Kill, ID: "k"})
	p.run("stranger", nil)
	do(t, nodes[0], cluster.Action{Kind: cluster.Restart, ID: "k"})
	c := change(t, d, cluster.Moved)
	if c.Node != 0 || c.Addr != nodes[0].At() || c.Addr == nodes[0].Addr {
		t.Errorf("%+v", c)
	}
	change(t, d, cluster.Unguarded)
	if g := graph(t, nodes); g != " 2>3 3>2" {
		t.Errorf("after the move: %s", g)
	}
	if _, err := asks(nodes[0].Addr, time.Second); err != nil {
		t.Errorf("the stranger is cut off: %v", err)
	}
	for range 3 { // somebody else, faster than guests come
		if _, err := p.api.ContainerRestart(t.Context(), ids[0], client.ContainerRestartOptions{Timeout: new(int)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		change(t, d, cluster.Restarted)
	}
	do(t, nodes[0], cluster.Action{Kind: cluster.Pause, ID: "p"}) // by the guest of the last life
	do(t, nodes[0], cluster.Action{Kind: cluster.Resume, ID: "p"})
	if g := graph(t, nodes); g != " 2>3 3>2" {
		t.Errorf("after three restarts: %s", g)
	}
	for _, n := range nodes {
		do(t, n, cluster.Action{Kind: cluster.Unblock, ID: "f1"})
	}
	if g := graph(t, nodes); g != everybody {
		t.Errorf("after the heal: %s", g)
	}
	if paused(t, p, ids[0]) {
		t.Error("it is left paused")
	}
}

// A container that starts twice while one pause of the engine's is under way goes on
// once its last guard lets it.
func TestSlowGuard(t *testing.T) {
	p := newProject(t)
	ids := p.runAll()
	n := p.attach().Nodes()[0].Control.(*node)
	first := n.holdBack(t.Context(), ids[0])
	second := n.holdBack(t.Context(), ids[0]) // the first one's pause hit its life
	first.goOn()
	if !paused(t, p, ids[0]) {
		t.Error("the guard before let it go on")
	}
	second.goOn()
	if paused(t, p, ids[0]) {
		t.Error("it is left paused")
	}
	// What somebody else paused stays so.
	if _, err := p.api.ContainerPause(t.Context(), ids[0], client.ContainerPauseOptions{}); err != nil {
		t.Fatal(err)
	}
	n.holdBack(t.Context(), ids[0]).goOn()
	if !paused(t, p, ids[0]) {
		t.Error("it was let go on")
	}
	if _, err := p.api.ContainerUnpause(t.Context(), ids[0], client.ContainerUnpauseOptions{}); err != nil {
		t.Fatal(err)
	}
}

// Nodes that meet in two networks are cut off in both.
func TestTwoNetworks(t *testing.T) {
	p := newProject(t)
	ids := p.runAll()
	second := p.name + "_second"
	if _, err := p.api.NetworkCreate(t.Context(), second, client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.remove2(ids, second)
	})
	var others []netip.Addr
	for _, id := range ids {
		if _, err := p.api.NetworkConnect(t.Context(), second, client.NetworkConnectOptions{Container: id}); err != nil {
			t.Fatal(err)
		}
		res, err := p.api.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, res.Container.NetworkSettings.Networks[second].IPAddress)
	}
	d := p.attach()
	nodes := d.Nodes()
	open := func(from *cluster.Node, to netip.Addr) bool {
		return from.Probe(t.Context(), netip.AddrPortFrom(to, serverPort), 150*time.Millisecond) == nil
	}
	if !open(nodes[0], others[1]) {
		t.Fatal("they do not meet in the second network")
	}
	block(t, "f", nodes[0], nodes[1].At())
	if open(nodes[0], nodes[1].At()) || open(nodes[0], others[1]) || open(nodes[1], others[0]) {
		t.Error("the partition leaks")
	}
	if !open(nodes[0], others[2]) {
		t.Error("the third is cut off")
	}
	block(t, "c", nodes[0], d.HarnessAddr())
	for _, addr := range []netip.Addr{nodes[0].At(), others[0]} {
		if _, err := asks(addr, 150*time.Millisecond); err == nil {
			t.Errorf("clients reach %s", addr)
		}
	}
}
