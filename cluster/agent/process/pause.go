package process

import (
	"bytes"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// pauseTimeout bounds how long all processes may take to stop after SIGSTOP.
const pauseTimeout = 2 * time.Second

// Pause sends SIGSTOP to every other process of the node. It took effect when
// all their threads were seen stopped.
func (s *Supervisor) Pause(cluster.Action) (cluster.Effect, error) {
	s.holds.mu.Lock()
	found, err := s.children.signalAll(syscall.SIGSTOP)
	s.holds.paused = found && err == nil
	s.holds.mu.Unlock()
	if err != nil || !found {
		return cluster.Effect{At: time.Now()}, err
	}
	deadline := time.Now().Add(pauseTimeout)
	for {
		running, err := s.runningProcess()
		switch {
		case err != nil:
			return cluster.Effect{}, fmt.Errorf("see whether the processes are stopped: %w", err)
		case running == "":
			return cluster.Effect{At: time.Now(), Changed: true}, nil
		case time.Now().After(deadline):
			return cluster.Effect{}, fmt.Errorf("process %s still runs %s after SIGSTOP", running, pauseTimeout)
		}
		sleepInKernel(50 * time.Microsecond)
	}
}

// Resume sends SIGCONT to every other process of the node, unless Off holds them: then
// On does.
func (s *Supervisor) Resume(cluster.Action) (cluster.Effect, error) {
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	s.holds.paused = false
	sig := syscall.SIGCONT
	if s.holds.off {
		sig = 0 // it only asks whether there is any
	}
	found, err := s.children.signalAll(sig)
	return cluster.Effect{At: time.Now(), Changed: found}, err
}

// runningProcess is the ID of a process of the node that may still execute; ""
// if there is none.
func (s *Supervisor) runningProcess() (string, error) {
	groups := s.children.groups()
	pids, err := numericNames("/proc")
	if err != nil {
		return "", err
	}
	for _, pid := range pids {
		if id, _ := strconv.Atoi(pid); s.o.PID1 && (id == 1 || s.children.spares(id)) {
			continue
		}
		state, group, err := readStat("/proc/" + pid + "/stat")
		if err != nil {
			return "", err
		}
		if !s.o.PID1 && !groups[group] {
			continue
		}
		if !stopped(state) {
			return pid, nil
		}
		if running, err := anyThreadRuns("/proc/" + pid + "/task"); running || err != nil {
			return pid, err
		}
	}
	return "", nil
}

// anyThreadRuns looks at the state of every thread: a process's own state is
// that of its first thread, and the others may stop a little later.
func anyThreadRuns(dir string) (bool, error) {
	threads, err := numericNames(dir)
	if err != nil || len(threads) < 2 {
		return false, err
	}
	for _, thread := range threads {
		state, _, err := readStat(dir + "/" + thread + "/stat")
		if err != nil || !stopped(state) {
			return err == nil, err
		}
	}
	return false, nil
}

// stopped tells whether a process that was sent SIGSTOP can no longer execute:
// stopped, ended, or asleep in the kernel (D), where it will see the signal
// before it returns to its program. The parent of a vfork whose child was
// stopped sleeps like that for as long as the pause lasts.
func stopped(state byte) bool { return bytes.IndexByte([]byte("TtZXD"), state) >= 0 }
