package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// nobody is a user without rights.
const nobody = 65534

const shortPlan = `
name: short
seed: 3
target: {name: ripple, replicas: 2, options: {replication: sync}, failover: {after: 600ms}}
workloads: [{name: register, rate: 500/s, clients: 4}, {name: lag}]
warmup: 100ms
duration: 3s
faults:
  - {at: 500ms, kill: primary, for: 700ms}
  - {at: 2s, partition: {isolate: replica}, for: 500ms}
claims: ['writes.lost == 0', linearizable]
`

// TestUnprivilegedUser runs a whole plan as a user without rights: the local
// host then lives in a user namespace.
func TestUnprivilegedUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("host local as another user: this is not root; TestLocalHost runs as an ordinary user already")
	}
	if remedy := local.UserNamespacesOff(); remedy != "" {
		t.Skipf("host local as another user: no unprivileged user namespaces: %s", remedy)
	}
	dir, err := os.MkdirTemp(filepath.Dir(binary), "user-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(dir, "short.yaml")
	if err := os.WriteFile(plan, []byte(shortPlan), 0o644); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(binary, "run", plan)
	run.Dir = dir
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "DOCKER_HOST=unix:///nonexistent.sock"}
	run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "HOLDS") {
		t.Fatalf("%v\n%s", err, out)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "aftershock-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
