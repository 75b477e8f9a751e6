package server

import (
	"runtime"
	"sync/atomic"
	"time"
)

// burst is how much of its capacity a node that had nothing to do has saved up.
const burst = 10 * time.Millisecond

// yieldBelow is a time too short to sleep: the kernel's timer would double it.
const yieldBelow = 100 * time.Microsecond

// throttle makes a node as slow as it is told to be: a capacity, known by
// construction, and a share by which every client's command takes longer. Both are
// of this node alone. The capacity is a token bucket in its form of a virtual
// schedule (GCRA: ITU-T I.371): each command takes the next free place of a
// schedule of one place each interval, and waits for it; the schedule lags behind
// the clock by burst at most. What waits is bounded by the connections.
type throttle struct {
	interval int64   // nanoseconds between two places; 0: no limit
	slow     float64 // 0.2 is a fifth longer
	next     atomic.Int64
}

// newThrottle takes a capacity in commands a second, 0 for none. A slow node has
// its capacity lowered, too.
func newThrottle(capacity, slow float64) *throttle {
	t := &throttle{slow: slow}
	if capacity > 0 {
		t.interval = int64(float64(time.Second) / capacity * (1 + slow))
	}
	return t
}

// idle tells that it does nothing.
func (t *throttle) idle() bool { return t.interval == 0 && t.slow == 0 }

// begin waits for the command's place. now is nanoseconds of any monotonic clock.
func (t *throttle) begin(now func() int64) {
	if t.interval == 0 {
		return
	}
	for {
		next, at := t.next.Load(), now()
		place := max(next, at-int64(burst))
		if t.next.CompareAndSwap(next, place+t.interval) {
			pause(now, place)
			return
		}
	}
}

// end makes a command that began at a time take its share longer.
func (t *throttle) end(now func() int64, began int64) {
	if t.slow > 0 {
		at := now()
		pause(now, at+int64(float64(at-began)*t.slow))
	}
}

// pause waits until a time: it sleeps where that is long enough.
func pause(now func() int64, until int64) {
	if left := until - now(); left > int64(yieldBelow) {
		time.Sleep(time.Duration(left))
	}
	for now() < until {
		runtime.Gosched()
	}
}
