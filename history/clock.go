package history

import "time"

// ServerLagEvery is the time between two questions to a node for the
// replication lag that the system itself tells.
const ServerLagEvery = 250 * time.Millisecond

// Clock is the run's only clock: monotonic nanoseconds since its base.
type Clock struct {
	base  time.Time
	wrong *Wrong
}

// Wrong is how a clock goes wrong, for tests of what is made of it.
type Wrong struct {
	Step  time.Duration `json:"step,omitempty"`  // by so much it is ahead
	After time.Duration `json:"after,omitempty"` // from when it has run so long
	Drift float64       `json:"drift,omitempty"` // so many seconds a second it runs too fast
}

// NewWrongClock is NewClock of a clock that goes wrong. It does not go back.
func NewWrongClock(w Wrong) Clock { return Clock{base: time.Now(), wrong: &w} }

func (w *Wrong) read(since time.Duration) time.Duration {
	read := since + time.Duration(w.Drift*float64(since))
	switch {
	case since < w.After:
	case w.Step >= 0:
		read += w.Step
	default: // it stands still until the true time has caught up
		read = max(read+w.Step, w.After+time.Duration(w.Drift*float64(w.After)))
	}
	return read
}

// NewClock returns a clock that reads zero now.
func NewClock() Clock { return Clock{base: time.Now()} }

// Now is the time on the clock in nanoseconds.
func (c Clock) Now() int64 {
	since := time.Since(c.base)
	if c.wrong != nil {
		since = c.wrong.read(since)
	}
	return int64(since)
}

// Time converts a reading of the clock to a wall-clock time that still carries
// the monotonic reading.
func (c Clock) Time(ns int64) time.Time { return c.base.Add(time.Duration(ns)) }

// At converts a time taken by time.Now in this process to a reading.
func (c Clock) At(t time.Time) int64 { return int64(t.Sub(c.base)) }
