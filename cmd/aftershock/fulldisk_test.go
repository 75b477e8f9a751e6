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

// TestFullDisk fills the disk in the middle of a run: one message with the
// place and the remedy, exit code 4, and the history up to there is readable.
func TestFullDisk(t *testing.T) {
	if err := local.Available(t.Context()); err != nil {
		t.Skipf("host local: %v", err)
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=80k"); err != nil {
		t.Skipf("a small file system for a full disk: mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	plan := filepath.Join(t.TempDir(), "short.yaml")
	if err := os.WriteFile(plan, []byte(strings.ReplaceAll(shortPlan, "500/s", "8000/s")), 0o644); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(binary, "run", plan, "--host", "local", "--out", filepath.Join(dir, "runs"))
	var stderr strings.Builder
	run.Stderr = &stderr
	_ = run.Run()
	if code := run.ProcessState.ExitCode(); code != exitInfrastructure {
		t.Errorf("exit code %d, want %d\n%s", code, exitInfrastructure, stderr.String())
	}
	for _, want := range []string{filepath.Join(dir, "runs"), "no space left on device", "--out"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("standard error does not tell %q:\n%s", want, stderr.String())
		}
	}
	check := exec.Command(binary, "check", filepath.Join(dir, "runs", "latest"))
	out, _ := check.Output()
	if !strings.Contains(string(out), "UNKNOWN") {
		t.Errorf("what was recorded before is not judged:\n%s", out)
	}
}
