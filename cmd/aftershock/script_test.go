package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// binary is the real static binary that the end-to-end tests run.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "aftershock-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "aftershock")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary under test: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// script runs testdata/script/<pattern> with the binary on the PATH.
func script(t *testing.T, files ...string) {
	for i, f := range files {
		files[i] = filepath.Join("testdata", "script", f)
	}
	testscript.Run(t, testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(4 * time.Minute),
		Setup: func(env *testscript.Env) error {
			// Each script has a path of its own to the binary, by which its
			// processes can be told from another script's.
			bin := filepath.Join(env.WorkDir, "bin")
			if err := os.Mkdir(bin, 0o755); err != nil {
				return err
			}
			if err := os.Link(binary, filepath.Join(bin, "aftershock")); err != nil {
				return err
			}
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("PLANS", mustAbs("../../plans"))
			env.Setenv("REPOSITORY", mustAbs("../.."))
			env.Setenv("TMPDIR", env.WorkDir)
			env.Values[theirsKey{}] = &theirs{}
			for _, name := range []string{"DOCKER_HOST", "HOME"} {
				if v := os.Getenv(name); v != "" {
					env.Setenv(name, v)
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "nodesgone": nodesGone, "nothingleft": nothingLeft, "awaitload": awaitLoad, "hurt": hurt, "remove": remove, "redis": redis, "nowhere": nowhere, "lines": lines, "nosecret": noSecret, "redises": redises, "untouched": untouched, "awaitfault": awaitFault},
	})
}

func mustAbs(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return abs
}

// exits CODE COMMAND… runs a command that has to end with that exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		var exit *exec.ExitError
		if !asExit(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = fmt.Sprint(exit.ExitCode())
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// goneTime is how long what a killed harness leaves may be there.
const goneTime = 15 * time.Second

// nodesgone waits until no process and no running container of this script is
// left: a killed harness must leave nothing that works.
func nodesGone(ts *testscript.TestScript, _ bool, _ []string) {
	awaitNothing(ts, func() []string { return alive(ts.Getenv("WORK")) })
}

// nothingleft waits until no process, container, running or not, network or
// temporary directory of this script is left.
func nothingLeft(ts *testscript.TestScript, _ bool, _ []string) {
	dir := ts.Getenv("WORK")
	awaitNothing(ts, func() []string { return remains(dir, dir) })
}

func awaitNothing(ts *testscript.TestScript, left func() []string) {
	if l := awaitGone(goneTime, left); len(l) > 0 {
		ts.Fatalf("still there after %s: %v", goneTime, l)
	}
}

// awaitGone waits until nothing is left, and returns what is left in the end.
func awaitGone(limit time.Duration, left func() []string) []string {
	for deadline := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		if l := left(); len(l) == 0 || time.Now().After(deadline) {
			return l
		}
	}
}

func TestCommandLine(t *testing.T) {
	script(t, "usage.txtar", "plans.txtar", "list.txtar", "shipped.txtar", "rundir.txtar", "report.txtar", "site.txtar", "foreign.txtar", "bounds.txtar")
}

func TestLocalHost(t *testing.T) {
	if err := local.Available(t.Context()); err != nil {
		t.Skipf("host local: %v", err)
	}
	script(t, "first-steps.txtar", "local-run.txtar", "local-interrupt.txtar", "local-kill.txtar", "local-stop.txtar", "no-engine.txtar", "local-queue.txtar", "local-ycsb.txtar", "local-pipeline.txtar", "local-drivers.txtar", "local-control.txtar", "local-outside.txtar", "local-upgrade.txtar", "study.txtar", "local-series.txtar", "ci.txtar")
}

// TestLocalPower: what a power cut takes, by the real binary.
func TestLocalPower(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("needs FUSE: %v", err)
	}
	if err := local.Available(t.Context()); err != nil {
		t.Skipf("host local: %v", err)
	}
	script(t, "local-power.txtar")
}

func TestDockerHost(t *testing.T) {
	if err := docker.Available(t.Context()); err != nil {
		t.Skipf("host docker: %v", err)
	}
	script(t, "docker-run.txtar", "docker-kill.txtar", "docker-outside.txtar")
}
