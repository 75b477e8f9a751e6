package postgres

import (
	"slices"
	"sync"
)

// members is the harness's memory of the newest primary: which standbys it
// counts on, by index, in their order in synchronous_standby_names.
type members struct {
	mu       sync.Mutex
	standbys []int
	// skew is by how much the operator's epochs are ahead of the server's
	// timelines: a promotion that was tried more than once used up several
	// epochs and one timeline.
	skew uint64
}

func (m *members) set(standbys []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.standbys = slices.Clone(standbys)
}

func (m *members) get() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.standbys)
}

func (m *members) has(i int) bool { return slices.Contains(m.get(), i) }

func (m *members) ahead() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.skew
}

// promoted records that an epoch was reached with a timeline.
func (m *members) promoted(epoch, timeline uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if timeline+m.skew < epoch {
		m.skew = epoch - timeline
	}
}
