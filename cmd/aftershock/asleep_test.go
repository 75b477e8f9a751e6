package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/local"
	"github.com/aftershock-chaos/aftershock/results"
)

// awhile is a run whose claims about times a stall of two seconds would break.
const awhile = `
name: awhile
seed: 3
target: {name: ripple, replicas: 2, options: {replication: sync}}
workloads:
  - {name: register, keys: 16, clients: 4, rate: 200/s}
duration: 6s
claims: [writes.lost == 0, linearizable, latency.p99 < 1s, availability.write_gap.max < 1500ms]
`

// localRun is `aftershock run` of a plan on the local host, under way.
type localRun struct {
	dir     string
	command *exec.Cmd
	out     bytes.Buffer
}

func startLocal(t *testing.T, plan string, before ...string) *localRun {
	t.Helper()
	if err := local.Available(t.Context()); err != nil {
		t.Skipf("host local: %v", err)
	}
	r := &localRun{dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(r.dir, "plan.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append(before, binary, "run", "plan.yaml", "--host", "local", "--quiet")
	r.command = exec.CommandContext(t.Context(), args[0], args[1:]...)
	r.command.Dir, r.command.Stdout, r.command.Stderr = r.dir, &r.out, &r.out
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// measuring waits until the run's load is measured.
func (r *localRun) measuring(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		events, _ := filepath.Glob(filepath.Join(r.dir, "runs", "*", "events.jsonl"))
		for _, name := range events {
			if text, _ := os.ReadFile(name); bytes.Contains(text, []byte(`"detail":"measure"`)) {
				return
			}
		}
	}
	t.Fatalf("nothing is measured after a minute: %s", &r.out)
}

// sandbox is the process that does the run's work.
func (r *localRun) sandbox(t *testing.T) int {
	t.Helper()
	pid := r.command.Process.Pid
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range children {
		text, _ := os.ReadFile(name)
		for _, child := range strings.Fields(string(text)) {
			if command, _ := os.ReadFile("/proc/" + child + "/cmdline"); bytes.Contains(command, []byte("sandbox")) {
				n, _ := strconv.Atoi(child)
				return n
			}
		}
	}
	t.Fatalf("process %d has no sandbox", pid)
	return 0
}

// end waits for the run, and returns its verdict and its exit code.
func (r *localRun) end(t *testing.T) (*results.Verdict, int) {
	t.Helper()
	_ = r.command.Wait()
	text, err := os.ReadFile(filepath.Join(r.dir, "runs", "latest", "verdict.json"))
	if err != nil {
		t.Fatalf("%v: %s", err, &r.out)
	}
	v := &results.Verdict{}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
	return v, r.command.ProcessState.ExitCode()
}

// TestHarnessAsleep: what a harness that was stopped did not see is nothing that
// the system did.
func TestHarnessAsleep(t *testing.T) {
	t.Parallel()
	for _, nap := range []time.Duration{2 * time.Second, 9 * time.Second} {
		t.Run(nap.String(), func(t *testing.T) {
			t.Parallel()
			r := startLocal(t, awhile)
			r.measuring(t)
			time.Sleep(time.Second)
			pid := r.sandbox(t)
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(nap)
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			v, code := r.end(t)
			if code != results.ExitUnknown {
				t.Errorf("exit code %d, want %d\n%s", code, results.ExitUnknown, &r.out)
			}
			if told := strings.Join(v.Remarks, "\n"); !strings.Contains(told, "the harness did not run") {
				t.Errorf("the harness is not named: %q", told)
			}
			for _, c := range v.Claims {
				timed := strings.Contains(c.Claim, "<")
				if c.Answer == results.Violated || timed && c.Answer == results.Unproven && !strings.Contains(c.Detail, "the harness did not run") {
					t.Errorf("%s is %s: %s", c.Claim, c.Answer, c.Detail)
				}
			}
			check := exec.CommandContext(t.Context(), binary, "check", "runs/latest")
			check.Dir = r.dir
			if out, _ := check.CombinedOutput(); check.ProcessState.ExitCode() != code {
				t.Errorf("check exits with %d, run did with %d\n%s", check.ProcessState.ExitCode(), code, out)
			}
		})
	}
}

// TestStallAtTheEnd: clients that wait when the load ends keep operations from
// being sent, and that is no reason for a verdict to be better.
func TestStallAtTheEnd(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]string{"until the end": "{at: 2s, pause: primary, for: 2s}", "for good": "{at: 2s, pause: primary}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startLocal(t, `
name: stall
seed: 5
target: {name: ripple, replicas: 2, options: {replication: sync}, failover: {choose: none}}
workloads: [{name: register, keys: 16, clients: 4, rate: 400/s}]
warmup: 500ms
duration: 4s
faults: [`+fault+`]
claims: [latency.p99 < 500ms]
`)
			v, code := r.end(t)
			if code == results.ExitHolds {
				t.Errorf("it holds\n%s", &r.out)
			}
			if name == "for good" && !strings.Contains(strings.Join(v.Remarks, "\n"), "never sent") {
				t.Errorf("nothing is told of what was never sent: %q", v.Remarks)
			}
		})
	}
}

// TestTooFewDescriptors: what the plan's clients need is asked before the launch.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	r := startLocal(t, awhile, "sh", "-c", `ulimit -n 64; exec "$0" "$@"`)
	_ = r.command.Wait()
	if code := r.command.ProcessState.ExitCode(); code != 4 || !strings.Contains(r.out.String(), "need about 148 open files, and this process may have 64: raise the limit") {
		t.Errorf("exit code %d: %s", code, &r.out)
	}
}
