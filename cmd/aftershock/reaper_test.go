package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// both runs a test on each host that works here.
func both(t *testing.T, test func(t *testing.T, host string)) {
	for name, available := range map[string]error{"local": local.Available(t.Context()), "docker": docker.Available(t.Context())} {
		t.Run(name, func(t *testing.T) {
			if available != nil {
				t.Skip(available)
			}
			test(t, name)
		})
	}
}

// field is a program of a test's own, with a plan, beside which nothing else runs.
type field struct {
	t   *testing.T
	dir string
}

func newField(t *testing.T, duration string) *field {
	t.Helper()
	f := &field{t: t, dir: t.TempDir()}
	for _, dir := range []string{f.dir, filepath.Dir(f.dir)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(binary, filepath.Join(f.dir, "aftershock")); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("name: p\nseed: 7\ntarget: {name: ripple, replicas: 1}\nworkloads: [{name: register, rate: 200/s, clients: 2}]\nwarmup: 100ms\nduration: %s\nclaims: ['writes.lost == 0']\n", duration)
	if err := os.WriteFile(filepath.Join(f.dir, "p.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range f.processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return f
}

// command runs the plan as the leader of a process group.
func (f *field) command(host, out string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(f.dir, "aftershock"), "run", "p.yaml", "--host", host, "-q", "-o", out)
	cmd.Dir = f.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+f.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// processes are those of the field's program; with words, those whose command
// line has them all.
func (f *field) processes(words ...string) []int {
	var list []int
	for _, line := range alive(f.dir) {
		first, command, _ := strings.Cut(line, " ")
		pid, err := strconv.Atoi(first)
		if err == nil && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(command, w) }) {
			list = append(list, pid)
		}
	}
	return list
}

// underWay waits until the run has its nodes, and its reaper.
func (f *field) underWay(host string) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		nodes := len(f.processes(" agent"))
		if host == "docker" {
			nodes = len(containers(f.dir, false))
		}
		if nodes == 2 && len(f.processes(" reap")) == 1 {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("no nodes: %v", remains(f.dir, f.dir))
		}
	}
}

func (f *field) nothingLeft() {
	f.t.Helper()
	if l := awaitGone(goneTime, func() []string { return remains(f.dir, f.dir) }); len(l) > 0 {
		f.t.Errorf("still there after %s: %v", goneTime, l)
	}
}

// The whole process group of the harness is killed, and nothing is left. Whoever
// reads its output, or waits for a descriptor that it was given, waits no longer.
func TestAKilledGroupLeavesNothing(t *testing.T) {
	both(t, func(t *testing.T, host string) {
		f := newField(t, "60s")
		cmd := f.command(host, "runs")
		output, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = cmd.Stdout
		given, end, err := os.Pipe() // as of a shell's `3> >(…)`
		if err != nil {
			t.Fatal(err)
		}
		defer given.Close()
		cmd.ExtraFiles = []*os.File{end}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = end.Close()
		f.underWay(host)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, output)
			_, _ = io.Copy(io.Discard, given)
		}()
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		reapers := f.processes(" reap")
		select {
		case <-ended:
		case <-time.After(goneTime):
			t.Error("somebody keeps the harness's descriptors open")
		}
		_ = cmd.Wait()
		if len(reapers) != 1 {
			t.Errorf("reapers after the harness's end: %v", reapers)
		}
		f.nothingLeft()
	})
}

// Where the reaper is killed, too, `clean` does its work.
func TestCleanDoesAKilledReapersWork(t *testing.T) {
	both(t, func(t *testing.T, host string) {
		f := newField(t, "60s")
		cmd := f.command(host, "runs")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f.underWay(host)
		for _, pid := range append(f.processes(" reap"), cmd.Process.Pid) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait()
		if l := awaitGone(goneTime, func() []string { return alive(f.dir) }); len(l) > 0 {
			t.Errorf("works on: %v", l) // the agents' lease ends them
		}
		if len(remains(f.dir, f.dir)) == 0 {
			t.Log("another launch on this machine has cleaned up already")
		}
		clean := exec.Command(filepath.Join(f.dir, "aftershock"), "clean")
		clean.Env = append(os.Environ(), "TMPDIR="+f.dir)
		if out, err := clean.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		f.nothingLeft()
	})
}

// A run that goes on is not cleaned away though its folder was moved.
func TestCleanSparesARunWhoseFolderWasMoved(t *testing.T) {
	both(t, func(t *testing.T, host string) {
		f := newField(t, "60s")
		cmd := f.command(host, "runs")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f.underWay(host)
		if err := os.Rename(filepath.Join(f.dir, "runs"), filepath.Join(f.dir, "moved")); err != nil {
			t.Fatal(err)
		}
		before := remains(f.dir, f.dir)
		clean := exec.Command(filepath.Join(f.dir, "aftershock"), "clean")
		clean.Env = append(os.Environ(), "TMPDIR="+f.dir)
		if out, err := clean.CombinedOutput(); err != nil || bytes.Contains(out, []byte("-p-7-")) || bytes.Contains(out, []byte(f.dir)) {
			t.Errorf("%v: %s", err, out)
		}
		if after := remains(f.dir, f.dir); len(after) < len(before) {
			t.Errorf("of %v there is %v", before, after)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		f.nothingLeft()
	})
}

// Two runs of one plan and seed at the same moment, in folders of their own and
// in one, do not meet.
func TestTheSamePlanTwiceAtOnce(t *testing.T) {
	both(t, func(t *testing.T, host string) {
		f := newField(t, "1s")
		var runs []*exec.Cmd
		for _, out := range []string{"a", "b", "b"} {
			cmd := f.command(host, out)
			cmd.Stderr = new(bytes.Buffer)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			runs = append(runs, cmd)
		}
		for i, cmd := range runs {
			if code := func() int { _ = cmd.Wait(); return cmd.ProcessState.ExitCode() }(); code != exitHolds && code != exitUnknown {
				t.Errorf("run %d: exit code %d: %s", i, code, cmd.Stderr)
			}
		}
		if left := remains(f.dir, f.dir); len(left) > 0 { // reapers included, they have nothing to do
			t.Errorf("left: %v", left)
		}
	})
}
