package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

func TestStartErrors(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	script := cluster.DataDir + "/our-script"
	for _, c := range []struct {
		want string
		spec cluster.ServerSpec
	}{
		{"command is empty", cluster.ServerSpec{}},
		{"exec no-such-server: not found in PATH (", cluster.ServerSpec{Command: []string{"no-such-server"}}},
		{"not found in PATH (/nowhere): install it", cluster.ServerSpec{Command: []string{"sh"}, Env: map[string]string{"PATH": "/nowhere"}}},
		{"exec /no/such/server", cluster.ServerSpec{Command: []string{"/no/such/server"}}},
		{"/etc is a directory", cluster.ServerSpec{Command: []string{"/etc"}}},
		{"permission denied", cluster.ServerSpec{Command: []string{"/etc/passwd"}}},
		{`user "no-such-user": not found in /etc/passwd`, cluster.ServerSpec{Command: []string{"sh"}, User: "no-such-user"}},
		{`unknown stop signal "SIGNONE"`, cluster.ServerSpec{Command: []string{"sh"}, StopSignal: "SIGNONE"}},
		{"working directory /no/such/dir does not exist", cluster.ServerSpec{Command: []string{"sh"}, Dir: "/no/such/dir"}},
		{"found in PATH, but it cannot be executed", cluster.ServerSpec{
			Command: []string{"passwd"}, Env: map[string]string{"PATH": "/etc"},
		}},
		{"not found in PATH", cluster.ServerSpec{Command: []string{"our-script"}, Files: map[string]string{script: "x"}}},
	} {
		err := n.Start(t.Context(), c.spec)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v does not tell %q", c.spec, err, c.want)
		}
	}
	nodetest.Serve(t, n) // none of them is in the way
}

func TestFilesEnvironmentAndUser(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	t.Setenv("AFTERSHOCK_TOKEN", "not for servers")
	user, uid := "", os.Geteuid()
	if nodetest.CanSwitchUsers() {
		user, uid = "65534:65534", 65534
	}
	output, err := n.Run(t.Context(), cluster.ServerSpec{
		Command: []string{"sh", "-c", `echo "$(id -u) $(pwd) $X $1"; cat conf/a.conf; stat -c '%u %a' conf conf/a.conf .; env; hostname`, "sh", cluster.DataDir},
		Env:     map[string]string{"X": cluster.DataDir + "/x"},
		Files:   map[string]string{cluster.DataDir + "/conf/a.conf": "dir=" + cluster.DataDir + "\n"},
		User:    user,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	lines := strings.Split(string(output), "\n")
	data := strings.TrimPrefix(lines[1], "dir=")
	want := []string{
		fmt.Sprintf("%d %s %s/x %s", uid, data, data, data), "dir=" + data,
		fmt.Sprintf("%d 755", uid), fmt.Sprintf("%d 600", uid), fmt.Sprintf("%d 700", uid),
	}
	for i, w := range want {
		if lines[i] != w {
			t.Errorf("line %d is %q, want %q", i, lines[i], w)
		}
	}
	if strings.Contains(string(output), "AFTERSHOCK_") {
		t.Errorf("the agent's own variables are passed on:\n%s", output)
	}
	if lines[len(lines)-2] != "n1" {
		t.Errorf("host name %q", lines[len(lines)-2])
	}
}

func TestRun(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	output, err := n.Run(t.Context(), cluster.ServerSpec{Command: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}})
	if string(output) != "out\nerr\n" || err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("output %q, error %v", output, err)
	}
	output, err = n.Run(t.Context(), cluster.ServerSpec{Command: []string{"head", "-c", "3000000", "/dev/zero"}})
	if kept := bytes.Count(output, []byte{0}); err != nil || kept != 1<<20 || !bytes.Contains(output, []byte("1951424 bytes of output dropped")) {
		t.Errorf("kept %d bytes of 3000000, error %v", kept, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := n.Run(ctx, cluster.ServerSpec{Command: []string{"sleep", "1000"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v of a run called off", err)
	}
	for range 200 {
		if !strings.Contains(nodetest.Shell(t, n, "cat /proc/[0-9]*/comm 2>/dev/null; :"), "sleep") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the command that was called off runs on")
}
