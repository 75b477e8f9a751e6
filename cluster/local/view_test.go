package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// inNode is what a script prints in a node.
func inNode(ctx context.Context, n *cluster.Node, script string) (string, error) {
	out, err := n.Run(ctx, cluster.ServerSpec{Command: []string{"sh", "-c", script}})
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", script, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// trySeclusion asks a node for all that it sees. own are the folders of this
// process that it must not.
func trySeclusion(ctx context.Context, n *cluster.Node, own ...string) error {
	var all error
	for _, c := range []struct{ script, want string }{
		{"ls -A /home /run /dev/shm | xargs", "/dev/shm: /home: /run:"},
		{"ls /dev | xargs", "fd full null random shm stderr stdin stdout tty urandom zero"},
		{"ls -A /node | xargs", "data"},
		{"env | grep -v '^PATH=\\|^PWD=\\|^SHLVL=\\|^_=\\|^OLDPWD=' | sort | xargs", "HOME=/home LANG=C.UTF-8 TMPDIR=/tmp TZ=UTC"},
		{"for d in / /usr /etc /bin /lib /dev /sys /proc/sys /node/..; do touch $d/written 2>/dev/null && echo $d; done; true", ""},
		{"for d in /tmp /run /dev/shm /home /node /node/data /var/tmp; do touch $d/written && rm $d/written || echo $d; done", ""},
		{"grep -c : /etc/passwd >/dev/null; cut -d: -f5,6 /etc/passwd | sort -u", ":/home"},
		{"ls /proc | grep -c '^[0-9]*$' | sed 's/^[1-9]$/few/'", "few"},
		{"head -c 8 /dev/urandom | wc -c; echo x >/dev/null; cat /dev/null", "8"},
		{"ls -d /var/run/docker.sock /run/docker.sock /root /work /boot /srv /opt /mnt /media 2>/dev/null; true", ""},
		{"readlink /proc/1/root /proc/1/cwd | xargs", "/ /"},
		{"ls -A /proc/1/cwd/.. | sort | xargs | tr -d '\\n' | grep -c root; true", "0"},
	} {
		if got, err := inNode(ctx, n, c.script); err != nil || got != c.want {
			all = errors.Join(all, fmt.Errorf("%s: %q, %w, want %q", c.script, got, err, c.want))
		}
	}
	for _, path := range own {
		if got, err := inNode(ctx, n, "ls -d "+path+" 2>/dev/null || true"); err != nil || got != "" {
			all = errors.Join(all, fmt.Errorf("the node sees %s: %q, %w", path, got, err))
		}
	}
	return all
}

// TestNodeSeesNothingElse: what a node has of the machine is its programs, and
// nothing of the user's environment gets into it.
func TestNodeSeesNothingElse(t *testing.T) {
	needSandbox(t)
	t.Setenv("TMPDIR", openDir(t))
	for _, name := range []string{"ETCD_NAME", "PGHOSTADDR", "PGPASSFILE", "REDISCLI_AUTH", "MYSQL_HOME", "NATS_URL", "RABBITMQ_NODENAME", "GODEBUG", "LD_PRELOAD", "http_proxy", "AFTERSHOCK_BINARY"} {
		t.Setenv(name, "")
	}
	c := launchNodes(t, 2)
	defer closeCluster(t, c)
	secret := filepath.Join(openDir(t), "secret")
	if err := os.WriteFile(secret, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for i, n := range c.Nodes() {
		if err := trySeclusion(t.Context(), n, c.dir.path, c.members[1-i].dir, secret, os.Getenv("TMPDIR")); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
	// What one node writes no other sees.
	if _, err := inNode(t.Context(), c.Nodes()[0], "touch /tmp/mine /node/data/mine /home/mine /dev/shm/mine"); err != nil {
		t.Error(err)
	}
	if got, err := inNode(t.Context(), c.Nodes()[1], "find / -xdev -name mine; find /tmp /node /home /dev/shm /run -name mine"); err != nil || got != "" {
		t.Errorf("another node sees %s, %v", got, err)
	}
	if got, err := inNode(t.Context(), c.Nodes()[0], "cat /etc/hosts | xargs; hostname"); err != nil || got != "127.0.0.1 localhost ::1 localhost 10.77.0.10 n1 10.77.0.11 n2\nn1" {
		t.Errorf("hosts of the node: %s, %v", got, err)
	}
}

// TestNodeSeesItsPrograms: a program outside of the system's folders is found by
// its name, with what lies beside it, read-only; what else is near it is hidden.
func TestNodeSeesItsPrograms(t *testing.T) {
	needSandbox(t)
	dir := openDir(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program := write("db/bin/some-server", "#!/bin/sh\ncat $(dirname $0)/../share/text; some-tool\n")
	write("db/bin/some-tool", "#!/bin/sh\necho tool\n")
	write("db/share/text", "shared\n")
	write("db/secret", "secret\n")
	home := write("home/lone-server", "#!/bin/sh\necho alone\n")
	write("home/secret", "secret\n")
	real := write("elsewhere/linked-1.0", "#!/bin/sh\necho linked\n")
	link := filepath.Join(dir, "links", "linked")
	if err := errors.Join(os.Mkdir(filepath.Dir(link), 0o755), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", filepath.Dir(home))
	c, err := New().Launch(t.Context(), cluster.Spec{Run: "test", Nodes: []cluster.NodeSpec{{Name: "n1"}}, Programs: []string{program, home, link, "/bin/sh"}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeCluster(t, c)
	n := c.Nodes()[0]
	for _, w := range []struct{ script, want string }{
		{"some-server; lone-server; linked", "shared\ntool\nalone\nlinked"},
		{"find " + dir + " -name secret", ""},
		{"touch " + dir + "/db/bin/x " + dir + "/db/share/x " + home + " 2>/dev/null; echo x 2>/dev/null >>" + home + "; ls " + dir + "/db", "bin\nshare"},
	} {
		if got, err := inNode(t.Context(), n, w.script); err != nil || got != w.want {
			t.Errorf("%s: %q, %v, want %q", w.script, got, err, w.want)
		}
	}
	if text, err := os.ReadFile(home); err != nil || !strings.HasSuffix(string(text), "alone\n") {
		t.Errorf("the node wrote into a program: %q, %v", text, err)
	}
}

func TestPassedEnvironment(t *testing.T) {
	got := passed(func(name string) (string, bool) { return "x", name != "TZ" })
	if want := []string{"PATH=x", "HOME=x", "TMPDIR=x", "LANG=x"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestPath: the node searches the folders that it sees in the user's order.
func TestPath(t *testing.T) {
	v := viewOf([]string{"/data/x/bin/etcd", "/usr/bin/redis-server"}, "/nowhere:/usr/bin:relative::/data/x/bin/:/bin:/usr/bin")
	if want := "/usr/bin:/data/x/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"; v.path != want || !slices.Equal(v.shown, []string{"/data/x/bin"}) {
		t.Errorf("%s, %q", v.path, v.shown)
	}
	if v := viewOf([]string{"/data/y/nats-server"}, "/usr/bin"); !strings.HasPrefix(v.path, "/usr/bin:/data/y:") {
		t.Errorf("%s", v.path)
	}
}
