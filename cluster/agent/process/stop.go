package process

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Stop sends the server its stop signal. If it still runs after a.Grace, stop
// kills every other process of the node. It took effect when the stop signal
// was sent.
func (s *Supervisor) Stop(a cluster.Action) (cluster.Effect, error) {
	grace := a.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	server := s.claim(a.ID)
	if server == nil {
		return cluster.Effect{At: time.Now()}, nil
	}
	s.mu.Lock()
	sig, err := stopSignal(*s.spec)
	s.mu.Unlock()
	if err != nil {
		return cluster.Effect{}, err
	}
	sent, err := s.children.signalOne(server, sig)
	effect := cluster.Effect{At: time.Now(), Changed: sent}
	if err != nil || !sent {
		return effect, err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-server.done:
		waitRecorded(server)
		return effect, nil
	case <-timer.C:
	}
	if s.claim(a.ID) != server {
		return effect, nil // it exited just now, and may have been restarted
	}
	_, err = s.killAll(a.ID)
	return effect, err
}

func stopSignal(spec cluster.ServerSpec) (syscall.Signal, error) {
	if spec.StopSignal == "" {
		return syscall.SIGTERM, nil
	}
	sig := unix.SignalNum(spec.StopSignal)
	if sig == 0 {
		return 0, fmt.Errorf("unknown stop signal %q: give a name such as SIGTERM", spec.StopSignal)
	}
	return sig, nil
}
