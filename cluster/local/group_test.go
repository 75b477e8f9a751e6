package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// limited launches one node with limits; skipped where no control group can be
// made for them.
func limited(t *testing.T, l cluster.Limits) *localCluster {
	t.Helper()
	needSandbox(t)
	g, pids, err := makeGroups(cgroupRoot, fmt.Sprintf("aftershock-try-%d", os.Getpid()), l)
	if g != nil {
		if err := g.remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err != nil || !pids {
		t.Skipf("needs control groups that can be written: %v", err)
	}
	c, err := New().Launch(t.Context(), cluster.Spec{Run: "test", Nodes: []cluster.NodeSpec{{Name: "n1"}, {Name: "n2"}}, Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*localCluster)
}

// left lists the control groups of a cluster.
func left(c *localCluster) []string {
	var list []string
	for _, pattern := range []string{"*", "*/*", "*/*/*", "*/*/*/*"} {
		found, _ := filepath.Glob(filepath.Join(cgroupRoot, pattern))
		for _, path := range found {
			if strings.HasPrefix(filepath.Base(path), filepath.Base(c.dir.path)) {
				list = append(list, path)
			}
		}
	}
	return list
}

// TestProcessLimit: a node that forks without end is stopped, and no other node
// notices.
func TestProcessLimit(t *testing.T) {
	c := limited(t, cluster.Limits{Processes: 64})
	defer closeCluster(t, c)
	out, _ := c.Nodes()[0].Run(t.Context(), cluster.ServerSpec{Command: []string{"sh", "-c", "for i in $(seq 200); do sleep 30 & done; wait"}})
	if !strings.Contains(strings.ToLower(string(out)), "fork") {
		t.Errorf("200 processes in a node of 64: %.200s", out)
	}
	if got, err := inNode(t.Context(), c.Nodes()[1], "sh -c 'for i in $(seq 20); do sleep 0.01 & done; wait; echo ok'"); err != nil || got != "ok" {
		t.Errorf("another node: %s, %v", got, err)
	}
	closeCluster(t, c)
	if list := left(c); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// TestMemoryLimit: a server that takes too much is killed, the agent lives, and
// the exit says why; a kill of the plan's own does not.
func TestMemoryLimit(t *testing.T) {
	c := limited(t, cluster.Limits{Memory: 96 << 20})
	defer closeCluster(t, c)
	n := c.Nodes()[0]
	exit := func() cluster.Exit {
		select {
		case e := <-n.Exits():
			return e
		case <-time.After(20 * time.Second):
			t.Fatal("no exit was told")
		}
		return cluster.Exit{}
	}
	if err := n.Start(t.Context(), cluster.ServerSpec{Command: []string{"sleep", "4242"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Do(t.Context(), cluster.Action{Kind: cluster.Kill}); err != nil {
		t.Fatal(err)
	}
	if e := exit(); e.Memory || e.Signal != "killed" {
		t.Errorf("a planned kill: %+v", e)
	}
	// tail keeps a line until it ends; this one does not.
	if err := n.Start(t.Context(), cluster.ServerSpec{Command: []string{"sh", "-c", "exec tail -n 1 /dev/zero"}}); err != nil {
		t.Fatal(err)
	}
	if e := exit(); !e.Memory || e.Signal != "killed" || e.Planned {
		t.Errorf("a server that takes all memory: %+v", e)
	}
	if got, err := inNode(t.Context(), n, "echo alive"); err != nil || got != "alive" {
		t.Errorf("afterwards: %s, %v", got, err)
	}
	closeCluster(t, c)
	if list := left(c); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// TestTimeLimit: a node that has a tenth of a processor gets no more of it, and another
// one has its own.
func TestTimeLimit(t *testing.T) {
	c := limited(t, cluster.Limits{CPUs: 0.1})
	defer closeCluster(t, c)
	if err := c.Limit(t.Context()); err != nil {
		t.Fatal(err)
	}
	// bash counts the processor time of its loop, which has a second of it to burn.
	const burn = "timeout 1 bash -c 'trap \"times; exit\" TERM; while :; do :; done' | tail -n 2 | head -n 1"
	for _, n := range c.Nodes() {
		out, err := inNode(t.Context(), n, burn)
		var minutes, seconds float64
		if _, scanned := fmt.Sscanf(strings.ReplaceAll(out, "s ", " "), "%fm%f", &minutes, &seconds); err != nil || scanned != nil {
			t.Fatalf("%s: %q, %v, %v", n.Name, out, err, scanned)
		}
		if used := 60*minutes + seconds; used > 0.25 || used == 0 {
			t.Errorf("%s: a tenth of a processor came to %.3f s in one", n.Name, used)
		}
	}
	closeCluster(t, c)
	if list := left(c); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// groupFiles makes a control group that is none: a folder with its files.
func groupFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParents(t *testing.T) {
	root := t.TempDir()
	first := "9:name=systemd:/\n8:pids:/a\n4:cpu,memory:/b/c\n0::/d\n"
	if got, want := fmt.Sprint(parents(root, first, "memory")), fmt.Sprintf("[{%s/memory/b/c false} {%[1]s/memory false}]", root); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	groupFiles(t, root, "cgroup.controllers")
	if got, want := fmt.Sprint(parents(root, "0::/d/e\n", "pids")), fmt.Sprintf("[{%s/d/e true} {%[1]s true}]", root); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := parents(root, "garbage\n1:2\n", "pids"); got != nil {
		t.Errorf("%v", got)
	}
}

// TestNoGroups: where no control group can be made, a limit of memory or time is
// refused with the remedy, and that of processes left to others.
func TestNoGroups(t *testing.T) {
	root := t.TempDir()
	if g, pids, err := makeGroups(root, "x", cluster.Limits{Processes: 5}); err != nil || pids || len(g.dirs) > 0 {
		t.Errorf("%v, %t, %v", g, pids, err)
	}
	for key, l := range map[string]cluster.Limits{"target.memory": {Processes: 5, Memory: 1 << 30}, "target.cpus": {Processes: 5, CPUs: 0.5}} {
		if _, _, err := makeGroups(root, "x", l); err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "as root") {
			t.Errorf("%v", err)
		}
	}
	if entries, _ := os.ReadDir(root); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestCleanGroups removes what a killed harness has left, and nothing else.
func TestCleanGroups(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"pids/aftershock-7-n1", "memory/a/b/aftershock-7-n2", "slice/aftershock-7-n3", "pids/aftershock-71-n1", "pids/other"} {
		groupFiles(t, filepath.Join(root, dir))
	}
	cleanGroups(root, "/tmp/aftershock-7")
	var names []string
	for _, pattern := range []string{"*/*", "*/*/*/*"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, path := range found {
			names = append(names, strings.TrimPrefix(path, root+"/"))
		}
	}
	if got := fmt.Sprint(names); got != "[memory/a pids/aftershock-71-n1 pids/other]" {
		t.Errorf("%s", got)
	}
}
