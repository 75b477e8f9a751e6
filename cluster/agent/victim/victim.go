package victim

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Processes are those of the PID namespace but the guest's own, or of one server.
type Processes struct {
	server *Server // nil: all of the namespace

	mu    sync.Mutex
	held  []*hold
	armed chan struct{} // closed to kill PID 1; nil if nobody asked for that
}

// New does no I/O.
func New() *Processes { return &Processes{} }

// Can says why processes cannot be paused and crashed from here, with the remedy.
// It touches none of them.
func (p *Processes) Can() error {
	if p.server != nil {
		list, err := p.find("")
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("nothing is found of the server, %s: start it, or say with unit, process or port which it is", p.server)
		}
		if err != nil {
			return err
		}
	}
	// The kernel checks for this what it checks for ptrace, and nothing lies at 0. The
	// file /proc/1/mem would ask for more where the server is another user's.
	var b [1]byte
	_, err := unix.ProcessVMReadv(1, []unix.Iovec{{Base: &b[0], Len: 1}}, []unix.RemoteIovec{{Base: 0, Len: 1}}, 0)
	switch {
	case err == nil, errors.Is(err, unix.EFAULT):
		return nil
	case errors.Is(err, os.ErrPermission) && p.tryTrace() == nil:
		return nil // some profiles of containers (containerd's) refuse that call, and not ptrace
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the kernel does not let the guest trace the server (%w): allow SYS_PTRACE, and look at kernel.yama.ptrace_scope and at the security profile of the containers", err)
	}
	return fmt.Errorf("see the server's process: %w", err)
}

// traceLetGo is how long a thread may take to end that has tried to trace.
const traceLetGo = 100 * time.Millisecond

// tryTrace traces the first process for a moment, which goes on meanwhile.
func (p *Processes) tryTrace() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.held) > 0 || p.armed != nil {
		return nil // it is traced
	}
	tried := make(chan error, 1)
	onThread(func() { tried <- ptrace(unix.PTRACE_SEIZE, 1, 0) })
	err := <-tried
	for began := time.Now(); err == nil && time.Since(began) < traceLetGo; nap() {
		status, readErr := os.ReadFile("/proc/1/status")
		if readErr != nil || bytes.Contains(status, []byte("\nTracerPid:\t0\n")) {
			break
		}
	}
	return err
}

// Pause stops every thread of the processes that a.Process names. It took effect
// when the last of them was seen stopped.
func (p *Processes) Pause(a cluster.Action) (cluster.Effect, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.held {
		if h.process == a.Process {
			return cluster.Effect{At: time.Now()}, nil
		}
	}
	h, at, err := freeze(a.Process, p.find)
	if err != nil || h == nil {
		return cluster.Effect{At: time.Now()}, err
	}
	p.held = append(p.held, h)
	return cluster.Effect{At: at, Changed: true}, nil
}

// Resume lets the processes go on that a pause of the same a.Process holds; all
// that are held if it is empty.
func (p *Processes) Resume(a cluster.Action) (cluster.Effect, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	effect := cluster.Effect{At: time.Now()}
	var rest []*hold
	for _, h := range p.held {
		if a.Process != "" && h.process != a.Process {
			rest = append(rest, h)
			continue
		}
		h.letGo()
		effect = cluster.Effect{At: time.Now(), Changed: true}
	}
	p.held = rest
	return effect, nil
}

// Close lets go on what is held.
func (p *Processes) Close() { _, _ = p.Resume(cluster.Action{}) }

// goneTimeout bounds how long killed processes may take to be gone.
const goneTimeout = 10 * time.Second

// Crash kills the processes that a.Process names, those that were there at its
// instant. PID 1, by which all others and the guest itself end, it leaves to Fire,
// so that the effect can be told first.
func (p *Processes) Crash(a cluster.Action) (cluster.Effect, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.Process == "" && p.server == nil {
		return p.arm()
	}
	list, err := p.find(a.Process)
	if err != nil {
		return cluster.Effect{}, err
	}
	for _, v := range list {
		switch {
		case v.pid == 1 && p.server == nil:
			return p.arm()
		case v.pid == 1:
			return cluster.Effect{}, fmt.Errorf("%s is the machine's first process: name the program that is the server", a.Process)
		}
	}
	effect := cluster.Effect{At: time.Now(), Changed: len(list) > 0}
	var before uint64
	// Again until none is left: one may have forked before it was killed.
	for deadline := time.Now().Add(goneTimeout); len(list) > 0; {
		for _, v := range list {
			if err := v.kill(); err != nil && !errors.Is(err, syscall.ESRCH) {
				return cluster.Effect{}, fmt.Errorf("kill process %d (%s): %w", v.pid, a.Process, err)
			}
		}
		if before == 0 {
			effect.At, before = time.Now(), ticks()
		}
		if time.Now().After(deadline) {
			return cluster.Effect{}, fmt.Errorf("%d processes of %s still there %s after SIGKILL", len(list), a.Process, goneTimeout)
		}
		nap()
		if list, err = p.find(a.Process); err != nil {
			return cluster.Effect{}, err
		}
		list = notAfter(list, before) // a supervisor may have started it anew
	}
	return effect, nil
}

// arm makes everything ready for the end of PID 1.
func (p *Processes) arm() (cluster.Effect, error) {
	if p.armed != nil {
		return cluster.Effect{At: time.Now()}, nil
	}
	for _, h := range p.held { // a process has one tracer
		h.letGo()
	}
	p.held = nil
	fire, err := seizeToKill(1)
	if err != nil {
		return cluster.Effect{}, err
	}
	p.armed = fire
	return cluster.Effect{At: time.Now(), Changed: true}, nil
}

// Fire ends PID 1 if Crash asked for it. The kernel ends this process with it.
func (p *Processes) Fire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.armed != nil {
		close(p.armed)
		p.armed = nil
	}
}

// nap lets other threads run for a moment.
func nap() {
	ts := unix.NsecToTimespec(int64(100 * time.Microsecond))
	_ = unix.Nanosleep(&ts, nil)
}
