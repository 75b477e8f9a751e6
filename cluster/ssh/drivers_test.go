package ssh

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// heard is what was written by several.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

func (f *fake) crew(names ...string) cluster.Cluster {
	f.t.Helper()
	spec := cluster.Spec{Binary: f.binary}
	for i := range 3 {
		spec.Nodes = append(spec.Nodes, cluster.NodeSpec{Name: fmt.Sprintf("driver%d", i+1), Bare: true})
	}
	c, err := NewHost(Target{Hosts: names}).Launch(f.t.Context(), spec)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close(f.t.Context()) })
	return c
}

func ask(t *testing.T, n *cluster.Node, line string) string {
	t.Helper()
	conn, err := n.DialServer(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintln(conn, line); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(answer)
}

var echoSpec = cluster.ServerSpec{Command: []string{cluster.Self, "echo"}}

// TestDrivers: commands of the binary on hosts, several on one, each with a folder of its
// own, which the next one finds as the one that was killed has left it.
func TestDrivers(t *testing.T) {
	f := newFake(t, "db1", "10.1.2.3")
	c := f.crew("db1", "10.1.2.3")
	nodes := c.Nodes()
	if a, b, again := nodes[0].Addr, nodes[1].Addr, nodes[2].Addr; a == b || a != again {
		t.Errorf("drivers at %s, %s, %s: in turn on two hosts", a, b, again)
	}
	if left := f.left("db1"); len(left) > 0 {
		t.Errorf("before anything is started: %q", left)
	}
	var said heard
	listening := make(chan struct{})
	go func() { defer close(listening); _ = nodes[0].CopyOutput(t.Context(), &said) }()
	time.Sleep(50 * time.Millisecond)
	for i, n := range nodes {
		if err := n.Start(t.Context(), echoSpec); err != nil {
			t.Fatal(err)
		}
		if got, want := ask(t, n, fmt.Sprint(i)), fmt.Sprint(i); got != want {
			t.Errorf("%s has %q, want %q", n.Name, got, want)
		}
	}
	until(t, "its words arrive", 5*time.Second, func() bool { return strings.Contains(said.String(), "the echo is here") })
	if err := nodes[0].Start(t.Context(), echoSpec); err == nil {
		t.Error("a second one was started beside the first")
	}
	if _, err := nodes[0].Do(t.Context(), cluster.Action{Kind: cluster.Pause}); !errors.Is(err, cluster.ErrCannot) {
		t.Errorf("a pause: %v", err)
	}
	do(t, nodes[0], cluster.Action{Kind: cluster.Kill})
	if e := exit(t, nodes[0]); !e.Planned {
		t.Errorf("%+v", e)
	}
	if _, err := nodes[0].DialServer(t.Context(), 1); err == nil {
		t.Error("a dead one is reached")
	}
	if err := nodes[0].Start(t.Context(), echoSpec); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, nodes[0], "x"); got != "0x" {
		t.Errorf("after the kill there is %q, want 0x", got)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	<-listening
	for _, h := range []string{"db1", "10.1.2.3"} {
		until(t, "nothing is left", 5*time.Second, func() bool {
			return len(f.left(h)) == 0 && !strings.Contains(f.inside(h, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\000' ' '"), "echo --session")
		})
	}
}

// TestDriverOfDeadHarness: a session that ends takes its command along, and the folder a
// little later.
func TestDriverOfDeadHarness(t *testing.T) {
	f := newFake(t, "db1")
	n := f.crew("db1").Nodes()[0]
	if err := n.Start(t.Context(), echoSpec); err != nil {
		t.Fatal(err)
	}
	ask(t, n, "x")
	_ = n.Control.(*driver).session.in.Close() // as with the client of ssh
	until(t, "nothing is left", linger+10*time.Second, func() bool { return len(f.left("db1")) == 0 })
	if e := exit(t, n); e.Planned {
		t.Errorf("%+v", e)
	}
}

// TestDriverFolders: a folder of somebody else's under the name is not entered.
func TestDriverFolders(t *testing.T) {
	f := newFake(t, "db1")
	n := f.crew("db1").Nodes()[0]
	elsewhere := t.TempDir()
	at := filepath.Join(f.dir, "tmp", n.Control.(*driver).folder)
	if err := os.Symlink(elsewhere, at); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context(), echoSpec); err != nil {
		t.Fatal(err)
	}
	ask(t, n, "x")
	if entries, err := os.ReadDir(elsewhere); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v: it went through the link", entries, err)
	}
	if err := n.Control.(*driver).remove(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(at); err != nil {
		t.Errorf("the link of somebody else's is gone: %v", err)
	}
	_ = os.Remove(at)
}
