package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

func nextExit(t *testing.T, n *cluster.Node) cluster.Exit {
	t.Helper()
	select {
	case e, ok := <-n.Exits():
		if !ok {
			t.Fatal("the exits ended")
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no exit was told")
	}
	return cluster.Exit{}
}

func TestKillRestartStop(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	if e := do(t, n, cluster.Action{Kind: cluster.Kill}); e.Changed {
		t.Error("killing an empty node changed something")
	}
	if _, err := n.Do(t.Context(), cluster.Action{Kind: cluster.Restart}); err == nil {
		t.Error("restart of a server that was never started succeeded")
	}
	serve(t, n)
	if err := n.Start(t.Context(), serverSpec); err == nil {
		t.Error("a running server was started again")
	}

	planned := time.Now().Add(30 * time.Millisecond)
	e := do(t, n, cluster.Action{Kind: cluster.Kill, At: planned})
	if !e.Changed || e.At.Before(planned.Add(-e.Error)) || e.At.After(time.Now().Add(e.Error)) {
		t.Errorf("kill planned for %v: %+v", planned, e)
	}
	if exit := nextExit(t, n); exit.Signal != "killed" || exit.Code != -1 || !exit.Planned || exit.At.Before(e.At.Add(-e.Error)) {
		t.Errorf("exit %+v of the kill %+v", exit, e)
	}
	if _, err := ask(t, n, "ping"); err == nil {
		t.Error("a killed server answers")
	}

	if e := do(t, n, cluster.Action{Kind: cluster.Restart}); !e.Changed {
		t.Error("the restart changed nothing")
	}
	answers(t, n)
	if e := do(t, n, cluster.Action{Kind: cluster.Restart}); e.Changed {
		t.Error("a running server was restarted")
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Stop}); !e.Changed {
		t.Error("the stop changed nothing")
	}
	if exit := nextExit(t, n); exit.Signal != "terminated" || !exit.Planned {
		t.Errorf("exit %+v of the stop", exit)
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Stop}); e.Changed {
		t.Error("a stopped server was stopped")
	}
}

