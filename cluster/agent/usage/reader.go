// Package usage reads what a node takes of its machine, as the kernel tells it.
package usage

import (
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/history/usage"
)

// Reader reads the usage of the node whose PID 1 this process is: of all other
// processes, those that have ended too. It may be used by many goroutines.
type Reader struct {
	control *Meter // nil: nothing else goes over the node's network

	mu     sync.Mutex
	spared int          // a process that counts as the agent's; 0: none
	left   map[int]bool // processes that are not counted at all
	groups groups
	stored stored
	last   usage.Set // what counts up never comes down
}

// NewReader finds out what the kernel tells. control counts what the control
// channel adds to the node's network.
func NewReader(control *Meter) *Reader {
	return &Reader{control: control, groups: findGroups("/sys/fs/cgroup"), last: usage.None()}
}

// NewGuestReader is NewReader for a guest that shares network and PID namespace
// with a server, and not its control groups: of processes that have ended it knows
// what those who waited for them are charged with.
func NewGuestReader(control *Meter) *Reader {
	return &Reader{control: control, last: usage.None()}
}

// Spare counts a process, a helper of the agent's, as the agent's own. It is called
// before the first reading.
func (r *Reader) Spare(pid int) { r.spared = pid }

// Leave does not count processes that are in the node's PID namespace and no part of it.
// It is called before the first server is started.
func (r *Reader) Leave(pids []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = map[int]bool{}
	for _, pid := range pids {
		r.left[pid] = true
	}
}

// Read takes one reading. It holds one thread for its whole length, which
// becomes another user for a moment where the kernel asks for that.
func (r *Reader) Read() usage.Set {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.mu.Lock()
	defer r.mu.Unlock()
	began := time.Now()
	s := usage.None()
	var own, ended unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &own) // it cannot fail
	_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &ended)
	s[usage.Agent] = own.Utime.Nano() + own.Stime.Nano()
	helper := int64(0)
	if r.spared != 0 {
		helper = memoryOf(r.spared)
		s[usage.Agent] += processTime(r.spared)
	}
	p := readProcesses(os.Getpid(), r.spared, r.left)
	p.cpu += ended.Utime.Nano() + ended.Stime.Nano()
	s[usage.CPU], s[usage.Memory], s[usage.Threads] = p.cpu, p.anonymous+p.shared, p.threads
	if p.switches != usage.Unknown {
		s[usage.Switches] = p.switches + ended.Nvcsw + ended.Nivcsw
	}
	if !p.io.unknown {
		s[usage.DiskRead], s[usage.DiskWritten], s[usage.ReadCalls], s[usage.WriteCalls] = p.io.read, r.stored.take(p.io, p.pids), p.io.readCalls, p.io.writeCalls
	}
	r.groups.read(&s, s[usage.Agent], helper)
	r.network(&s)
	for f := range usage.Figures {
		if counts(f) && s[f] != usage.Unknown {
			s[f] = max(s[f], r.last[f])
			r.last[f] = s[f]
		}
	}
	s[usage.Took] = int64(time.Since(began))
	return s
}

// counts tells whether a figure counts up. NetDoubt, which does, is held to NetIn
// and NetOut by network.
func counts(f usage.Figure) bool {
	switch f {
	case usage.Memory, usage.Charged, usage.Threads, usage.Took, usage.NetDoubt:
		return false
	}
	return true
}
