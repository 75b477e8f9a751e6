package victim

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	freezeTimeout = 2 * time.Second        // for all threads to stop
	asleepAfter   = 5 * time.Millisecond   // from when on a sleep in the kernel counts as stopped
	reapEvery     = 100 * time.Millisecond // of held threads that were killed
)

// onThread runs f on a thread of its own that ends with it. All requests of
// ptrace(2) have to come from the thread that seized.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f() // not unlocked: the thread ends here
			return
		}
		// The process's first thread never ends. While this one keeps it, another
		// goroutine gets another.
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		onThread(func() { defer close(done); f() })
		<-done
	}()
}

func ptrace(request, tid int, data uintptr) error {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), 0, data, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// seizeToKill has a thread trace the process: when fire is closed that thread ends,
// and the kernel kills the process.
func seizeToKill(pid int) (fire chan struct{}, err error) {
	fire = make(chan struct{})
	seized := make(chan error, 1)
	onThread(func() {
		err := ptrace(unix.PTRACE_SEIZE, pid, unix.PTRACE_O_EXITKILL)
		seized <- err
		if err == nil {
			<-fire
		}
	})
	if err := <-seized; err != nil {
		return nil, explainTrace(pid, err)
	}
	return fire, nil
}

// hold is a pause in force.
type hold struct {
	process string
	release chan struct{}
	done    chan struct{} // closed when everything goes on
}

func (h *hold) letGo() {
	close(h.release)
	<-h.done
}

// freeze stops every thread of the processes. It returns nil if there are none, and
// else when the last was seen stopped.
func freeze(name string, find func(string) ([]process, error)) (*hold, time.Time, error) {
	h := &hold{process: name, release: make(chan struct{}), done: make(chan struct{})}
	type result struct {
		at    time.Time
		found bool
		err   error
	}
	frozen := make(chan result, 1)
	onThread(func() {
		defer close(h.done)
		t := tracer{threads: map[int]*thread{}}
		defer t.detach()
		at, err := t.stopAll(name, find)
		frozen <- result{at, len(t.threads) > 0, err}
		if err != nil || len(t.threads) == 0 {
			return
		}
		ticker := time.NewTicker(reapEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				t.collect()
			case <-h.release:
				return
			}
		}
	})
	r := <-frozen
	if r.err != nil || !r.found {
		<-h.done
		return nil, time.Time{}, r.err
	}
	return h, r.at, nil
}

// thread is a thread that is traced.
type thread struct {
	pid     int
	stopped bool
	signal  int // that it was about to get when it stopped
}

// tracer holds threads; all its methods are for one thread of this process.
type tracer struct {
	threads map[int]*thread
	ended   map[int]bool // seen to have ended, or on the way
}

// stopAll seizes and stops until all threads of all the processes stand: each may
// have made another before it did.
func (t *tracer) stopAll(name string, find func(string) ([]process, error)) (time.Time, error) {
	t.ended = map[int]bool{}
	for began := time.Now(); ; {
		list, err := find(name)
		if err != nil {
			return time.Time{}, err
		}
		fresh := 0
		for _, v := range list {
			n, err := t.seize(v.pid)
			if err != nil {
				return time.Time{}, err
			}
			fresh += n
		}
		t.collect()
		running := t.running(time.Since(began) > asleepAfter)
		if fresh == 0 && running == 0 {
			return time.Now(), nil
		}
		if time.Since(began) > freezeTimeout {
			return time.Time{}, fmt.Errorf("pause: thread %d still runs after %s", running, freezeTimeout)
		}
		if fresh == 0 {
			nap()
		}
	}
}

// seize traces and interrupts the threads of a process that are not traced yet, and
// returns how many.
func (t *tracer) seize(pid int) (fresh int, err error) {
	tids, err := numbers("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return 0, fmt.Errorf("see the threads of process %d: %w", pid, err)
	}
	for _, tid := range tids {
		if t.threads[tid] != nil || t.ended[tid] {
			continue
		}
		if err := ptrace(unix.PTRACE_SEIZE, tid, 0); err != nil {
			switch state := threadState(pid, tid); {
			case errors.Is(err, syscall.ESRCH) || state == 'Z' || state == 'X':
				t.ended[tid] = state == 'Z'
				continue
			}
			return fresh, explainTrace(tid, err)
		}
		t.threads[tid] = &thread{pid: pid}
		fresh++
		if err := ptrace(unix.PTRACE_INTERRUPT, tid, 0); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fresh, explainTrace(tid, err)
		}
	}
	return fresh, nil
}

// collect takes what the kernel tells of the threads.
func (t *tracer) collect() {
	for tid, th := range t.threads {
		var status unix.WaitStatus
		got, err := unix.Wait4(tid, &status, unix.WALL|unix.WNOHANG|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, syscall.ECHILD), got == tid && (status.Exited() || status.Signaled()):
			delete(t.threads, tid)
			t.ended[tid] = true
		case got == tid && status.Stopped():
			th.stopped = true
			if event := int(status) >> 16; event == 0 { // about to get a signal, which it gets afterwards
				th.signal = int(status.StopSignal())
			}
		}
	}
}

// running is a thread that may still execute; 0 if there is none. One that sleeps
// in the kernel sees the interruption before it returns to its program.
func (t *tracer) running(sleepCounts bool) int {
	for tid, th := range t.threads {
		if th.stopped {
			continue
		}
		if state := threadState(th.pid, tid); state == 'Z' || state == 'X' || state == 'D' && sleepCounts {
			continue
		}
		return tid
	}
	return 0
}

// detach lets every thread go on. What has not stopped yet is let go by the end of
// the thread that this is.
func (t *tracer) detach() {
	t.collect()
	for tid, th := range t.threads {
		_ = ptrace(unix.PTRACE_DETACH, tid, uintptr(th.signal))
	}
}

// explainTrace names the remedy of an error of ptrace(2).
func explainTrace(tid int, err error) error {
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("trace thread %d: %w: it may be traced already (a debugger, strace); else allow SYS_PTRACE, and look at kernel.yama.ptrace_scope and at the security profile of the containers", tid, err)
	}
	return fmt.Errorf("trace thread %d: %w", tid, err)
}
