package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is a process that the agent started.
type child struct {
	pid      int
	planned  bool          // the harness asked for its exit; guarded by childTable.mu
	by       string        // the ID of the first action that did; likewise
	done     chan struct{} // closed when it was reaped
	memory   int           // what outOfMemory told when it was started
	recorded chan struct{} // closed when the exit of a server is in the exit log

	// Set before done is closed.
	at     time.Time // when it was reaped
	status syscall.WaitStatus
}

// childTable does every fork and every wait4 of the agent, so that reaping
// orphans never steals the exit of a child that is waited for. Forks, waits and
// signals all happen under mu: a process is known before it can be reaped, and
// a signal to all is never sent in the middle of a fork.
type childTable struct {
	pid1     bool // process 1 of a PID namespace: orphans come here and kill(-1) stays inside
	mu       sync.Mutex
	children map[int]*child // by process ID
	none     bool           // as process 1: there was no process left to wait for
	spared   sync.Map       // the IDs of processes that are not the node's, see Spare
	sparing  atomic.Bool    // there are some
	durable  bool           // one of them serves a volume under the data directory
}

func newChildTable(pid1 bool) *childTable {
	return &childTable{pid1: pid1, children: map[int]*child{}}
}

// reap reaps ended processes until ctx ends.
func (t *childTable) reap(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		t.reapEnded()
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// reapEnded reaps every process that has ended, and reports whether no process
// is left that could be waited for.
func (t *childTable) reapEnded() (none bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pid1 {
		for t.reapOne(-1) {
		}
		if t.sparing.Load() {
			left, err := t.others()
			return err == nil && len(left) == 0
		}
		return t.none
	}
	for pid := range t.children {
		t.reapOne(pid)
	}
	return len(t.children) == 0
}

// reapOne reaps the process pid, or any if pid is -1, if it has ended. It
// reports whether it reaped one.
func (t *childTable) reapOne(pid int) bool {
	var status syscall.WaitStatus
	reaped, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	for errors.Is(err, syscall.EINTR) {
		reaped, err = syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	}
	t.none = errors.Is(err, syscall.ECHILD)
	if err != nil || reaped <= 0 {
		return false
	}
	c := t.children[reaped]
	if c == nil {
		return true // an orphan
	}
	delete(t.children, reaped)
	c.at, c.status = time.Now(), status
	// What a server leaves behind in its process group is killed, as in a
	// container. The group's number cannot have been given anew: it was the
	// leader's process ID until this very moment.
	_ = syscall.Kill(-reaped, syscall.SIGKILL)
	close(c.done)
	return true
}

// start forks and executes.
func (t *childTable) start(cmd command) (*child, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pid, err := syscall.ForkExec(cmd.path, cmd.argv, &syscall.ProcAttr{
		Dir:   cmd.dir,
		Env:   cmd.env,
		Files: cmd.files[:],
		Sys:   cmd.attributes,
	})
	if err != nil {
		return nil, explainExec(cmd, err)
	}
	if t.pid1 {
		prefer(pid)
	}
	c := &child{pid: pid, done: make(chan struct{}), recorded: make(chan struct{})}
	t.children[pid] = c
	return c, nil
}

// signalAll sends sig to every other process of the node. Outside a PID
// namespace of its own the agent reaches only the process groups of its own
// children. It reports whether there was any process.
func (t *childTable) signalAll(sig syscall.Signal) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pid1 && t.sparing.Load() {
		return t.signalOthers(sig)
	}
	if t.pid1 {
		return signalled("all processes", syscall.Kill(-1, sig), sig)
	}
	found := false
	for pid := range t.children {
		ok, err := signalled(fmt.Sprintf("process group %d", pid), syscall.Kill(-pid, sig), sig)
		if err != nil {
			return found, err
		}
		found = found || ok
	}
	return found, nil
}

// signalOne sends sig to c unless it has ended.
func (t *childTable) signalOne(c *child, sig syscall.Signal) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.children[c.pid] != c {
		return false, nil
	}
	return signalled(fmt.Sprintf("process %d", c.pid), syscall.Kill(c.pid, sig), sig)
}

func signalled(whom string, err error, sig syscall.Signal) (bool, error) {
	switch {
	case errors.Is(err, syscall.ESRCH):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("send %s to %s: %w", sig, whom, err)
	}
	return true, nil
}

// waitAllGone waits until no other process is left in the node, and reports
// false if there still is one after timeout. It reaps by itself rather than wait
// until SIGCHLD wakes reap, because the time until it returns is measured.
func (t *childTable) waitAllGone(timeout time.Duration) bool {
	pause := 20 * time.Microsecond
	for deadline := time.Now().Add(timeout); ; pause = min(2*pause, time.Millisecond) {
		if t.reapEnded() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		sleepInKernel(pause)
	}
}

// sleepInKernel sleeps with the kernel's high-resolution timer, which is finer
// than those of Go's runtime; a signal cuts it short.
func sleepInKernel(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
}

// groups returns the process groups of the agent's children.
func (t *childTable) groups() map[int]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	set := make(map[int]bool, len(t.children))
	for pid := range t.children {
		set[pid] = true
	}
	return set
}

// setPlanned marks c's exit as asked for by an action of the harness.
func (t *childTable) setPlanned(c *child, by string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !c.planned {
		c.planned, c.by = true, by
	}
}
