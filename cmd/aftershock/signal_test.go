package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// ownBinary is a link to the binary by which the processes of one test can be
// told from another's.
func ownBinary(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "aftershock")
	if err := os.Link(binary, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// startedRun is a run in the middle of its load.
type startedRun struct {
	*exec.Cmd
	dir      string
	terminal *os.File // what its standard error goes to
	lines    *bufio.Scanner
}

// startRun starts command, with the run's arguments at its end, and returns when the load has begun.
func startRun(t *testing.T, host, duration string, command ...string) *startedRun {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(binary), "signal-")
	if err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(dir, "plan.yaml")
	text := fmt.Sprintf("name: hangup\nseed: 3\ntarget: {name: ripple, replicas: 2, options: {replication: sync}}\n"+
		"workloads:\n  - {name: register, keys: 16, clients: 4, rate: 200/s}\nwarmup: 100ms\nduration: %s\nclaims: [writes.lost == 0]\n", duration)
	if err := os.WriteFile(plan, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append(command, ownBinary(t, dir), "run", plan, "--host", host, "--out", filepath.Join(dir, "runs"))
	r := &startedRun{Cmd: exec.CommandContext(t.Context(), args[0], args[1:]...), dir: dir}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	r.terminal, r.lines = reader, bufio.NewScanner(reader)
	r.Stderr = writer
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	for r.lines.Scan() {
		if strings.HasSuffix(r.lines.Text(), ": measure") {
			return r
		}
	}
	t.Fatalf("the run ended before its load: %v", r.Wait())
	return nil
}

// ends waits for the end of the run, after which nothing of it may be left but
// its results.
func (r *startedRun) ends(t *testing.T, want int) {
	t.Helper()
	_ = r.Wait()
	if code := r.ProcessState.ExitCode(); code != want {
		t.Errorf("exit code %d (%v), want %d", code, r.ProcessState, want)
	}
	for _, name := range []string{"verdict.json", "report.html"} {
		if _, err := os.Stat(filepath.Join(r.dir, "runs", "latest", name)); err != nil {
			t.Error(err)
		}
	}
	if left := append(alive(r.dir), engineThings(r.dir)...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestHangup: SIGHUP ends a run as SIGTERM does, also when the terminal to which
// it writes has gone, and when the shell sends it again.
func TestHangup(t *testing.T) {
	// Under nohup the tests are born with SIGHUP ignored, and a run would be as
	// well; what this process catches is reset in those that it starts.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	for host, available := range map[string]error{"docker": docker.Available(t.Context()), "local": local.Available(t.Context())} {
		t.Run(host, func(t *testing.T) {
			if available != nil {
				t.Skip(available)
			}
			r := startRun(t, host, "60s")
			_ = r.terminal.Close()
			for range 2 {
				if err := r.Process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond)
			}
			r.ends(t, exitUnknown)
		})
	}
}

// TestNohup: a run that was told to ignore SIGHUP goes on.
func TestNohup(t *testing.T) {
	if err := local.Available(t.Context()); err != nil {
		t.Skip(err)
	}
	r := startRun(t, "local", "1500ms", "sh", "-c", `trap "" HUP; exec "$@"`, "sh")
	if err := r.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for r.lines.Scan() { // until it has said its last
	}
	r.ends(t, exitHolds)
}

// TestInterruptedWhileReading: a command that still reads obeys the first
// interrupt. The file is a pipe to which nobody writes all.
func TestInterruptedWhileReading(t *testing.T) {
	run := recordedRun(t, 300)
	if code, _, said := ended(t, run, "check", run); code > exitUnknown {
		t.Fatalf("check: exit code %d: %s", code, said)
	}
	stuck := func(name string) string {
		dir := filepath.Join(t.TempDir(), "run")
		if err := os.CopyFS(dir, os.DirFS(run)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for name, args := range map[string][]string{
		"check": {"check", stuck("history.arrows")}, "check file": {"check", filepath.Join(stuck("history.arrows"), "history.arrows")},
		"report": {"report", stuck("verdict.json")}, "export": {"export", stuck("history.arrows"), "-o", filepath.Join(t.TempDir(), "out")},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), binary, args...)
			var said bytes.Buffer
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond)
			begin := time.Now()
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitUnknown || !strings.Contains(said.String(), "interrupted") {
				t.Errorf("%v, %s", cmd.ProcessState, said.String())
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if args[0] == "export" {
				if left, _ := os.ReadDir(filepath.Dir(args[3])); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			}
		})
	}
}

// TestEarlySignal: a signal in the first moments of a process ends it with the
// code of later ones. Before Go's runtime has begun nobody can do anything about
// it; on a busy machine that takes a while, and so each instant has twenty tries.
func TestEarlySignal(t *testing.T) {
	plan := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(plan, []byte(shortPlan), 0o644); err != nil {
		t.Fatal(err)
	}
	for host, available := range map[string]error{"docker": docker.Available(t.Context()), "local": local.Available(t.Context())} {
		if available != nil {
			continue
		}
		for _, after := range []time.Duration{25, 50, 75, 100, 150, 200} {
			said, ok := "", false
			for try := 0; try < 20 && !ok; try++ {
				ok, said = endsEarly(t, after*time.Millisecond, "run", plan, "-q", "--host", host, "--out", filepath.Join(t.TempDir(), "runs"))
			}
			if !ok {
				t.Errorf("%s after %d ms: %s", host, after, said)
			}
		}
	}
}

// endsEarly tells whether the binary ends as interrupted, within a time that is
// shorter than the patience with a sandbox that does not listen.
func endsEarly(t *testing.T, after time.Duration, args ...string) (ok bool, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	begin := time.Now()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	took := time.Since(begin)
	ok = cmd.ProcessState.ExitCode() == exitUnknown && strings.Contains(stderr.String(), "interrupted") && took < 20*time.Second
	return ok, fmt.Sprintf("%v after %s: %s", cmd.ProcessState, took, stderr.String())
}

// TestSecondInterrupt ends the process at once.
func TestSecondInterrupt(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "history"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "check", filepath.Join(dir, "history"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	for range 3 {
		_ = cmd.Process.Signal(os.Interrupt)
		time.Sleep(20 * time.Millisecond)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("%v", cmd.ProcessState)
	}
}
