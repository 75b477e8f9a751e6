package ssh

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/service"
)

// The environment of these tests.
const (
	// wantHosts asks for the tests that need hosts with sshd: `make deployments` and
	// .ci set it. They are made by scripts/ssh-hosts, which takes Debian's packages.
	wantHosts = "AFTERSHOCK_TEST_SSH"
	// insideHosts is the folder of the hosts whose network this process is in.
	insideHosts = "AFTERSHOCK_TEST_SSH_INSIDE"
	// harnessVariable makes the test binary a harness that breaks the hosts and waits
	// to be killed.
	harnessVariable = "AFTERSHOCK_TEST_HARNESS"
)

const (
	serverPort = 7000
	testLease  = 2 * time.Second
	down       = "/srv/down"
)

var hosts = []string{"host1", "host2", "host3"}

func TestMain(m *testing.M) {
	if os.Getenv(harnessVariable) != "" {
		fmt.Println(beHarness(os.Getenv(harnessVariable)))
		os.Exit(1)
	}
	if os.Getenv(wantHosts) != "" && os.Getenv(insideHosts) == "" && os.Geteuid() == 0 {
		os.Exit(beside(os.Args))
	}
	goleak.VerifyTestMain(m)
}

// beside makes hosts, and runs this binary again in their network.
func beside(args []string) int {
	scratch, err := os.MkdirTemp("", "aftershock-ssh-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	dir, script := filepath.Join(scratch, "hosts"), "../../scripts/ssh-hosts"
	build := exec.Command("go", "build", "-o", filepath.Join(scratch, "testnode"), "./internal/testnode")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	for _, c := range []*exec.Cmd{build, exec.Command(script, "up", dir, fmt.Sprint(len(hosts)))} {
		if out, err := c.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %v\n%s", c.Args, err, out)
			return 1
		}
	}
	defer exec.Command(script, "down", dir).Run() //nolint:errcheck // the folder is removed in any case
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := exec.Command(filepath.Join(dir, "enter"), append([]string{self}, args[1:]...)...)
	c.Env = append(os.Environ(), insideHosts+"="+scratch)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if c.Run() != nil {
		return 1
	}
	return 0
}

// world is three hosts, each with a server and a supervisor that starts it again.
type world struct {
	t      *testing.T
	binary string
	config string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scratch := os.Getenv(insideHosts)
	if scratch == "" {
		t.Skipf("it needs hosts with sshd, which root makes of Debian's packages: set %s=1", wantHosts)
	}
	w := &world{t, filepath.Join(scratch, "testnode"), filepath.Join(scratch, "hosts", "ssh_config")}
	for _, h := range hosts {
		w.on(h, "rm -f "+down)
		if !strings.Contains(w.on(h, "ls /srv"), "testnode") {
			w.copy(h)
			w.on(h, "sleep 1000000 >/dev/null 2>&1 </dev/null & setsid /srv/testnode supervise :7000 "+down+" >/dev/null 2>&1 </dev/null &")
		}
	}
	for i := range hosts {
		until(t, hosts[i]+" serves", 10*time.Second, func() bool { return serves(i) })
	}
	return w
}

func (w *world) copy(host string) {
	w.t.Helper()
	file, err := os.Open(w.binary)
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	c := exec.Command("ssh", "-F", w.config, host, "cat >/srv/testnode && chmod 755 /srv/testnode")
	c.Stdin = file
	if out, err := c.CombinedOutput(); err != nil {
		w.t.Fatalf("%v %s", err, out)
	}
}

// on runs a script on a host.
func (w *world) on(host, script string) string {
	w.t.Helper()
	c := exec.Command("ssh", "-F", w.config, host, "sh -s")
	c.Stdin = strings.NewReader(script)
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %s: %v: %s", host, script, err, out)
	}
	return string(out)
}

func (w *world) target() Target { return targetOf(w.config) }

func targetOf(config string) Target {
	return Target{Hosts: hosts, User: "root", Config: config, Server: service.Spec{
		Start: []string{"sh", "-c", "rm -f " + down}, Stop: []string{"touch", down},
	}}
}

func (w *world) spec() cluster.AttachSpec { return specOf(w.binary) }

func specOf(binary string) cluster.AttachSpec {
	return cluster.AttachSpec{Run: "run", Launch: rand.Text(), Port: serverPort, Binary: binary, Lease: testLease, Logger: slog.New(slog.DiscardHandler)}
}

func (w *world) find() cluster.Deployment {
	w.t.Helper()
	d, err := New(w.target()).Find(w.t.Context(), w.spec())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.close(d) })
	return d
}

func (w *world) close(d cluster.Deployment) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), 20*time.Second)
	defer cancel()
	if err := d.Close(ctx); err != nil {
		w.t.Error(err)
	}
}

func (w *world) attach() cluster.Deployment {
	w.t.Helper()
	d := w.find()
	if err := d.Invite(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// left is what is on the hosts that was not there before: guests, their files, rules,
// what is stopped, and what is down.
func (w *world) left() string {
	w.t.Helper()
	var all bytes.Buffer
	for _, h := range hosts {
		all.WriteString(w.on(h, `ps -eo stat=,args= | grep -E "agent --guest|aftershock|^[Tt]" | grep -v grep
			find /tmp /var/tmp /root /dev/shm -name "aftershock*"; nft list ruleset; ls `+down+` 2>/dev/null; true`))
	}
	return strings.TrimSpace(all.String())
}

// guestOf is the guest of a node.
func guestOf(n *node) *guest {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	return n.guest
}

// serves tells whether a host's server answers.
func serves(i int) bool {
	_, err := asks(netip.MustParseAddr(fmt.Sprintf("10.97.0.%d", i+1)), 300*time.Millisecond)
	return err == nil
}

// asks connects to a server and returns its greeting.
func asks(addr netip.Addr, limit time.Duration) (string, error) {
	conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(addr, serverPort).String(), limit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(limit))
	return bufio.NewReader(conn).ReadString('\n')
}

func until(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %s: %s", limit, what)
		}
	}
}

func do(t *testing.T, n *cluster.Node, a cluster.Action) cluster.Effect {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := n.Do(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	if e.At.IsZero() || time.Since(e.At) > 25*time.Second || time.Until(e.At) > time.Second {
		t.Errorf("%s took effect at %s", a.Kind, e.At)
	}
	return e
}

// next waits for a change of a kind.
func next(t *testing.T, d cluster.Deployment, kind cluster.ChangeKind) cluster.Change {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case c := <-d.Changes():
			if c.Kind == kind {
				return c
			}
			t.Logf("%+v", c)
		case <-timeout:
			t.Fatalf("nobody tells %s", kind)
		}
	}
}

func exit(t *testing.T, n *cluster.Node) cluster.Exit {
	t.Helper()
	select {
	case e := <-n.Exits():
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no exit is told")
		return cluster.Exit{}
	}
}

func reaches(n, other *cluster.Node) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return n.Probe(ctx, netip.AddrPortFrom(other.At(), serverPort), 400*time.Millisecond) == nil
}

var allKinds = slices.Concat(known, []cluster.ActionKind{cluster.Power, cluster.Skew})
