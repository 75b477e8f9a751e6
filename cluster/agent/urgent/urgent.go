// Package urgent has threads that the kernel wakes before the servers' threads.
//
// Linux only.
package urgent

import (
	"time"

	"golang.org/x/sys/unix"
)

// slice is the time slice asked for on an urgent thread: the shortest that the
// kernel grants.
const slice = 100 * time.Microsecond

// Thread makes the calling thread, which its goroutine has to have locked for good,
// one that a busy node does not put off: of the real-time class where the process may, otherwise
// with the shortest slice of the ordinary class, which since Linux 6.12 means an
// earlier deadline. Where neither is granted it stays as it is. What it forks
// starts in the ordinary class with ordinary slices.
func Thread() {
	realTime := unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}
	if unix.SchedSetAttr(0, &realTime, 0) != nil {
		short := unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Runtime: uint64(slice), Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		}
		_ = unix.SchedSetAttr(0, &short, 0)
	}
}
