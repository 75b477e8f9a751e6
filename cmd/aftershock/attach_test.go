package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/targets/kit/attachtest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestAttachedByAddresses(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skipf("place addresses: %v", err)
	}
	script(t, "attach-addresses.txtar", "attach-addresses-killed.txtar")
}

// redis PASSWORD starts a server of somebody else's, which ends with the script,
// and writes its address into the plans of the script, in place of SERVER, and that
// of a port at which nobody listens, in place of NOBODY.
func redis(ts *testscript.TestScript, _ bool, args []string) {
	server, nobody := freePort(ts), freePort(ts)
	fill(ts, "SERVER", server, "NOBODY", nobody)
	_, port, _ := strings.Cut(server, ":")
	c := exec.Command("redis-server", "-")
	c.Dir = ts.Getenv("WORK")
	c.Stdin = strings.NewReader(fmt.Sprintf("bind 127.0.0.1\nport %s\nrequirepass %s\nsave \"\"\n", port, args[0]))
	var said bytes.Buffer
	c.Stdout = &said
	ts.Check(c.Start())
	ts.Defer(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	ts.Setenv("PORT", port)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", server)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("redis-server does not answer: %v\n%s", err, &said)
		}
	}
}

// freePort is an address of this machine at which nobody listens.
func freePort(ts *testscript.TestScript) string {
	return fmt.Sprintf("127.0.0.1:%d", attachtest.FreePort(ts))
}

// fill replaces words in the script's plans.
func fill(ts *testscript.TestScript, words ...string) {
	plans, err := filepath.Glob(filepath.Join(ts.Getenv("WORK"), "*.y*ml"))
	ts.Check(err)
	for _, path := range plans {
		text, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, []byte(strings.NewReplacer(words...).Replace(string(text))), 0o644))
	}
}

// nowhere WORD FOLDER… fails if a file below a folder holds a word.
func nowhere(ts *testscript.TestScript, _ bool, args []string) {
	files := 0
	for _, folder := range args[1:] {
		ts.Check(filepath.WalkDir(ts.MkAbs(folder), func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			if files++; bytes.Contains(text, []byte(args[0])) {
				ts.Fatalf("%s holds %q", path, args[0])
			}
			return err
		}))
	}
	if files == 0 {
		ts.Fatalf("there is no file in %q", args[1:])
	}
}

// nosecret WORD fails if a process has a word among its arguments, or one that is not
// the script's harness has it in its environment.
func noSecret(ts *testscript.TestScript, _ bool, args []string) {
	all, err := filepath.Glob("/proc/[0-9]*")
	ts.Check(err)
	seen := 0
	for _, proc := range all {
		command, _ := os.ReadFile(filepath.Join(proc, "cmdline")) // it may have ended
		if bytes.Contains(command, []byte(args[0])) {
			ts.Fatalf("it is among the arguments of %q", command)
		}
		env, _ := os.ReadFile(filepath.Join(proc, "environ"))
		switch has := bytes.Contains(env, []byte(args[0])); {
		case has && bytes.Contains(command, []byte("/aftershock\x00run\x00")):
			seen++
		case has:
			ts.Fatalf("it is in the environment of %q", command)
		}
	}
	if seen != 1 {
		ts.Fatalf("%d harnesses have it", seen)
	}
}

// lines N FILE fails unless a file, or stdout or stderr, has N lines.
func lines(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.TrimRight(ts.ReadFile(args[1]), "\n")
	n := strings.Count(text, "\n") + 1
	if text == "" {
		n = 0
	}
	if fmt.Sprint(n) != args[0] {
		ts.Fatalf("%s has %d lines, not %s:\n%s", args[1], n, args[0], text)
	}
}
