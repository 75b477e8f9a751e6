package ssh

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Every action does what it says to the server alone, and what the host does by itself
// is told.
func TestActions(t *testing.T) {
	w := newWorld(t)
	before := w.left()
	d := w.attach()
	n, other := d.Nodes()[0], d.Nodes()[1]
	if n.At().String() != "10.97.0.1" || n.Port != serverPort || d.Called() != "host1" || d.HarnessAddr().String() != "10.97.0.254" {
		t.Errorf("%+v %s %s", n, d.Called(), d.HarnessAddr())
	}
	for _, kind := range allKinds {
		if err := d.Can(t.Context(), kind); (err != nil) != (kind == cluster.Power || kind == cluster.Skew) || err != nil && !errors.Is(err, cluster.ErrCannot) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	greeting, err := asks(n.At(), time.Second)
	if err != nil {
		t.Fatal(err)
	}

	do(t, n, cluster.Action{Kind: cluster.Block, ID: "b", Rules: []cluster.Rule{{Peer: other.At(), In: true, Out: true}}})
	if reaches(n, other) || reaches(other, n) {
		t.Error("they reach each other through the rules")
	}
	if !serves(0) {
		t.Error("the harness is cut off, too")
	}
	w.on("host1", "true") // ssh goes on, also from who is cut off:
	if e := do(t, n, cluster.Action{Kind: cluster.Unblock, ID: "b"}); !e.Changed || e.Dropped == 0 || e.Lapsed != 0 {
		t.Errorf("%+v", e)
	}
	if !reaches(n, other) {
		t.Error("they do not reach each other after the heal")
	}

	do(t, n, cluster.Action{Kind: cluster.Pause, ID: "p"})
	if _, err := asks(n.At(), 300*time.Millisecond); err == nil {
		t.Error("it answers while it is paused")
	}
	if out := w.on("host1", "ps -eo stat=,args= | grep '[s]leep 1000000'"); strings.HasPrefix(strings.ToUpper(out), "T") {
		t.Errorf("somebody else's process is paused: %s", out)
	}
	do(t, n, cluster.Action{Kind: cluster.Resume, ID: "p"})
	if again, err := asks(n.At(), time.Second); err != nil || again != greeting {
		t.Errorf("%q, %v after a pause of %q", again, err, greeting)
	}

	do(t, n, cluster.Action{Kind: cluster.Crash, ID: "c"})
	if e := exit(t, n); !e.Planned || e.By != "c" || e.Signal != "killed" {
		t.Errorf("%+v", e)
	}
	if c := next(t, d, cluster.Restarted); c.Node != 0 || time.Since(c.At) > time.Minute {
		t.Errorf("%+v", c)
	}
	until(t, "its supervisor has started it", 5*time.Second, func() bool { return serves(0) })

	for _, kind := range []cluster.ActionKind{cluster.Kill, cluster.Stop} {
		if e := do(t, n, cluster.Action{Kind: kind, ID: string(kind), Grace: 300 * time.Millisecond}); !e.Changed {
			t.Errorf("%+v", e)
		}
		if e := exit(t, n); !e.Planned || e.By != string(kind) {
			t.Errorf("%+v", e)
		}
		for began := time.Now(); time.Since(began) < 700*time.Millisecond; time.Sleep(50 * time.Millisecond) {
			if serves(0) {
				t.Fatalf("it serves after %s", kind)
			}
		}
		do(t, n, cluster.Action{Kind: cluster.Restart, ID: string(kind)})
		until(t, "it serves again", 5*time.Second, func() bool { return serves(0) })
	}

	out, err := n.Run(t.Context(), cluster.ServerSpec{Command: []string{"sh", "-c", "hostname; id -u; exit 3"}})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || string(out) != "host1\n0\n" {
		t.Errorf("%q, %v", out, err)
	}
	conn, err := n.DialServer(t.Context(), serverPort)
	if err != nil {
		t.Fatal(err)
	}
	if b := make([]byte, 1); true {
		if _, err := io.ReadFull(conn, b); err != nil {
			t.Error(err)
		}
	}
	conn.Close()
	w.on("host1", "kill -KILL $(pidof database || pgrep -f 'srv/database serve')")
	if e := exit(t, n); e.Planned {
		t.Errorf("somebody else's kill is taken for the run's: %+v", e)
	}
	next(t, d, cluster.Restarted)
	w.close(d)
	if after := w.left(); after != before {
		t.Errorf("left:\n%s\nbefore:\n%s", after, before)
	}
}

// A harness that falls silent leaves its faults to the lease: nothing is left.
func TestLease(t *testing.T) {
	w := newWorld(t)
	d := w.attach()
	nodes := d.Nodes()
	do(t, nodes[0], cluster.Action{Kind: cluster.Block, ID: "b", Rules: []cluster.Rule{{Peer: nodes[1].At(), In: true, Out: true}}})
	do(t, nodes[1], cluster.Action{Kind: cluster.Pause, ID: "p"})
	do(t, nodes[2], cluster.Action{Kind: cluster.Kill, ID: "k"})
	for _, n := range d.(*deployment).nodes {
		p := n.guest.ssh.Process
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	until(t, "nothing is left and all serve", 15*time.Second, func() bool { return serves(0) && serves(1) && serves(2) && w.left() == "" })
	t.Logf("after %s with a lease of %s", time.Since(began).Round(10*time.Millisecond), testLease)
	next(t, d, cluster.Gone)
	w.close(d)
	if l := w.left(); l != "" {
		t.Errorf("left: %s", l)
	}
}

// A guest that is killed takes its hold along; that is told, and another comes.
func TestKilledGuest(t *testing.T) {
	w := newWorld(t)
	d := w.attach()
	n, other := d.Nodes()[0], d.Nodes()[1]
	do(t, n, cluster.Action{Kind: cluster.Block, ID: "b", Rules: []cluster.Rule{{Peer: other.At(), In: true, Out: true}}})
	do(t, n, cluster.Action{Kind: cluster.Kill, ID: "k"})
	w.on("host1", "kill -KILL $(pgrep -f 'aftershock agent --guest')")
	if c := next(t, d, cluster.Lapsed); c.Node != 0 {
		t.Errorf("%+v", c)
	}
	until(t, "the rules are in force again", 15*time.Second, func() bool { return !reaches(n, other) })
	w.close(d) // the new guest knows that the server has to be started
	until(t, "it serves", 5*time.Second, func() bool { return serves(0) })
	if l := w.left(); l != "" {
		t.Errorf("left: %s", l)
	}
}

// What cannot work is refused with one message, before anything is touched.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	config := func(name, text string) string {
		all, err := os.ReadFile(w.config)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text+"\n"+string(all)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := filepath.Join(dir, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	binary, err := os.ReadFile(w.binary)
	if err != nil {
		t.Fatal(err)
	}
	binary[18] = 183 // the machine in ELF's header: AArch64
	foreign := filepath.Join(dir, "foreign")
	if err := os.WriteFile(foreign, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	w.on("host2", "mkdir -p /home/guest/.ssh; id guest >/dev/null 2>&1 || useradd -d /home/guest guest; usermod -p x guest; cp /root/.ssh/authorized_keys /home/guest/.ssh/; chown -R guest /home/guest")
	empty := config("unknown", "UserKnownHostsFile /dev/null")
	for _, c := range []struct {
		name   string
		change func(*Target, *cluster.AttachSpec)
		want   string
	}{
		{"nobody of that name", func(o *Target, _ *cluster.AttachSpec) { o.Hosts = []string{"host1", "no-such-host"} }, "nobody knows its name"},
		{"nobody answers", func(o *Target, _ *cluster.AttachSpec) { o.Port = 2222 }, "nobody answers on its port of ssh"},
		{"unknown key", func(o *Target, _ *cluster.AttachSpec) { o.Config = empty }, "its key is not known here"},
		{"refused", func(o *Target, _ *cluster.AttachSpec) {
			o.Config = config("refused", "Host *\n  IdentityFile "+other+"\n  IdentitiesOnly yes\n  UserKnownHostsFile "+filepath.Join(filepath.Dir(w.config), "known_hosts")+"\nHost other")
			text, _ := os.ReadFile(o.Config)
			_ = os.WriteFile(o.Config, []byte(strings.ReplaceAll(string(text), "IdentityFile "+filepath.Join(filepath.Dir(w.config), "key"), "")), 0o600)
		}, "it refuses the login"},
		{"no root", func(o *Target, _ *cluster.AttachSpec) { o.User, o.Hosts = "guest", []string{"host2"} }, "the login is not root's"},
		{"another machine", func(_ *Target, s *cluster.AttachSpec) { s.Binary = foreign }, "built for it"},
		{"no systemd", func(o *Target, _ *cluster.AttachSpec) { o.Server.Unit = "postgresql" }, "there is no systemd"},
		{"twice", func(o *Target, _ *cluster.AttachSpec) { o.Hosts = []string{"host1", "10.97.0.1"} }, "same machine"},
	} {
		target, spec := w.target(), w.spec()
		c.change(&target, &spec)
		if c.name == "twice" {
			target.Config = config("twice", "Host 10.97.0.1\n  HostKeyAlias host1\n  IdentityFile "+filepath.Join(filepath.Dir(w.config), "key")+"\n  UserKnownHostsFile "+filepath.Join(filepath.Dir(w.config), "known_hosts"))
		}
		d, err := New(target).Find(t.Context(), spec)
		if err == nil {
			w.close(d)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		} else {
			t.Log(err)
		}
	}
	d := w.attach()
	second := w.find()
	if err := second.Invite(t.Context()); err == nil || !strings.Contains(err.Error(), "another run is attached") {
		t.Errorf("a second run: %v", err)
	} else {
		t.Log(err)
	}
	w.close(second)
	w.close(d)
	server := w.target()
	server.Server.Process = "no-such-program"
	d, err = New(server).Find(t.Context(), w.spec())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Invite(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Can(t.Context(), cluster.Kill); err == nil || !strings.Contains(err.Error(), "nothing is found of the server") {
		t.Errorf("no server: %v", err)
	}
	w.close(d)
	if l := w.left(); l != "" {
		t.Errorf("left: %s", l)
	}
}
