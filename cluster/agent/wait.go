package agent

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// fine is how long before an instant the waiting changes from Go's timers,
// which the runtime serves with a millisecond's granularity, to the kernel's
// own high-resolution sleep.
const fine = 2 * time.Millisecond

// waitUntil returns when the agent's clock now reads at least at, or with
// ctx's error before it. It is exact to the kernel's wake-up delay, usually
// well under 0.2 ms.
func waitUntil(ctx context.Context, now func() int64, at int64) error {
	if coarse := time.Duration(at-now()) - fine; coarse > 0 {
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
		nap(time.Duration(left)) // which a signal may cut short
	}
	return nil
}

// nap sleeps in the kernel; a signal cuts it short.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
}
