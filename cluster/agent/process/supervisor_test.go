package process_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

func TestMain(m *testing.M) { nodetest.Main(m) }

func TestKillRestartStop(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill}); e.Changed {
		t.Error("killing an empty node changed something")
	}
	if _, err := n.Do(t.Context(), cluster.Action{Kind: cluster.Restart}); err == nil {
		t.Error("restart of a server that was never started succeeded")
	}
	nodetest.Serve(t, n)
	if err := n.Start(t.Context(), nodetest.ServerSpec); err == nil {
		t.Error("a running server was started again")
	}

	planned := time.Now().Add(30 * time.Millisecond)
	e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill, At: planned})
	if !e.Changed || e.At.Before(planned.Add(-e.Error)) || e.At.After(time.Now().Add(e.Error)) {
		t.Errorf("kill planned for %v: %+v", planned, e)
	}
	if exit := nodetest.NextExit(t, n); exit.Signal != "killed" || exit.Code != -1 || !exit.Planned || exit.At.Before(e.At.Add(-e.Error)) {
		t.Errorf("exit %+v of the kill %+v", exit, e)
	}
	if _, err := nodetest.Ask(t, n, "ping"); err == nil {
		t.Error("a killed server answers")
	}

	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Restart}); !e.Changed {
		t.Error("the restart changed nothing")
	}
	nodetest.WaitAnswers(t, n)
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Restart}); e.Changed {
		t.Error("a running server was restarted")
	}
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Stop}); !e.Changed {
		t.Error("the stop changed nothing")
	}
	if exit := nodetest.NextExit(t, n); exit.Signal != "terminated" || !exit.Planned {
		t.Errorf("exit %+v of the stop", exit)
	}
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Stop}); e.Changed {
		t.Error("a stopped server was stopped")
	}
}

// TestWipe: a node that lost its disk starts with an empty one.
func TestWipe(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Wipe}); e.Changed {
		t.Errorf("wiping an empty node changed something: %+v", e)
	}
	spec := nodetest.ServerSpec
	spec.Files = map[string]string{"{data}/deep/down/file": "1", "{data}/other": "2"}
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Wipe}); !e.Changed || e.Counts["files removed"] < 2 {
		t.Errorf("the wipe: %+v", e)
	}
	if exit := nodetest.NextExit(t, n); exit.Signal != "killed" || !exit.Planned {
		t.Errorf("exit %+v of the wipe", exit)
	}
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Wipe}); e.Changed {
		t.Errorf("wiping it again changed something: %+v", e)
	}
	if err := n.Start(t.Context(), nodetest.ServerSpec); err != nil {
		t.Fatal(err)
	}
	nodetest.WaitAnswers(t, n)
}

func TestStopKillsAfterGrace(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	spec := cluster.ServerSpec{Command: []string{"sh", "-c", "trap 'echo stopping' INT; echo ready; while :; do sleep 0.01; done"}, StopSignal: "SIGINT"}
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	output, ended := nodetest.Follow(t, n)
	<-output.Has("ready")
	before := time.Now()
	const grace = 700 * time.Millisecond // a busy machine takes a while to run the trap
	e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Stop, Grace: grace})
	if took := time.Since(before); !e.Changed || took < grace || e.At.Sub(before) > grace-10*time.Millisecond {
		t.Errorf("stop %+v of %v took %s", e, before, took)
	}
	if exit := nodetest.NextExit(t, n); exit.Signal != "killed" || !exit.Planned {
		t.Errorf("exit %+v after the grace", exit)
	}
	select {
	case <-output.Has("stopping"):
	case <-time.After(10 * time.Second):
		t.Error("the server did not get its stop signal")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the output's end: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestUnplannedExit(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	for code := range 3 {
		spec := cluster.ServerSpec{Command: []string{"sh", "-c", fmt.Sprintf("exit %d", code)}}
		if err := n.Start(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if exit := nodetest.NextExit(t, n); exit.Code != code || exit.Signal != "" || exit.Planned {
			t.Errorf("exit %+v of `exit %d`", exit, code)
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Pause}); e.Changed {
		t.Error("pausing an empty node changed something")
	}
	nodetest.Serve(t, n)
	conn, err := n.DialServer(t.Context(), nodetest.ServerPort)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Pause}); !e.Changed {
		t.Error("the pause changed nothing")
	}
	states := nodetest.Shell(t, n, `for p in /proc/[0-9]*; do test $p = /proc/1 || test $p = /proc/$$ || cat $p/task/*/stat; done`)
	if len(strings.Fields(states)) == 0 {
		t.Error("no server to be seen")
	}
	for line := range strings.Lines(states) {
		if !strings.Contains(line, ") T ") {
			t.Errorf("a thread runs on: %s", line)
		}
	}
	fmt.Fprintln(conn, "ping")
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused server answers: %v", err)
	}
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Resume}); !e.Changed {
		t.Error("the resume changed nothing")
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := bufio.NewReader(conn).ReadString('\n'); answer != "pong\n" {
		t.Errorf("the resumed server answers %q, %v", answer, err)
	}
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Pause})
	if e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill}); !e.Changed {
		t.Error("a paused server was not killed")
	}
}

// An orphan that left the server's session is reaped when it ends, and dies
// with a kill.
func TestOrphans(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	// The lasting orphan lets go of the output, so that nothing waits for it.
	spec := cluster.ServerSpec{Command: []string{"sh", "-c", `
		(setsid sh -c 'exit 3' &)
		(setsid sleep 1000 >/dev/null 2>&1 &)
		echo forked
		sleep 1000`}}
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	output, _ := nodetest.Follow(t, n)
	<-output.Has("forked")
	const others = `for p in /proc/[0-9]*; do test $p = /proc/1 || test $p = /proc/$$ || cat $p/stat 2>/dev/null; done; :`
	var list string
	for range 200 {
		list = nodetest.Shell(t, n, others)
		if strings.Count(list, "(sleep) S 1 ") == 1 && !strings.Contains(list, ") Z ") && !strings.Contains(list, "setsid") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if strings.Count(list, "(sleep) S 1 ") != 1 || strings.Contains(list, ") Z ") {
		t.Errorf("want one orphan, asleep, and no zombie:\n%s", list)
	}
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill})
	if list := nodetest.Shell(t, n, others); strings.Contains(list, "sleep") {
		t.Errorf("left after the kill:\n%s", list)
	}
}

func TestOutput(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	output, _ := nodetest.Follow(t, n)
	spec := cluster.ServerSpec{Command: []string{"sh", "-c", "echo first; echo second >&2; exec sleep 1000"}}
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		select {
		case <-output.Has(text):
		case <-time.After(10 * time.Second):
			t.Fatalf("%q did not come while the server runs: %q", text, output)
		}
	}
	nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill})

	spec.Command[2] = "head -c 3000000 /dev/zero | tr '\\0' x; echo last; exec sleep 1000"
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	<-output.Has("last\n")
	late, _ := nodetest.Follow(t, n)
	<-late.Has("last\n")
	if text := late.String(); !strings.HasPrefix(text, "\n[aftershock: ") || strings.Count(text, "x") < 1<<20-200 || strings.Contains(text, "first") {
		t.Errorf("%d bytes for a late reader, beginning %q", len(text), text[:60])
	}
}