func TestStopKillsAfterGrace(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	spec := cluster.ServerSpec{Command: []string{"sh", "-c", "trap 'echo stopping' INT; echo ready; while :; do sleep 0.01; done"}, StopSignal: "SIGINT"}
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	output, ended := follow(t, n)
	<-output.has("ready")
	before := time.Now()
	const grace = 700 * time.Millisecond // a busy machine takes a while to run the trap
	e := do(t, n, cluster.Action{Kind: cluster.Stop, Grace: grace})
	if took := time.Since(before); !e.Changed || took < grace || e.At.Sub(before) > grace-10*time.Millisecond {
		t.Errorf("stop %+v of %v took %s", e, before, took)
	}
	if exit := nextExit(t, n); exit.Signal != "killed" || !exit.Planned {
		t.Errorf("exit %+v after the grace", exit)
	}
	select {
	case <-output.has("stopping"):
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
	n := launch(t, 1).Nodes()[0]
	for code := range 3 {
		spec := cluster.ServerSpec{Command: []string{"sh", "-c", fmt.Sprintf("exit %d", code)}}
		if err := n.Start(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if exit := nextExit(t, n); exit.Code != code || exit.Signal != "" || exit.Planned {
			t.Errorf("exit %+v of `exit %d`", exit, code)
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	if e := do(t, n, cluster.Action{Kind: cluster.Pause}); e.Changed {
		t.Error("pausing an empty node changed something")
	}
	serve(t, n)
	conn, err := n.DialServer(t.Context(), serverPort)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if e := do(t, n, cluster.Action{Kind: cluster.Pause}); !e.Changed {
		t.Error("the pause changed nothing")
	}
	states := shell(t, n, `for p in /proc/[0-9]*; do test $p = /proc/1 || test $p = /proc/$$ || cat $p/task/*/stat; done`)
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
	if e := do(t, n, cluster.Action{Kind: cluster.Resume}); !e.Changed {
		t.Error("the resume changed nothing")
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := bufio.NewReader(conn).ReadString('\n'); answer != "pong\n" {
		t.Errorf("the resumed server answers %q, %v", answer, err)
	}
	do(t, n, cluster.Action{Kind: cluster.Pause})
	if e := do(t, n, cluster.Action{Kind: cluster.Kill}); !e.Changed {
		t.Error("a paused server was not killed")
	}
}

// An orphan that left the server's session is reaped when it ends, and dies
// with a kill.
func TestOrphans(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	// The lasting orphan lets go of the output, so that nothing waits for it.
	spec := cluster.ServerSpec{Command: []string{"sh", "-c", `
		(setsid sh -c 'exit 3' &)
		(setsid sleep 1000 >/dev/null 2>&1 &)
		echo forked
		sleep 1000`}}
	if err := n.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	output, _ := follow(t, n)
	<-output.has("forked")
	const others = `for p in /proc/[0-9]*; do test $p = /proc/1 || test $p = /proc/$$ || cat $p/stat 2>/dev/null; done; :`
	var list string
	for range 200 {
		list = shell(t, n, others)
		if strings.Count(list, "(sleep) S 1 ") == 1 && !strings.Contains(list, ") Z ") && !strings.Contains(list, "setsid") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if strings.Count(list, "(sleep) S 1 ") != 1 || strings.Contains(list, ") Z ") {
		t.Errorf("want one orphan, asleep, and no zombie:\n%s", list)
	}
	do(t, n, cluster.Action{Kind: cluster.Kill})
	if list := shell(t, n, others); strings.Contains(list, "sleep") {
		t.Errorf("left after the kill:\n%s", list)
	}
}

func TestStartErrors(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
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
	serve(t, n) // none of them is in the way
}

func TestFilesEnvironmentAndUser(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	t.Setenv("AFTERSHOCK_TOKEN", "not for servers")
	user, uid := "", os.Geteuid()
	if agent.CanSwitchUsers() {
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
	n := launch(t, 1).Nodes()[0]
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
		if !strings.Contains(shell(t, n, "cat /proc/[0-9]*/comm 2>/dev/null; :"), "sleep") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the command that was called off runs on")
}

func TestActionCalledOff(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	serve(t, n)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := n.Do(ctx, cluster.Action{Kind: cluster.Kill, At: time.Now().Add(200 * time.Millisecond)})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	time.Sleep(250 * time.Millisecond)
	answers(t, n)
	if _, err := n.Do(t.Context(), cluster.Action{Kind: cluster.Kill, At: time.Now().Add(2 * time.Hour)}); err == nil {
		t.Error("an action two hours ahead was taken")
	}
	if _, err := n.Do(t.Context(), cluster.Action{Kind: "explode"}); err == nil {
		t.Error("an unknown action was taken")
	}
}

// When the agent dies, all that goes over its channel ends, with the reason.
func TestLostAgent(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	_, ended := follow(t, n)
	addr := netip.AddrPortFrom(n.Addr, cluster.ControlPort)
	if _, err := agent.Dial(t.Context(), addr, "wrong", 0); !errors.Is(err, agent.ErrRefused) {
		t.Errorf("a wrong token: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-n.Exits(); ok {
		t.Error("an exit after the end")
	}
	if err := <-ended; err != nil {
		t.Errorf("the output's end: %v", err)
	}
	if err := n.Start(t.Context(), serverSpec); !errors.Is(err, agent.ErrLost) {
		t.Errorf("start after the end: %v", err)
	}
	if _, err := n.DialServer(t.Context(), serverPort); !errors.Is(err, agent.ErrLost) {
		t.Errorf("tunnel after the end: %v", err)
	}
}

func TestTunnelHalfClose(t *testing.T) {
	n := launch(t, 1).Nodes()[0]
	serve(t, n)
	conn, err := n.DialServer(t.Context(), serverPort)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "ping")
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := io.ReadAll(conn); string(answer) != "pong\n" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
	if _, err := n.DialServer(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("tunnel to a closed port: %v", err)
	}
}
