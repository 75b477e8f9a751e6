package agent

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// monotonicClock is the agent's clock: the time since its start. Its readings
// are the instants on the wire, in nanoseconds.
type monotonicClock struct{ start time.Time }

func newMonotonicClock() monotonicClock { return monotonicClock{time.Now()} }

// now is the clock's reading.
func (c monotonicClock) now() int64 { return c.read(time.Now()) }

// read is the clock's reading at t, a time of this process.
func (c monotonicClock) read(t time.Time) int64 { return int64(t.Sub(c.start)) }

// kernelSleepBelow is how long before an instant waitUntil changes from Go's
// timers, which the runtime serves with a millisecond's granularity, to the
// kernel's own high-resolution sleep.
const kernelSleepBelow = 2 * time.Millisecond

// waitUntil returns when the agent's clock now reads at least at, or with
// ctx's error before it. It is late by the kernel's wake-up delay, usually well
// under 0.2 ms. In the last 2 ms it does not look at ctx.
func waitUntil(ctx context.Context, now func() int64, at int64) error {
	if coarse := time.Duration(at-now()) - kernelSleepBelow; coarse > 0 {
		timer := time.NewTimer(coarse)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for left := at - now(); left > 0; left = at - now() {
		ts := unix.NsecToTimespec(left)
		_ = unix.Nanosleep(&ts, nil) // which a signal may cut short
	}
	return nil
}
