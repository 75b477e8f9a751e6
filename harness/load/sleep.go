package load

import (
	"context"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// SleepUntil sleeps until the clock reads t, not at all if it does already. It
// returns whether ctx goes on: false whenever ctx has ended, also for a t that
// is past, so that nobody begins anything after a cancel.
func SleepUntil(ctx context.Context, clock history.Clock, t int64) bool {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	return sleepOn(ctx, timer, clock, t)
}

// sleepOn is SleepUntil without a new timer, for those who sleep often.
func sleepOn(ctx context.Context, timer *time.Timer, clock history.Clock, t int64) bool {
	if d := time.Duration(t - clock.Now()); d > 0 {
		timer.Reset(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
