package postgres

import (
	"errors"
	"slices"
	"sync"
)

// members is the harness's memory of the newest primary: which standbys it
// counts on, by index, in their order in synchronous_standby_names.
type members struct {
	mu       sync.Mutex
	standbys []int
	sets     int // how often that was changed
	// skew is by how much the operator's epochs are ahead of the server's
	// timelines: a promotion that was tried more than once used up several
	// epochs and one timeline.
	skew uint64
}

func (m *members) set(standbys []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.standbys = slices.Clone(standbys)
	m.sets++
}

// errSuperseded: a change of the operator's has come between.
var errSuperseded = errors.New("another primary was promoted meanwhile, or its standbys have changed")

// change has do make another list of it, and remembers that if nobody has set another
// one meanwhile.
func (m *members) change(do func(standbys []int) ([]int, error)) error {
	m.mu.Lock()
	standbys, sets := slices.Clone(m.standbys), m.sets
	m.mu.Unlock()
	standbys, err := do(standbys)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sets != sets {
		return errSuperseded
	}
	m.standbys = standbys
	m.sets++
	return nil
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
