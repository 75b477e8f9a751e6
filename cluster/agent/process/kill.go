package process

import (
	"fmt"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Kill sends SIGKILL to every other process of the node. It took effect when
// the signal was sent: no process runs an instruction of its own after that,
// though one in the middle of a sync may need the disk's time to exit. kill
// returns when the last of them is gone.
func (s *Supervisor) Kill(a cluster.Action) (cluster.Effect, error) { return s.killAll(a.ID) }

// killAll is Kill for the action by.
func (s *Supervisor) killAll(by string) (cluster.Effect, error) {
	server := s.claim(by)
	s.holds.mu.Lock()
	found, err := s.children.signalAll(syscall.SIGKILL)
	s.holds.paused = false // of those that are gone
	s.holds.mu.Unlock()
	effect := cluster.Effect{At: time.Now(), Changed: found}
	if err != nil || !found {
		return effect, err
	}
	if !s.children.waitAllGone(goneTimeout) {
		return cluster.Effect{}, fmt.Errorf("processes still there %s after SIGKILL: they wait for a disk or a network file system", goneTimeout)
	}
	waitRecorded(server)
	return effect, nil
}

// waitRecorded waits until watch has recorded c's exit, so that a restart right
// after a kill or stop finds no running server. c may be nil.
func waitRecorded(c *child) {
	if c != nil {
		<-c.recorded
	}
}
