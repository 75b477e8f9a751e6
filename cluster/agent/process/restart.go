package process

import (
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Restart starts the last server again. Its files are as it left them. It
// changes nothing if the server runs.
func (s *Supervisor) Restart(cluster.Action) (cluster.Effect, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.server != nil:
		return cluster.Effect{At: time.Now()}, nil
	case s.spec == nil:
		return cluster.Effect{}, errNoServer
	}
	in, err := s.placeOf(*s.spec)
	if err != nil {
		return cluster.Effect{}, err
	}
	cmd, err := prepare(*s.spec, s.o.DataDir, in)
	if err != nil {
		return cluster.Effect{}, err
	}
	if err := s.launch(cmd); err != nil {
		return cluster.Effect{}, err
	}
	return cluster.Effect{At: time.Now(), Changed: true}, nil
}
