package volume

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// What calls are told apart. opOther is touched by a fault on any call alone.
const (
	opRead  = "read"
	opWrite = "write"
	opSync  = "sync"
	opOther = ""
	opAny   = "any"
)

var errnos = map[string]syscall.Errno{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EROFS": syscall.EROFS}

// ill is one fault in force.
type ill struct {
	cluster.Sick
	mu   sync.Mutex // of rng
	rng  *rand.Rand
	over chan struct{} // closed when it ends

	failed, delayed atomic.Uint64 // calls
}

// sick are the faults in force.
type sick struct {
	mu   sync.RWMutex
	list map[string]*ill
}

// begin puts a fault into force.
func (s *sick) begin(id string, what cluster.Sick, seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = map[string]*ill{}
	}
	if old := s.list[id]; old != nil {
		close(old.over)
	}
	s.list[id] = &ill{Sick: what, rng: rand.New(rand.NewPCG(seed, 0x51c)), over: make(chan struct{})}
}

// heal ends a fault, and tells what it did; false: it was not in force.
func (s *sick) heal(id string) (failed, delayed uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.list[id]
	if f == nil {
		return 0, 0, false
	}
	close(f.over)
	delete(s.list, id)
	return f.failed.Load(), f.delayed.Load(), true
}

// end lets go of the calls that wait. The faults stay in force.
func (s *sick) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.list {
		close(f.over)
		f.over = make(chan struct{})
	}
}

// meet does to a call what the faults in force do: it is held up, or fails.
func (s *sick) meet(op, path string) syscall.Errno {
	s.mu.RLock()
	var hit []*ill
	for _, f := range s.list {
		if (f.On == op || f.On == opAny) && matches(f.Path, path) {
			hit = append(hit, f)
		}
	}
	s.mu.RUnlock()
	for _, f := range hit {
		if errno := f.meet(); errno != 0 {
			return errno
		}
	}
	return 0
}

func (f *ill) meet() syscall.Errno {
	f.mu.Lock()
	hit, delay := f.Chance >= 1 || f.rng.Float64() < f.Chance, f.Delay
	if f.Jitter > 0 {
		delay += time.Duration(max(0, f.rng.NormFloat64()*float64(f.Jitter)))
	}
	f.mu.Unlock()
	if !hit {
		return 0
	}
	switch {
	case f.Stall:
		f.delayed.Add(1)
		<-f.over
	case delay > 0:
		f.delayed.Add(1)
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.over:
		}
	}
	if errno := errnos[f.Error]; errno != 0 {
		f.failed.Add(1)
		return errno
	}
	return 0
}
