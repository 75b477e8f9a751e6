package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

func needSandbox(tb testing.TB) {
	tb.Helper()
	if !InSandbox() {
		tb.Skipf("needs Linux namespaces: %v", Available(tb.Context()))
	}
}

func launchNodes(tb testing.TB, n int) *localCluster {
	tb.Helper()
	needSandbox(tb)
	spec := cluster.Spec{Run: tb.Name()}
	for i := range n {
		spec.Nodes = append(spec.Nodes, cluster.NodeSpec{Name: fmt.Sprintf("n%d", i+1)})
	}
	c, err := New().Launch(tb.Context(), spec)
	if err != nil {
		tb.Fatal(err)
	}
	return c.(*localCluster)
}

// openDir is a temporary directory that other users may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func closeCluster(tb testing.TB, c cluster.Cluster) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		tb.Error(err)
	}
}

// links lists the sandbox's network interfaces.
func links(tb testing.TB) string {
	tb.Helper()
	list, err := netlink.LinkList()
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, l := range list {
		names = append(names, l.Attrs().Name)
	}
	return strings.Join(names, " ")
}

func TestLaunchAndClose(t *testing.T) {
	needSandbox(t)
	t.Setenv("TMPDIR", openDir(t))
	before := links(t)
	for range 2 { // the second finds nothing of the first in its way
		c := launchNodes(t, 3)
		if got := c.HarnessAddr().String(); got != "10.77.0.1" {
			t.Error(got)
		}
		for i, n := range c.Nodes() {
			if n.Index != i || n.Name != fmt.Sprintf("n%d", i+1) || n.Addr.String() != fmt.Sprintf("10.77.0.%d", 10+i) {
				t.Errorf("node %d: %+v", i, n)
			}
		}
		if err := tryFaults(t.Context(), c.Nodes()); err != nil {
			t.Error(err)
		}
		if _, err := New().Launch(t.Context(), twoNodes); err == nil || !strings.Contains(err.Error(), "other cluster") {
			t.Errorf("a second cluster at the same addresses: %v", err)
		}
		closeCluster(t, c)
		closeCluster(t, c)
		if after := links(t); after != before {
			t.Errorf("links %q became %q", before, after)
		}
		if left, _ := os.ReadDir(os.TempDir()); len(left) != 0 {
			t.Errorf("left in the temporary directory: %v", left)
		}
		if left := children(t); left != "" {
			t.Errorf("processes left: %s", left)
		}
	}
}

// children lists all other processes of the sandbox.
func children(t *testing.T) string {
	t.Helper()
	var list []string
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stats {
		if text, err := os.ReadFile(file); err == nil && file != "/proc/1/stat" {
			list = append(list, string(text))
		}
	}
	return strings.Join(list, "")
}

func TestNodeIsIsolated(t *testing.T) {
	c := launchNodes(t, 2)
	defer closeCluster(t, c)
	run := func(script string) string {
		output, err := c.Nodes()[0].Run(t.Context(), cluster.ServerSpec{Command: []string{"sh", "-c", script}})
		if err != nil {
			t.Fatalf("%s: %v %s", script, err, output)
		}
		return strings.TrimSpace(string(output))
	}
	if got := run("hostname; cat /proc/1/cmdline | tr '\\0' ' ' | sed 's/.* agent $/agent/'"); got != "n1\nagent" {
		t.Errorf("name and PID 1 of the node: %q", got)
	}
	if got := run("sed -n 's/^ *\\([a-z0-9]*\\):.*/\\1/p' /proc/net/dev | sort | xargs"); got != "eth0 lo" {
		t.Errorf("interfaces of the node: %q", got)
	}
	if a, b := run("pwd"), c.members[1].dir; strings.HasPrefix(a, b) {
		t.Errorf("data directories %s and %s", a, b)
	}
}

// Peers with IPv6 addresses are cut off as well.
func TestBlockIPv6(t *testing.T) {
	c := launchNodes(t, 2)
	defer closeCluster(t, c)
	var addrs []netip.Addr
	for i, m := range c.members {
		addr := netip.MustParseAddr(fmt.Sprintf("fd00::%d", i+1))
		addrs = append(addrs, addr)
		ns, err := netns.GetFromPid(m.cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		handle, err := netlink.NewHandleAt(ns)
		if err != nil {
			t.Fatal(err)
		}
		defer handle.Close()
		eth0, err := handle.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		own := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(64, 128)}, Flags: syscall.IFA_F_NODAD}
		if err := handle.AddrAdd(eth0, own); err != nil {
			t.Skipf("needs IPv6: %v", err)
		}
	}
	one := c.Nodes()[0]
	probe := func() error { return one.Probe(t.Context(), addrPort(addrs[1], 1), 100*time.Millisecond) }
	// The neighbour's first answer may take longer on a busy machine.
	var err error
	for range 50 {
		if err = probe(); errors.Is(err, cluster.ErrRefused) {
			break
		}
	}
	if !errors.Is(err, cluster.ErrRefused) {
		t.Fatalf("before: %v", err)
	}
	block := cluster.Action{Kind: cluster.Block, ID: "f1", Rules: []cluster.Rule{{Peer: addrs[1], In: true}}}
	if _, err := one.Do(t.Context(), block); err != nil {
		t.Fatal(err)
	}
	if err := probe(); err == nil || errors.Is(err, cluster.ErrRefused) {
		t.Errorf("during the block: %v", err)
	}
	if e, err := one.Do(t.Context(), cluster.Action{Kind: cluster.Unblock, ID: "f1"}); err != nil || e.Dropped == 0 {
		t.Errorf("after: %+v, %v", e, err)
	}
}

