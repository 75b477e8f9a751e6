package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// sparePasses bounds how often the node is looked through for new processes.
const sparePasses = 1000

// Spare leaves a process out of all that is done to the node's: a helper of the
// agent's own, which serves the node's volume. It is called before the first of them is
// started.
func (s *Supervisor) Spare(pid int) {
	s.children.durable = true
	s.children.spare(pid)
}

// spare leaves a process out of all that is done to the node's.
func (t *childTable) spare(pid int) {
	t.spared.Store(pid, true)
	t.sparing.Store(true)
}

// spares tells whether a process is left out.
func (t *childTable) spares(pid int) bool {
	_, ok := t.spared.Load(pid)
	return ok
}

// others lists the node's processes but for the agent and those that are spared.
func (t *childTable) others() ([]int, error) {
	names, err := numericNames("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, _ := strconv.Atoi(name); pid != os.Getpid() && !t.spares(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// signalOthers sends sig to all but the spared processes, and again until no process
// is found that was not sent it: one that forks meanwhile has a child that was not
// there to be found. The caller holds mu.
func (t *childTable) signalOthers(sig syscall.Signal) (bool, error) {
	sent := map[int]bool{}
	for range sparePasses {
		pids, err := t.others()
		if err != nil {
			return len(sent) > 0, fmt.Errorf("list the node's processes: %w", err)
		}
		more := false
		for _, pid := range pids {
			if sent[pid] {
				continue
			}
			ok, err := signalled(fmt.Sprintf("process %d", pid), syscall.Kill(pid, sig), sig)
			if err != nil {
				return len(sent) > 0, err
			}
			sent[pid], more = true, more || ok
		}
		if !more {
			return len(sent) > 0, nil
		}
	}
	return true, errors.New("the node's processes fork faster than they can be signalled")
}

// Cut is Kill for a node that loses its power. first is done right before the
// signals are sent and tells when it took effect; then right after, before the
// processes are waited for.
func (s *Supervisor) Cut(by string, first func() (cluster.Effect, error), then func() error) (cluster.Effect, error) {
	server := s.claim(by)
	effect, err := first()
	if err != nil {
		return effect, err
	}
	found, err := s.children.signalAll(syscall.SIGKILL)
	effect.Changed = effect.Changed || found
	if err := errors.Join(err, then()); err != nil {
		return effect, err
	}
	if !s.children.waitAllGone(goneTimeout) {
		return effect, fmt.Errorf("processes still there %s after SIGKILL: they wait for a disk or a network file system", goneTimeout)
	}
	waitRecorded(server)
	return effect, nil
}
