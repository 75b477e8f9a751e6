package docker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

const echoPort = 7000

// startEcho starts the echo server on a node.
func startEcho(t *testing.T, n *cluster.Node, spec cluster.ServerSpec) {
	t.Helper()
	spec.Command = []string{cluster.Self, "echo", fmt.Sprintf("0.0.0.0:%d", echoPort)}
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatalf("start on %s: %v", n.Name, err)
	}
}

// greeting dials an echo server until it listens and returns its first line.
func greeting(t *testing.T, n *cluster.Node) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(n.Addr, echoPort).String())
		if err != nil {
			select {
			case <-ctx.Done():
				t.Fatalf("%s at %s: %v", n.Name, n.Addr, err)
			case <-time.After(5 * time.Millisecond):
			}
			continue
		}
		defer conn.Close()
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v", n.Name, err)
		}
		return strings.TrimSpace(line)
	}
}

func TestLaunchKillPartitionClose(t *testing.T) {
	eng := needEngine(t)
	spec := newSpec(t, 3)
	c := launchTest(t, spec)
	nodes := c.Nodes()
	if len(nodes) != 3 || !c.HarnessAddr().IsValid() {
		t.Fatalf("%d nodes, harness at %s", len(nodes), c.HarnessAddr())
	}
	for i, n := range nodes {
		if n.Name != spec.Nodes[i].Name || n.Index != i {
			t.Errorf("node %d is %s with index %d", i, n.Name, n.Index)
		}
		startEcho(t, n, cluster.ServerSpec{})
		if got, want := greeting(t, n), "0 "+n.Name; got != want {
			t.Errorf("greeting %q, want %q", got, want)
		}
	}
	checkContainer(t, eng, spec, nodes[0])
	t.Run("harness address", func(t *testing.T) { checkHarnessAddr(t, c) })
	t.Run("partition", func(t *testing.T) { checkPartition(t, nodes) })
	t.Run("kill", func(t *testing.T) { checkKill(t, nodes[0]) })

	for range 2 { // the second time there is nothing to do
		if err := c.Close(context.Background()); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	if l := left(t, eng, spec.Run); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
}

// checkContainer looks at what the engine made of a node.
func checkContainer(t *testing.T, eng *engine, spec cluster.Spec, n *cluster.Node) {
	t.Helper()
	res, err := eng.api.ContainerInspect(t.Context(), "aftershock-"+spec.Run+"-"+n.Name, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := res.Container
	if c.HostConfig.Privileged || len(c.Mounts) != 0 || len(c.HostConfig.Binds) != 0 {
		t.Errorf("privileged %t, mounts %v", c.HostConfig.Privileged, c.Mounts)
	}
	if limit := c.HostConfig.PidsLimit; limit == nil || *limit != cluster.DefaultProcesses || c.HostConfig.Memory != spec.Limits.Memory {
		t.Errorf("limits: processes %v, memory %d", limit, c.HostConfig.Memory)
	}
	if len(c.HostConfig.CapAdd) != 1 || strings.TrimPrefix(c.HostConfig.CapAdd[0], "CAP_") != "NET_ADMIN" {
		t.Errorf("capabilities %v", c.HostConfig.CapAdd)
	}
	for _, kv := range c.Config.Env { // what anybody may read says nothing of the control channel's keys
		switch name, _, _ := strings.Cut(kv, "="); name {
		case agent.EnvLease, agent.EnvData, agent.EnvListen, agent.EnvLimit, "PATH", "TESTNODE":
		default:
			t.Errorf("environment %s", kv)
		}
	}
	if changed, err := eng.api.ContainerDiff(t.Context(), c.ID, client.ContainerDiffOptions{}); err != nil {
		t.Error(err)
	} else {
		for _, f := range changed.Changes {
			if !slices.Contains([]string{binaryPath, dataDir, "/etc", "/dev", "/proc", "/sys"}, f.Path) && !strings.HasPrefix(f.Path, dataDir+"/") && !strings.HasPrefix(f.Path, "/etc/") && !strings.HasPrefix(f.Path, "/dev/") {
				t.Errorf("file %s", f.Path)
			}
		}
	}
	if !c.HostConfig.AutoRemove {
		t.Error("it would stay when it ends")
	}
	if len(c.NetworkSettings.Networks) != 1 {
		t.Errorf("networks %v", c.NetworkSettings.Networks)
	}
	for port, published := range c.NetworkSettings.Ports {
		if len(published) != 0 {
			t.Errorf("port %s is published as %v", port, published)
		}
	}
	for key, want := range map[string]string{labelRun: spec.Run, labelLock: spec.LockFile, labelBoot: owner.BootID(), labelNode: n.Name, labelLaunch: spec.Launch} {
		if got := c.Config.Labels[key]; got != want {
			t.Errorf("label %s is %q, want %q", key, got, want)
		}
	}
}

// TestTimeLimit: a node's share of the processors holds from Limit on, and what the
// node has besides stays; a bare node has none.
func TestTimeLimit(t *testing.T) {
	eng := needEngine(t)
	spec := newSpec(t, 2)
	spec.Limits, spec.Nodes[1].Bare = cluster.Limits{Memory: 96 << 20, CPUs: 0.25}, true
	c := launchTest(t, spec)
	shares := func() (all [][2]int64) {
		for _, n := range c.Nodes() {
			res, err := eng.api.ContainerInspect(t.Context(), nodeContainer(spec.Run, n.Name), client.ContainerInspectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			h := res.Container.HostConfig
			all = append(all, [2]int64{h.CPUQuota, h.CPUPeriod})
			if want := spec.Of(n.Index).Limits.Memory; h.Memory != want || *h.PidsLimit != cluster.DefaultProcesses {
				t.Errorf("%s: memory %d, processes %d", n.Name, h.Memory, *h.PidsLimit)
			}
		}
		return all
	}
	if got := shares(); got[0] != [2]int64{} || got[1] != [2]int64{} {
		t.Errorf("before: %v", got)
	}
	for range 2 {
		if err := c.(cluster.Limiter).Limit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := shares(); got[0] != [2]int64{2500, 10000} || got[1] != [2]int64{} {
		t.Errorf("afterwards: %v", got)
	}
}

// TestMemoryLimit: a server that takes more than the node has is killed, and its
// exit says why.
func TestMemoryLimit(t *testing.T) {
	eng := needEngine(t)
	spec := newSpec(t, 1)
	spec.Limits.Memory = 96 << 20
	n := launchTest(t, spec).Nodes()[0]
	checkContainer(t, eng, spec, n)
	if err := n.Start(t.Context(), cluster.ServerSpec{Command: []string{cluster.Self, "hog"}}); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-n.Exits():
		if !e.Memory || e.Planned || e.Signal != "killed" {
			t.Errorf("the exit: %+v", e)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server goes on")
	}
}

// checkHarnessAddr compares the address with the one a node sees.
func checkHarnessAddr(t *testing.T, c cluster.Cluster) {
	conn, err := net.Dial("tcp", netip.AddrPortFrom(c.Nodes()[0].Addr, echoPort).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	own := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr()
	if own != c.HarnessAddr() {
		t.Errorf("packets come from %s, HarnessAddr says %s", own, c.HarnessAddr())
	}
}

func checkPartition(t *testing.T, nodes []*cluster.Node) {
	ctx := t.Context()
	peer := netip.AddrPortFrom(nodes[1].Addr, echoPort)
	if err := nodes[0].Probe(ctx, peer, 2*time.Second); err != nil {
		t.Fatalf("before: %v", err)
	}
	block := cluster.Action{Kind: cluster.Block, ID: "f1", Rules: []cluster.Rule{{Peer: nodes[1].Addr, In: true, Out: true}}}
	if _, err := nodes[0].Do(ctx, block); err != nil {
		t.Fatalf("block: %v", err)
	}
	if err := nodes[0].Probe(ctx, peer, 200*time.Millisecond); err == nil {
		t.Error("the partition lets packets through")
	}
	if err := nodes[2].Probe(ctx, peer, 2*time.Second); err != nil {
		t.Errorf("another node is cut off too: %v", err)
	}
	if _, err := nodes[0].Do(ctx, cluster.Action{Kind: cluster.Unblock, ID: "f1"}); err != nil {
		t.Fatalf("unblock: %v", err)
	}
	if err := nodes[0].Probe(ctx, peer, 5*time.Second); err != nil {
		t.Errorf("after: %v", err)
	}
}

func checkKill(t *testing.T, n *cluster.Node) {
	effect, err := n.Do(t.Context(), cluster.Action{Kind: cluster.Kill})
	if err != nil || !effect.Changed {
		t.Fatalf("kill: %+v, %v", effect, err)
	}
	select {
	case exit := <-n.Exits():
		if !exit.Planned || exit.Signal == "" {
			t.Errorf("exit %+v", exit)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no exit is told")
	}
	_, err = net.DialTimeout("tcp", netip.AddrPortFrom(n.Addr, echoPort).String(), 5*time.Second)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the kill: %v", err)
	}
}

// makeImage makes an image whose only file is the test binary, in /opt.
func makeImage(t *testing.T, eng *engine, tag string, changes ...string) string {
	t.Helper()
	content, err := os.ReadFile(testNode(t))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := tarOf(tarFile{"opt/server", 0o755, content})
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("aftershock-test:%s-%d", tag, os.Getpid())
	res, err := eng.api.ImageImport(t.Context(), client.ImageImportSource{Source: bytes.NewReader(archive), SourceName: "-"},
		name, client.ImageImportOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	if _, err := io.Copy(io.Discard, res); err != nil {
		t.Fatal(err)
	}
	builtImages = append(builtImages, name)
	return name
}

func TestAForeignImageRunsUnderTheAgent(t *testing.T) {
	eng := needEngine(t)
	image := makeImage(t, eng, "foreign",
		`USER 1234:1234`,
		`ENV TESTNODE=from-image`,
		`EXPOSE 7000`,
		`WORKDIR /opt`,
		`HEALTHCHECK CMD ["/opt/server", "none"]`,
		`ENTRYPOINT ["/opt/server", "echo"]`,
		`CMD ["0.0.0.0:7000"]`)
	spec := newSpec(t, 2)
	spec.Nodes[0].Image = image // the other one is of the own image
	c := launchTest(t, spec)
	n := c.Nodes()[0]
	if err := n.Start(t.Context(), cluster.ServerSpec{Command: []string{"/opt/server", "echo", "0.0.0.0:7000"}, User: "1234:1234"}); err != nil {
		t.Fatal(err)
	}
	if got, want := greeting(t, n), "1234 n1 from-image"; got != want {
		t.Errorf("greeting %q, want %q", got, want)
	}
	checkContainer(t, eng, spec, n)
	startEcho(t, c.Nodes()[1], cluster.ServerSpec{})
	if got, want := greeting(t, c.Nodes()[1]), "0 n2"; got != want {
		t.Errorf("greeting %q, want %q", got, want)
	}
}
