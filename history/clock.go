package history

import "time"

// ServerLagEvery is the time between two questions to a node for the
// replication lag that the system itself tells.
const ServerLagEvery = 250 * time.Millisecond

// Clock is the run's only clock: monotonic nanoseconds since its base.
type Clock struct{ base time.Time }

// NewClock returns a clock that reads zero now.
func NewClock() Clock { return Clock{base: time.Now()} }

// Now is the time on the clock in nanoseconds.
func (c Clock) Now() int64 { return int64(time.Since(c.base)) }

// Time converts a reading of the clock to a wall-clock time that still carries
// the monotonic reading.
func (c Clock) Time(ns int64) time.Time { return c.base.Add(time.Duration(ns)) }

// At converts a time taken by time.Now in this process to a reading.
func (c Clock) At(t time.Time) int64 { return int64(t.Sub(c.base)) }
