package server

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestCapacity: clients that ask without a pause are answered as often as the
// capacity says, however many they are, and a slow node has less of it.
func TestCapacity(t *testing.T) {
	for _, tc := range []struct {
		clients        int
		capacity, slow float64
		want           int
	}{{1, 2000, 0, 2000}, {16, 2000, 0, 2000}, {16, 2000, 0.25, 1600}, {4, 500, 0, 500}} {
		synctest.Test(t, func(t *testing.T) {
			throttle, begun := newThrottle(tc.capacity, tc.slow), time.Now()
			now := func() int64 { return int64(time.Since(begun)) }
			var all sync.WaitGroup
			counts := make([]int, tc.clients)
			for i := range tc.clients {
				all.Go(func() {
					for time.Since(begun) < 10*time.Second {
						throttle.begin(now)
						counts[i]++
					}
				})
			}
			all.Wait()
			sum := 0
			for _, n := range counts {
				sum += n
			}
			if per := sum / 10; per < tc.want*99/100 || per > tc.want*101/100 {
				t.Errorf("%+v: %d a second", tc, per)
			}
		})
	}
}

// TestSaved: a node that had nothing to do has no more than a burst saved up.
func TestSaved(t *testing.T) {
	at := int64(time.Hour)
	throttle := newThrottle(1000, 0)
	now := func() int64 { at += 10; return at }
	free := 0
	for began := at; at-began < int64(time.Millisecond)/2; free++ {
		throttle.begin(now)
	}
	if most := int(burst/time.Millisecond) + 2; free > most || free < most-2 {
		t.Errorf("%d commands at once", free)
	}
}

// TestSlow: a command takes its share longer.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		now := func() int64 { return int64(time.Since(begun)) }
		throttle := newThrottle(0, 0.2)
		time.Sleep(10 * time.Millisecond)
		throttle.end(now, 0)
		if took := time.Since(begun); took != 12*time.Millisecond {
			t.Errorf("10ms took %s", took)
		}
	})
}
