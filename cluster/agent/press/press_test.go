package press

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/process"
)

// node is one whose processes are this process's children.
type node struct {
	t     *testing.T
	s     *process.Supervisor
	press *Press
}

// launch runs a shell's script as a node's server.
func launch(t *testing.T, script string) *node {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s := process.NewSupervisor(process.Options{DataDir: filepath.Join(t.TempDir(), "data"), Logger: slog.New(slog.DiscardHandler)})
	n := &node{t: t, s: s, press: New(s, Options{Logger: log})}
	ctx, cancel := context.WithCancel(context.Background())
	var reaping sync.WaitGroup
	reaping.Go(func() { s.Reap(ctx) })
	t.Cleanup(func() {
		if err := n.press.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		cancel()
		reaping.Wait()
	})
	if err := s.Start(cluster.ServerSpec{Command: []string{"sh", "-c", script}}); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) do(f func(cluster.Action) (cluster.Effect, error), id string, s *cluster.Squeeze) cluster.Effect {
	n.t.Helper()
	e, err := f(cluster.Action{ID: id, Squeeze: s})
	if err != nil {
		n.t.Fatal(err)
	}
	return e
}

// ran is how long the server has run on a processor.
func (n *node) ran() time.Duration {
	n.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", n.s.Server()))
	var ns int64
	if _, scanned := fmt.Sscan(string(text), &ns); err != nil || scanned != nil {
		n.t.Fatal(err, scanned)
	}
	return time.Duration(ns)
}

// stopped waits until the server is, or is not, stopped at several looks.
func (n *node) stopped(want bool) {
	n.t.Helper()
	for range 20 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.s.Server()))
		if err != nil {
			n.t.Fatal(err)
		}
		if strings.Contains(string(text), ") T ") != want {
			n.t.Fatalf("%s: want it stopped: %v", text, want)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestTime(t *testing.T) {
	n := launch(t, "while :; do :; done")
	if e := n.do(n.press.Press, "f1", &cluster.Squeeze{CPU: 0.5}); !e.Changed {
		t.Error("it changed nothing")
	}
	n.do(n.press.Press, "f2", &cluster.Squeeze{CPU: 0.1}) // the least counts
	// A busy machine wakes the cycle late now and then; one second of several shows the share.
	share := 1.0
	for range 8 {
		begin, before := time.Now(), n.ran()
		time.Sleep(time.Second)
		got := float64(n.ran()-before) / float64(time.Since(begin))
		t.Logf("it ran for %.1f %% of the time", 100*got)
		if got > 0 && got <= 0.2 { // it may pay for a second in which it ran too long
			share = got
			break
		}
	}
	if share > 0.2 {
		t.Errorf("it ran for %.1f %% of the time, want 10", 100*share)
	}
	n.do(n.s.Pause, "", nil) // stays so, whatever the cycle does
	n.stopped(true)
	if e := n.do(n.press.Unpress, "f2", nil); e.Counts[Stops] < 20 || e.Counts[Limited] != 0 {
		t.Errorf("%v, want about a hundred stops", e.Counts)
	}
	n.do(n.press.Unpress, "f1", nil)
	n.stopped(true)
	n.do(n.s.Resume, "", nil)
	n.stopped(false)
	if e := n.do(n.press.Unpress, "f1", nil); e.Changed {
		t.Error("it ended twice")
	}
}

// A pause ends under a press, which goes on.
func TestResumeUnderPress(t *testing.T) {
	n := launch(t, "while :; do :; done")
	n.do(n.s.Pause, "", nil)
	n.do(n.press.Press, "f1", &cluster.Squeeze{CPU: 0.1})
	n.do(n.s.Resume, "", nil)
	before := n.ran()
	for begin := time.Now(); n.ran() == before; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("it does not run")
		}
	}
	n.do(n.s.Kill, "", nil)
	n.do(n.s.Restart, "", nil)
	before = n.ran()
	for begin := time.Now(); n.ran() == before; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("a restarted one does not run")
		}
	}
	n.do(n.press.Unpress, "f1", nil)
	n.stopped(false)
}

// files is the server's limit of descriptors.
func (n *node) files(pid int) uint64 {
	n.t.Helper()
	var l unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l); err != nil {
		n.t.Fatal(err)
	}
	return l.Cur
}

// soon waits until the server has a limit.
func (n *node) soon(want uint64) {
	n.t.Helper()
	for begin := time.Now(); n.files(n.s.Server()) != want; time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			n.t.Fatalf("the limit is %d, want %d", n.files(n.s.Server()), want)
		}
	}
}

func TestFiles(t *testing.T) {
	n := launch(t, "sleep 1000")
	had := n.files(n.s.Server())
	n.do(n.press.Press, "f1", &cluster.Squeeze{Files: 20})
	n.soon(20)
	n.do(n.press.Press, "f2", &cluster.Squeeze{Files: 12})
	n.soon(12)
	raised := unix.Rlimit{Cur: 50, Max: had} // by the program itself
	if err := unix.Prlimit(n.s.Server(), unix.RLIMIT_NOFILE, &raised, nil); err != nil {
		t.Fatal(err)
	}
	n.soon(12)
	n.do(n.s.Kill, "", nil)
	n.do(n.s.Restart, "", nil)
	n.soon(12)
	if e := n.do(n.press.Unpress, "f2", nil); e.Counts[Limited] < 2 {
		t.Errorf("%v, want two servers", e.Counts)
	}
	n.soon(20)
	n.do(n.press.Unpress, "f1", nil)
	if now := n.files(n.s.Server()); now != had {
		t.Errorf("the limit is %d, it was %d", now, had)
	}
}

func TestRefusals(t *testing.T) {
	n := launch(t, "sleep 1000")
	for want, s := range map[string]*cluster.Squeeze{
		"what it takes": {}, "not between 0 and 1": {CPU: 1}, "target.memory": {Memory: true},
	} {
		if _, err := n.press.Press(cluster.Action{ID: "f1", Squeeze: s}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
}
