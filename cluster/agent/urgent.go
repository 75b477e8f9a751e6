package agent

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// urgentSlice is the time slice asked for on an urgent thread: the shortest
// that the kernel grants.
const urgentSlice = 100 * time.Microsecond

// runUrgently runs f on a thread of its own that the kernel wakes before the
// servers' threads, so that a busy node does not put its faults off: in the
// real-time class where the agent may, otherwise with the shortest slice of
// the ordinary class, which since Linux 6.12 means an earlier deadline. Where
// neither is granted, f runs as everything else does. What f forks starts in
// the ordinary class with ordinary slices. The thread ends with f.
func runUrgently[T any](f func() (T, error)) (value T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: no other goroutine shall inherit the class
		realTime := unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		}
		if unix.SchedSetAttr(0, &realTime, 0) != nil {
			short := unix.SchedAttr{
				Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Runtime: uint64(urgentSlice), Flags: unix.SCHED_FLAG_RESET_ON_FORK,
			}
			_ = unix.SchedSetAttr(0, &short, 0)
		}
		value, err = f()
	}()
	<-done
	return value, err
}

// urgently is runUrgently for what has no result.
func urgently(f func()) {
	_, _ = runUrgently(func() (struct{}, error) { f(); return struct{}{}, nil })
}
