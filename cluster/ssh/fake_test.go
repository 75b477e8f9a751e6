package ssh

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/service"
	"github.com/aftershock-chaos/aftershock/cluster/agent/victim"
)

// fakeSSH stands for ssh and sshd: it runs the command in the namespaces of a host,
// or fails as ssh would.
const fakeSSH = `#!/bin/sh
[ "$1" != -V ] || { echo OpenSSH_0.0; exit 0; }
while [ "$1" != -- ]; do shift; done
cd "$(dirname "$0")"
if [ -f "$2.fails" ]; then cat "$2.fails" >&2; exit 255; fi
if [ -f "$2.cuts" ]; then rm "$2.cuts"; head -c 20000 | nsenter -t "$(cat "$2.pid")" -n -p -m -- env SSH_CONNECTION="127.0.0.1 5000 $(cat "$2.addr") 22" TMPDIR="$PWD/tmp" sh -c "$3"; exit; fi
echo "Welcome to $2, which talks before it works"
exec nsenter -t "$(cat "$2.pid")" -n -p -m -- env SSH_CONNECTION="127.0.0.1 5000 $(cat "$2.addr") 22" TMPDIR="$PWD/tmp" sh -c "$3"
`

// fake is hosts without sshd: namespaces with a server each.
type fake struct {
	t        *testing.T
	dir      string
	binary   string
	restarts string
}

func newFake(t *testing.T, names ...string) *fake {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("guests are root's, and this user is not root")
	}
	f := &fake{t: t, dir: t.TempDir()}
	f.binary, f.restarts = filepath.Join(f.dir, "testnode"), filepath.Join(f.dir, "down")
	build := exec.Command("go", "build", "-o", f.binary, "./internal/testnode")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	f.write("ssh", fakeSSH)
	if err := os.Mkdir(filepath.Join(f.dir, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", f.dir+":"+os.Getenv("PATH"))
	for i, name := range names {
		script := fmt.Sprintf(`ip link set lo up && cd %s && echo up >%s.up && exec ./testnode supervise :%d %s`, f.dir, name, serverPort, f.restarts)
		c := exec.Command("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)
		c.Stderr = t.Output()
		if err := c.Start(); err != nil {
			t.Skipf("no namespaces here: %v", err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		until(t, "the host is up (it needs namespaces)", 10*time.Second, func() bool { _, err := os.Stat(filepath.Join(f.dir, name+".up")); return err == nil })
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", c.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		f.write(name+".pid", strings.Fields(string(children))[0])
		f.write(name+".addr", fmt.Sprintf("127.0.0.%d", i+1))
	}
	return f
}

func (f *fake) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o700); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) target(names ...string) Target {
	return Target{Hosts: names, Server: service.Spec{
		Server: victim.Server{Process: "database"}, Start: []string{"rm", "-f", f.restarts}, Stop: []string{"touch", f.restarts},
	}}
}

func (f *fake) find(names ...string) cluster.Deployment {
	f.t.Helper()
	d, err := New(f.target(names...)).Find(f.t.Context(), specOf(f.binary))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = d.Close(f.t.Context()) })
	return d
}

// inside runs a command in a host's namespaces.
func (f *fake) inside(name string, command ...string) string {
	f.t.Helper()
	pid, err := os.ReadFile(filepath.Join(f.dir, name+".pid"))
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := exec.Command("nsenter", append([]string{"-t", string(pid), "-n", "-p", "-m", "--"}, command...)...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("%v %s", err, out)
	}
	return string(out)
}

