package server

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// burn spends d of CPU time in the calling goroutine: time in which another
// goroutine or process has the processor does not count.
func burn(d time.Duration) {
	if d <= 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	end := threadTime() + d
	x := uint32(1)
	for threadTime() < end {
		for range 256 {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
		}
	}
	runtime.KeepAlive(x)
}

func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return time.Duration(time.Now().UnixNano()) // no such clock: wall time is the next best
	}
	return time.Duration(ts.Nano())
}
