package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const storedRuns = "../../results/judge/testdata/format-1"

// TestServe: it tells its address, serves the folder on the loopback alone, and ends with
// a signal as if nothing had happened.
func TestServe(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		c := exec.CommandContext(t.Context(), binary, "serve", storedRuns, "--listen", "127.0.0.1:0")
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		c.Stderr = &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "http://127.0.0.1:") {
			t.Fatalf("%q, %v, %s", line, err, &said)
		}
		client := &http.Client{Timeout: time.Minute}
		answer, err := client.Get(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || !strings.Contains(string(page), "2 runs: 1 violated, 1 holds") {
			t.Errorf("%v: %s", err, page)
		}
		client.CloseIdleConnections()
		if err := c.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err != nil || said.Len() > 0 {
			t.Errorf("after %v: %v, %s", signal, err, &said)
		}
	}
}

// TestServeTellsWhy it cannot: in one line, with what to do.
func TestServeTellsWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{storedRuns, "--listen", taken.Addr().String()}, "address already in use; choose another address"},
		{[]string{storedRuns, "--listen", "8420"}, "write it like 127.0.0.1:8420"},
		{[]string{"nowhere"}, "there is no folder nowhere"},
		{[]string{storedRuns + "/holds"}, "is one run; name the folder that holds it"},
		{[]string{"serve_test.go"}, "is no folder"},
	} {
		out, err := exec.CommandContext(t.Context(), binary, append([]string{"serve"}, tc.args...)...).CombinedOutput()
		var exit *exec.ExitError
		if !asExit(err, &exit) || exit.ExitCode() != exitInput || !strings.Contains(string(out), tc.want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: %v\n%s", tc.args, err, out)
		}
	}
}