// left is what is there of guests.
func (f *fake) left(name string) (list []string) {
	f.t.Helper()
	for line := range strings.SplitSeq(f.inside(name, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\000' ' '"), "\n") {
		if strings.Contains(line, "agent --guest") {
			list = append(list, line)
		}
	}
	entries, err := os.ReadDir(filepath.Join(f.dir, "tmp"))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// A guest lives by its session alone: it hits the one server, and leaves nothing.
func TestGuest(t *testing.T) {
	f := newFake(t, "db1", "10.1.2.3")
	d := f.find("db1", "10.1.2.3")
	if err := d.Invite(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := d.Nodes()[0]
	out, err := n.Run(t.Context(), cluster.ServerSpec{Command: []string{"ls", filepath.Join(f.dir, "tmp")}})
	if err != nil || len(out) > 0 {
		t.Errorf("while guests are there their program is on the disk: %q, %v", out, err)
	}
	do(t, n, cluster.Action{Kind: cluster.Pause, ID: "p"})
	do(t, n, cluster.Action{Kind: cluster.Resume, ID: "p"})
	do(t, n, cluster.Action{Kind: cluster.Crash, ID: "c"})
	if e := exit(t, n); !e.Planned || e.By != "c" {
		t.Errorf("%+v", e)
	}
	if c := next(t, d, cluster.Restarted); c.Node != 0 {
		t.Errorf("%+v", c)
	}
	do(t, n, cluster.Action{Kind: cluster.Kill, ID: "k"})
	if e := exit(t, n); !e.Planned || e.By != "k" {
		t.Errorf("%+v", e)
	}
	time.Sleep(600 * time.Millisecond) // twice the supervisor's pause
	if e := do(t, n, cluster.Action{Kind: cluster.Kill, ID: "k2"}); e.Changed {
		t.Error("it was killed and runs again")
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(f.restarts); err == nil {
		t.Error("what was killed is left down")
	}
	for _, h := range []string{"db1", "10.1.2.3"} {
		if l := f.left(h); len(l) > 0 {
			t.Errorf("left on %s: %q", h, l)
		}
	}
}

// A session that breaks takes its guest along; that is told, and another guest comes.
func TestBrokenSession(t *testing.T) {
	f := newFake(t, "db1")
	d := f.find("db1")
	if err := d.Invite(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := d.Nodes()[0]
	do(t, n, cluster.Action{Kind: cluster.Pause, ID: "p"})
	first := d.(*deployment).nodes[0].guest
	_ = first.in.Close()
	next(t, d, cluster.Gone)
	if c := next(t, d, cluster.Lapsed); c.Node != 0 {
		t.Errorf("%+v", c)
	}
	do(t, n, cluster.Action{Kind: cluster.Crash, ID: "c"}) // by the next guest; the pause is over
	if e := exit(t, n); e.By != "c" {
		t.Errorf("%+v", e)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if l := f.left("db1"); len(l) > 0 {
		t.Errorf("left: %q", l)
	}
}

// A copy that breaks off leaves no file.
func TestBrokenCopy(t *testing.T) {
	f := newFake(t, "db1")
	d := f.find("db1")
	f.write("db1.cuts", "")
	err := d.Invite(t.Context())
	if err == nil || !strings.Contains(err.Error(), "db1") {
		t.Fatal(err)
	}
	t.Log(err)
	until(t, "nothing is left", 10*time.Second, func() bool { return len(f.left("db1")) == 0 })
}

// What ssh says is told with what it means and the remedy.
func TestWhyNot(t *testing.T) {
	f := newFake(t)
	for words, want := range map[string]string{
		"ssh: Could not resolve hostname db1: Name or service not known":                                              "nobody knows its name",
		"root@db1: Permission denied (publickey).":                                                                    "it refuses the login",
		"No ED25519 host key is known for db1 and you have requested strict checking.\nHost key verification failed.": "`ssh db1` once",
		"@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.":                         "another than the one that is known",
		"ssh: connect to host db1 port 22: Connection refused":                                                        "is sshd running there",
		"ssh: connect to host db1 port 22: Connection timed out":                                                      "is it up, and reachable",
		"kex_exchange_identification: banner line contains invalid characters":                                        "kex_exchange_identification",
	} {
		f.write("db1.fails", words+"\n")
		_, err := New(f.target("db1")).Find(t.Context(), specOf(f.binary))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "db1: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", words, err)
		}
	}
}
