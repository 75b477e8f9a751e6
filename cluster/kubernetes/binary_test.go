package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// The tests of this file run the real binary on a real cluster.

const shortPlan = `name: short
host: kubernetes
target: {name: ripple, replicas: 2, options: {replication: sync}, failover: {after: 500ms, choose: most-advanced}}
workloads: [{name: register, clients: 4, rate: 300/s}]
duration: %s
faults:
  - {at: 2s, kill: primary, for: 500ms}
  - {at: 4s, partition: {isolate: primary, from: all}, for: 1s}
claims: [linearizable]
`

// harnessRun starts the binary with a plan that takes so long.
func harnessRun(t *testing.T, long string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	plan := filepath.Join(dir, "short.yaml")
	if err := os.WriteFile(plan, fmt.Appendf(nil, shortPlan, long), 0o600); err != nil {
		t.Fatal(err)
	}
	said := new(bytes.Buffer)
	c := exec.Command("../../bin/aftershock", "run", plan, "--out", filepath.Join(dir, "runs"), "--agent-image", agentImage)
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, said
}

// reapers are a process's children that would clean up after it.
func reapers(pid int) (list []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, field := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(field)
			if line, _ := os.ReadFile("/proc/" + field + "/cmdline"); bytes.Contains(line, []byte("\x00reap\x00")) {
				list = append(list, child)
			}
		}
	}
	return list
}

// anything counts what bears our labels in the namespace, whoever made it.
func anything(t *testing.T, a *api.API) int {
	t.Helper()
	var pods corev1.PodList
	var jobs batchv1.JobList
	var leases coordinationv1.LeaseList
	if err := errors.Join(a.Pods.List(t.Context(), labelLaunch, &pods), a.Jobs.List(t.Context(), labelLaunch, &jobs), a.Leases.List(t.Context(), labelLaunch, &leases)); err != nil {
		t.Fatal(err)
	}
	return len(pods.Items) + len(jobs.Items) + len(leases.Items)
}

// Killed at any instant, and its reaper with it, the harness leaves nothing: the cluster
// removes it.
func TestKilledHarness(t *testing.T) {
	a := realCluster(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 4 {
		c, _ := harnessRun(t, "30s")
		after := time.Duration(300+random.IntN(9000)) * time.Millisecond
		time.Sleep(after)
		reapers := reapers(c.Process.Pid)
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, pid := range reapers {
			if i%2 == 1 { // every second time the cluster is on its own
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_ = c.Wait()
		began := time.Now()
		for anything(t, a) > 0 {
			if time.Since(began) > 30*time.Second {
				t.Fatalf("killed after %s: %d objects are left 30s later", after, anything(t, a))
			}
			time.Sleep(200 * time.Millisecond)
		}
		t.Logf("killed after %s, with %d reapers: nothing is left after %s", after, i%2*len(reapers), time.Since(began).Round(time.Millisecond))
	}
}

// An API server that stands still for ten seconds disturbs no run that goes on, and
// nothing is left after it.
func TestAPIServerStands(t *testing.T) {
	a := realCluster(t)
	if _, err := os.Stat("/var/lib/aftershock-kubernetes/apiserver"); err != nil {
		t.Skipf("the cluster of scripts/kubernetes: %v", err)
	}
	c, said := harnessRun(t, "14s")
	time.Sleep(8 * time.Second) // the load has begun
	if out, err := exec.Command("../../scripts/kubernetes", "freeze", "10").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	err := c.Wait()
	if !strings.Contains(said.String(), "linearizable = true") || strings.Contains(said.String(), "lost its agent") {
		t.Errorf("%v\n%s", err, said)
	}
	if n := anything(t, a); n > 0 {
		t.Errorf("%d objects are left", n)
	}
}
