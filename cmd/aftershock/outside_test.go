package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"
	"github.com/rogpeppe/go-internal/testscript"
)

// awaitload [RUNS] waits until the newest run of a folder is being measured.
func awaitLoad(ts *testscript.TestScript, _ bool, args []string) {
	runs := "runs"
	if len(args) > 0 {
		runs = args[0]
	}
	events := ts.MkAbs(filepath.Join(runs, "latest", "events.jsonl"))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		text, _ := os.ReadFile(events) // not there yet
		if bytes.Contains(text, []byte(`"detail":"measure"`)) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nothing is measured after a minute: %s", text)
		}
	}
}

// hurt NODE SIGNAL sends a signal to the server of a node of this script's run on
// the local host, as somebody from outside would; AGENT kills its agent.
func hurt(ts *testscript.TestScript, _ bool, args []string) {
	for _, process := range alive(ts.Getenv("WORK")) {
		var pid int
		if n, _ := fmt.Sscan(process, &pid); n != 1 || !strings.Contains(process, " ripple --name "+args[0]+" ") {
			continue
		}
		sig := map[string]syscall.Signal{"KILL": syscall.SIGKILL, "SEGV": syscall.SIGSEGV, "AGENT": syscall.SIGKILL}[args[1]]
		if args[1] == "AGENT" {
			pid = parent(ts, pid)
		}
		ts.Check(syscall.Kill(pid, sig))
		return
	}
	ts.Fatalf("no server of %s among %q", args[0], alive(ts.Getenv("WORK")))
}

// parent is the process that started another one.
func parent(ts *testscript.TestScript, pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	ts.Check(err)
	var state string
	var above int
	_, err = fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &above)
	ts.Check(err)
	return above
}

// remove NODE removes the container of a node of this script's run.
func remove(ts *testscript.TestScript, _ bool, args []string) {
	c, err := client.New(client.FromEnv)
	ts.Check(err)
	defer c.Close()
	list, err := c.ContainerList(context.Background(), client.ContainerListOptions{})
	ts.Check(err)
	for _, one := range list.Items {
		if !strings.HasPrefix(one.Labels["aftershock.lock"], ts.Getenv("WORK")) {
			continue
		}
		inspected, err := c.ContainerInspect(context.Background(), one.ID, client.ContainerInspectOptions{})
		ts.Check(err)
		if inspected.Container.Config.Hostname == args[0] {
			_, err := c.ContainerRemove(context.Background(), one.ID, client.ContainerRemoveOptions{Force: true})
			ts.Check(err)
			return
		}
	}
	ts.Fatalf("no container of %s", args[0])
}
