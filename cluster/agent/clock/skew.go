package clock

import (
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// What is counted of a skew, by its words.
const (
	Shifted = "processes shifted"
	Waiting = "threads waiting on the wall clock"
)

// skew is one fault's in force.
type skew struct {
	clock cluster.Clock
	begin time.Time

	shifted map[string]bool // processes that were seen to have the wrong time, see known.name
	waiting map[string]bool // threads that were seen to wait until an instant of the wall clock
}

// at are the params that a skew asks for at an instant of the true time.
func (s *skew) at(now time.Time) (p params) {
	since := now.Sub(s.begin)
	if s.clock.Strobe <= 0 || since/s.clock.Strobe%2 == 0 {
		p.offset = int64(s.clock.By)
	}
	if s.clock.Drift != 0 {
		p.rate, p.base = rateOf(s.clock.Drift), s.begin.UnixNano()
	}
	return p
}

// next is how long it stays as it is at an instant; 0: until it ends.
func (s *skew) next(now time.Time) time.Duration {
	if s.clock.Strobe <= 0 {
		return 0
	}
	return s.clock.Strobe - now.Sub(s.begin)%s.clock.Strobe
}

// sum is what several skews come to together. It is the same at every instant between two
// changes of any of them, so that it need not be written again: the base is the begin of the
// one that drifts, or where several drift the latest of theirs.
func sum(skews map[string]*skew, now time.Time) (p params) {
	for _, s := range skews {
		if s.clock.Drift != 0 {
			p.base = max(p.base, s.begin.UnixNano())
		}
	}
	for _, s := range skews {
		one := s.at(now)
		p.offset += one.offset
		if one.rate != 0 {
			p.rate += one.rate
			p.offset += int64(s.clock.Drift * float64(p.base-one.base))
		}
	}
	return p
}
