package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// child is a process that the agent started. Its fields below done are set
// when done is closed.
type child struct {
	pid     int
	planned bool // the harness asked for its end; guarded by procs.mu
	done    chan struct{}
	told    chan struct{} // closed when a server's end is written down

	at     int64 // agent's clock
	status syscall.WaitStatus
}

// procs owns every fork and every wait of the agent, so that reaping orphans
// never steals the exit of a child somebody waits for. Forks, waits and
// signals all happen under mu: a process is known before it can be reaped, and
// a signal to all is never given in the middle of a fork.
type procs struct {
	init  bool // PID 1 of a PID namespace: orphans come here and kill(-1) stays inside
	now   func() int64
	mu    sync.Mutex
	kids  map[int]*child
	empty bool // as PID 1: there was nothing left to wait for
}

func newProcs(now func() int64, init bool) *procs {
	return &procs{init: init, now: now, kids: map[int]*child{}}
}

// reap collects ended processes until ctx ends.
func (p *procs) reap(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		p.collect()
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// collect waits for everything that has ended already, and reports whether no
// process is left that could be waited for.
func (p *procs) collect() (empty bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.init {
		for p.wait(-1) {
		}
		return p.empty
	}
	for pid := range p.kids {
		p.wait(pid)
	}
	return len(p.kids) == 0
}

// wait reaps one ended process, if there is one.
func (p *procs) wait(pid int) bool {
	var status syscall.WaitStatus
	got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	for errors.Is(err, syscall.EINTR) {
		got, err = syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	}
	p.empty = errors.Is(err, syscall.ECHILD)
	if err != nil || got <= 0 {
		return false
	}
	c := p.kids[got]
	if c == nil {
		return true // an orphan
	}
	delete(p.kids, got)
	c.at, c.status = p.now(), status
	// What a server leaves behind in its process group dies with it, as in a
	// container. The group's number cannot have been given anew: it was the
	// leader's process ID until this very moment.
	_ = syscall.Kill(-got, syscall.SIGKILL)
	close(c.done)
	return true
}

// start forks and executes.
func (p *procs) start(cmd command) (*child, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pid, err := syscall.ForkExec(cmd.path, cmd.argv, &syscall.ProcAttr{
		Dir:   cmd.dir,
		Env:   cmd.env,
		Files: cmd.files[:],
		Sys:   cmd.attributes,
	})
	if err != nil {
		return nil, explainExec(cmd, err)
	}
	c := &child{pid: pid, done: make(chan struct{}), told: make(chan struct{})}
	p.kids[pid] = c
	return c, nil
}

// signalAll sends sig to every other process of the node. Outside a PID
// namespace of its own the agent reaches only the process groups of its own
// children. It reports whether there was any process.
func (p *procs) signalAll(sig syscall.Signal) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.init {
		return signalled("all processes", syscall.Kill(-1, sig), sig)
	}
	some := false
	for pid := range p.kids {
		ok, err := signalled(fmt.Sprintf("process group %d", pid), syscall.Kill(-pid, sig), sig)
		if err != nil {
			return some, err
		}
		some = some || ok
	}
	return some, nil
}

// signalOne sends sig to c unless it has ended.
func (p *procs) signalOne(c *child, sig syscall.Signal) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kids[c.pid] != c {
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

// gone waits until no other process is left in the node, and reports false if
// there still is one after timeout. It collects the dead itself rather than
// wait for the reaper to be woken, for the moment that it returns is measured.
func (p *procs) gone(timeout time.Duration) bool {
	pause := 20 * time.Microsecond
	for deadline := time.Now().Add(timeout); ; pause = min(2*pause, time.Millisecond) {
		if p.collect() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		nap(pause)
	}
}

// groups returns the process groups of the agent's children.
func (p *procs) groups() map[int]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := make(map[int]bool, len(p.kids))
	for pid := range p.kids {
		set[pid] = true
	}
	return set
}

// setPlanned marks c's end as asked for by the harness.
func (p *procs) setPlanned(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.planned = true
}
