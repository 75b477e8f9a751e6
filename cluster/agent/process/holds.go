package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// holds says why the node's processes stand still, so that whoever lets them go on
// lets go only what nobody else holds.
type holds struct {
	mu     sync.Mutex // held while processes are stopped and let go
	paused bool       // by Pause, until Resume
	off    bool       // by Off, until On
}

// held tells whether the processes are stopped for longer than a look. The caller
// holds mu.
func (h *holds) held() bool { return h.paused || h.off }

// begin forgets a pause: it was of processes that are gone, however they went.
func (h *holds) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = false
}

// Off stops every other process of the node until On, whether Pause holds them as
// well or not; those too that were started since the last Off. It does not wait until
// they stand, and tells whether there was any.
func (s *Supervisor) Off() (bool, error) {
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	s.holds.off = true
	return s.children.signalAll(syscall.SIGSTOP)
}

// On lets go what Off stopped, unless the node is paused.
func (s *Supervisor) On() error {
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	s.holds.off = false
	if s.holds.paused {
		return nil
	}
	_, err := s.children.signalAll(syscall.SIGCONT)
	return err
}

// Each lists the IDs of the node's other processes, also of those that end just now, but not
// of those that are spared.
func (s *Supervisor) Each() ([]int, error) {
	groups := s.children.groups()
	names, err := numericNames("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the node's processes: %w", err)
	}
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() || s.children.spares(pid) {
			continue
		}
		if !s.o.PID1 {
			if _, group, err := readStat("/proc/" + name + "/stat"); err != nil || !groups[group] {
				continue
			}
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// ErrGone says that a process ended before something was done to it.
var ErrGone = errors.New("the process has ended")

// freezeTimeout bounds how long a process may take to stop for a look.
const freezeTimeout = time.Second

// Freeze calls f while no thread of a process executes: it is stopped for f's time, if
// nothing holds it already. SIGSTOP needs no wait4, which would steal exits, and a program
// sees no more of it than of a busy machine.
func (s *Supervisor) Freeze(pid int, f func() error) (err error) {
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		if errors.Is(err, syscall.ESRCH) {
			return ErrGone
		}
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	if !s.holds.held() {
		defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }() // an error means that it has ended
	}
	if err := waitStopped(pid); err != nil {
		return err
	}
	return f()
}

// waitStopped waits until no thread of a process that was sent SIGSTOP can execute.
func waitStopped(pid int) error {
	dir := fmt.Sprintf("/proc/%d", pid)
	for deadline := time.Now().Add(freezeTimeout); ; {
		state, _, err := readStat(dir + "/stat")
		if err != nil {
			return err
		}
		if state == 'Z' || state == 'X' {
			return ErrGone
		}
		running := !stopped(state)
		if !running {
			if running, err = anyThreadRuns(dir + "/task"); err != nil {
				return err
			}
		}
		switch {
		case !running:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("process %d still runs %s after SIGSTOP", pid, freezeTimeout)
		}
		sleepInKernel(50 * time.Microsecond)
	}
}
