package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/history/usage"
)

// Usage is what a node has taken of its machine.
type Usage struct {
	At time.Time // on the harness's clock; inside the agent, on the agent's
	usage.Set
}

// Metered is what a Control can tell besides: what its node took. No network fault
// and no pause touches that.
type Metered interface {
	Usage(ctx context.Context) (Usage, error)
}

// Meter adds up what a node takes over the lives of its server, each of which the
// kernel counts from 0. The zero value is ready for use.
type Meter struct {
	mu         sync.Mutex
	base, last usage.Set
	lives      int
}

// NextLife tells that the next reading is of another life.
func (m *Meter) NextLife() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lives++; m.lives > 1 {
		for f := range m.base {
			m.base[f] += max(m.last[f], 0)
		}
	}
	m.last = usage.Set{}
}

// Add is a reading with what lives before have taken.
func (m *Meter) Add(s usage.Set) usage.Set {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = s
	for f := range s {
		if s[f] != usage.Unknown && counts(usage.Figure(f)) {
			s[f] += m.base[f]
		}
	}
	return s
}

// counts tells whether a figure counts up.
func counts(f usage.Figure) bool {
	switch f {
	case usage.Memory, usage.Charged, usage.Threads, usage.Took, usage.NetDoubt:
		return false
	}
	return true
}