func TestLaunchErrors(t *testing.T) {
	needSandbox(t)
	t.Setenv("TMPDIR", openDir(t))
	before := links(t)
	one := []cluster.NodeSpec{{Name: "n1"}}
	for _, c := range []struct {
		want string
		spec cluster.Spec
	}{
		{"0 nodes", cluster.Spec{}},
		{"246 nodes", cluster.Spec{Nodes: make([]cluster.NodeSpec, 246)}},
		{`node name ""`, cluster.Spec{Nodes: make([]cluster.NodeSpec, 1)}},
		{`node name "a/b"`, cluster.Spec{Nodes: []cluster.NodeSpec{{Name: "a/b"}}}},
		{`node name "n1"`, cluster.Spec{Nodes: append(one, one...)}},
		{"no such file", cluster.Spec{Nodes: one, Binary: "/no/such/binary"}},
		{"agent ended at once: (no message)", cluster.Spec{Nodes: one, Binary: "/bin/true"}},
		{"lease 1ms is too short", cluster.Spec{Nodes: one, Lease: time.Millisecond}},
	} {
		_, err := New().Launch(t.Context(), c.spec)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v does not tell %q", c.spec, err, c.want)
		}
	}
	stalls := twoNodes
	stalls.Binary = filepath.Join(openDir(t), "stalls")
	if err := os.WriteFile(stalls.Binary, []byte("#!/bin/sh\nexec sleep 3600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := New().Launch(ctx, stalls); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("agents that do not answer: %v", err)
	}
	if after := links(t); after != before {
		t.Errorf("links %q became %q", before, after)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) != 0 {
		t.Errorf("left in the temporary directory: %v", left)
	}
	if left := children(t); left != "" {
		t.Errorf("processes left: %s", left)
	}
}

func TestOutsideOfSandbox(t *testing.T) {
	if _, err := Command(t.Context(), "", nil); InSandbox() == (err == nil) {
		t.Errorf("in a sandbox: %t, Command: %v", InSandbox(), err)
	}
	t.Setenv(EnvSandbox, "")
	if _, err := New().Launch(t.Context(), twoNodes); err == nil || !strings.Contains(err.Error(), "local.Command") {
		t.Errorf("Launch: %v", err)
	}
	if err := EnterSandbox(); err == nil {
		t.Error("EnterSandbox outside of one")
	}
}

// A harness that is killed leaves no process, and its directory to Clean.
func TestKilledHarnessLeavesNothing(t *testing.T) {
	needSandbox(t)
	t.Setenv(EnvSandbox, "")
	t.Setenv("TMPDIR", openDir(t))
	for _, whom := range []string{"the sandbox", "the process outside"} {
		cmd := exec.Command("/proc/self/exe", "outside", "stay")
		cmd.Stderr = os.Stderr
		output, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(output).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		dir := strings.Fields(line)[2]
		if !strings.Contains(children(t), "(sleep)") {
			t.Error("no server to be seen")
		}
		if removed, err := Clean(t.Context()); len(removed) != 0 || err != nil {
			t.Errorf("a living run's directories were removed: %v, %v", removed, err)
		}
		victim := cmd.Process.Pid
		if whom == "the sandbox" {
			victim = childOf(t, victim)
		}
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, output)
		_ = cmd.Wait()
		for range 400 {
			reapOrphans()
			if children(t) == "" {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if left := children(t); left != "" {
			t.Errorf("%s was killed, and left: %s", whom, left)
		}
		if removed, err := Clean(t.Context()); len(removed) != 1 || removed[0] != dir || err != nil {
			t.Errorf("cleaned %v, want %s, %v", removed, dir, err)
		}
	}
}

// reapOrphans plays init for the processes whose parent was killed.
func reapOrphans() {
	for {
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}

// childOf is the only child of a process.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	for line := range strings.Lines(children(t)) {
		var child, parent int
		var name, state string
		if n, _ := fmt.Sscan(line, &child, &name, &state, &parent); n == 4 && parent == pid {
			return child
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}

// Everything works for an ordinary user.
func TestUnprivileged(t *testing.T) {
	needSandbox(t)
	if text, err := os.ReadFile("/proc/self/uid_map"); err != nil || len(strings.Fields(string(text))) < 3 || strings.Fields(string(text))[2] == "1" {
		t.Skip("needs root to become another user; the other tests run unprivileged already")
	}
	t.Setenv(EnvSandbox, "")
	dir, err := os.MkdirTemp("", "unprivileged")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "program")
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.WriteFile(binary, text, 0o700), os.Chmod(binary, 0o755), os.Chown(dir, 65534, 65534), os.Chmod(dir, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "outside")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(output), cluster.ErrUnavailable.Error()) {
		t.Skipf("needs unprivileged user namespaces: %s", output)
	}
	if err != nil || !strings.HasPrefix(string(output), "works 0 ") {
		t.Errorf("%v: %s", err, output)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// BenchmarkLaunch is the time until three nodes answer, and until they are gone.
func BenchmarkLaunch(b *testing.B) {
	for b.Loop() {
		c := launchNodes(b, 3)
		b.StopTimer()
		closeCluster(b, c)
		b.StartTimer()
	}
}

func BenchmarkClose(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		c := launchNodes(b, 3)
		b.StartTimer()
		closeCluster(b, c)
	}
}
