package clock

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Operations of futex(2) and its flags, and a flag of clock_nanosleep(2).
const (
	futexWaitBitset    = 9
	futexLockPI        = 6
	futexWaitRequeuePI = 11
	futexLockPI2       = 13
	futexPrivate       = 0x80
	futexRealtime      = 0x100
	timerAbsolute      = 1
	realtime           = 0

	sysFutex          = unix.SYS_FUTEX
	sysClockNanosleep = unix.SYS_CLOCK_NANOSLEEP
	sysFutexWait      = 455 // on every architecture
)

// untilWallClock tells whether a thread waits in the kernel until an instant of the wall
// clock, which to the kernel is the true one: under a skew it waits for longer or shorter
// than its program meant.
func (c call) untilWallClock() bool {
	switch c.number {
	case sysFutex:
		operation := c.args[1] &^ (futexPrivate | futexRealtime)
		timed, wall := c.args[3] != 0, c.args[1]&futexRealtime != 0
		return timed && (operation == futexLockPI || wall && (operation == futexWaitBitset || operation == futexWaitRequeuePI || operation == futexLockPI2))
	case sysFutexWait:
		return c.args[4] != 0 && c.args[5] == realtime
	case sysClockNanosleep:
		return c.args[0] == realtime && c.args[1]&timerAbsolute != 0
	case unix.SYS_MQ_TIMEDSEND, unix.SYS_MQ_TIMEDRECEIVE:
		return c.args[4] != 0
	}
	return false
}

// waiting calls found with the name of each thread of a process that waits until an
// instant of the wall clock.
func waiting(pid int, found func(thread string)) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return // it has ended
	}
	for _, thread := range threads {
		if c, err := readCall(dir + "/" + thread.Name()); err == nil && c.untilWallClock() {
			found(thread.Name())
		}
	}
}
