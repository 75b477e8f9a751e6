package main

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
	"github.com/aftershock-chaos/aftershock/cluster/local"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/postgres"
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

const realPlan = `
name: real
seed: 3
target: {name: postgres, replicas: 1, options: {synchronous_standby_names: FIRST 1}, failover: {after: 500ms}}
workloads: [{name: register, rate: 100/s, clients: 4}]
warmup: 200ms
duration: 4s
faults: [{at: 500ms, kill: primary, for: 1s}]
settle: 30s
claims: ['writes.lost == 0']
`

// machinesPlan has every mechanism of faults of machines in force once.
const machinesPlan = `
name: machines
seed: 3
target: {name: ripple, replicas: 2, options: {replication: sync, fsync: always}, failover: {after: 600ms}}
workloads: [{name: set, keys: 8, clients: 4, rate: 100/s, mix: {add: 95, read: 5}}]
warmup: 200ms
duration: 10s
faults:
  - {at: 500ms, disk: {of: replica, on: sync, delay: 30ms}, for: 1s}
  - {at: 2s, power: {of: all, survive: 20%}, for: 1500ms}
  - {at: 4500ms, link: {of: replica, delay: 20ms, loss: 1%}, for: 1s}
  - {at: 5s, clock: {of: primary, by: -1h}, for: 1s}
  - {at: 6s, press: {of: replica, cpu: 20%}, for: 1s}
  - {at: 7500ms, reset: primary}
  - {at: 8s, crash: primary, for: 1s}
settle: 30s
claims: ['set.lost == 0']
`

// TestUnprivilegedUser runs whole plans as a user without rights: the local
// host then lives in a user namespace.
func TestUnprivilegedUser(t *testing.T) {
	t.Run("ripple", func(t *testing.T) { runUnprivileged(t, shortPlan) })
	// A server that refuses to run as root, and has a user of its own.
	t.Run("postgres", func(t *testing.T) {
		for _, s := range (postgres.Target{}).Info().Servers {
			if _, err := kit.Find(s); err != nil {
				t.Skipf("host local as another user: %v", err)
			}
		}
		if _, err := user.Lookup("postgres"); err != nil {
			t.Skipf("host local as another user: %v", err)
		}
		runUnprivileged(t, realPlan)
	})
	t.Run("machines", func(t *testing.T) {
		if err := volume.Available(); err != nil {
			t.Skipf("host local as another user: volumes: %v", err)
		}
		runUnprivileged(t, machinesPlan)
	})
}

// asNobody runs a program as a user without rights who may open /dev/fuse, which
// anybody may on most systems: in mounts of its own that is so here.
const asNobody = `mknod -m 666 "$HOME/fuse" c 10 229 && mount --bind "$HOME/fuse" /dev/fuse || exit 1
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`

func runUnprivileged(t *testing.T, text string) {
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
	if err := os.WriteFile(plan, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("unshare", "--mount", "sh", "-c", asNobody, "sh", binary, "run", plan)
	run.Dir = dir
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "DOCKER_HOST=unix:///nonexistent.sock"}
	out, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "HOLDS") {
		t.Fatalf("%v\n%s", err, out)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "aftershock-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
