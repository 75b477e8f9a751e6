package load

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestSleepUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := history.NewClock()
		if !SleepUntil(t.Context(), clock, int64(time.Second)) || clock.Now() != int64(time.Second) {
			t.Errorf("woke at %d", clock.Now())
		}
		if !SleepUntil(t.Context(), clock, 0) || clock.Now() != int64(time.Second) {
			t.Errorf("slept for an instant that was past until %d", clock.Now())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if SleepUntil(ctx, clock, int64(time.Minute)) || clock.Now() != int64(2*time.Second) {
			t.Errorf("a cancelled sleep lasted until %d", clock.Now())
		}
		for _, at := range []int64{0, int64(time.Minute)} {
			if SleepUntil(ctx, clock, at) || clock.Now() != int64(2*time.Second) {
				t.Errorf("after the cancel something begins at %d", at)
			}
		}
	})
}
