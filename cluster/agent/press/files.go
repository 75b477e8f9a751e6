package press

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// scanEvery is how often is looked for processes that have more descriptors than they may:
// new ones, and those that raised their limit.
const scanEvery = 20 * time.Millisecond

// limits are those of the processes' descriptors.
type limits struct {
	files   int            // guarded by Press.mu, as is what follows
	before  map[int]uint64 // of each limited process, what it had
	typical uint64         // the last of them: what a process had that its parent passed the limit on to
	warned  bool
	stop    chan struct{}
	stopped chan struct{}
}

// followFiles lets each process have so many descriptors; 0: as many as before. The caller
// holds mu.
func (p *Press) followFiles(files int) error {
	switch {
	case p.limits == nil && files == 0:
		return nil
	case files == 0:
		l := p.limits
		l.files = 0
		close(l.stop)
		p.mu.Unlock()
		<-l.stopped
		p.mu.Lock()
		p.limits = nil
		return p.giveBack(l)
	case p.limits == nil:
		l := &limits{before: map[int]uint64{}, stop: make(chan struct{}), stopped: make(chan struct{})}
		p.limits = l
		l.files = files
		err := p.limit()
		if err != nil {
			p.limits = nil
			return errors.Join(err, p.giveBack(l))
		}
		go p.watch(l)
		return nil
	}
	p.limits.files = files
	return p.limit()
}

// watch limits processes that come.
func (p *Press) watch(l *limits) {
	defer close(l.stopped)
	ticker := time.NewTicker(scanEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		if l.files > 0 {
			if err := p.limit(); err != nil && !l.warned {
				l.warned = true
				p.o.Logger.Warn("a process has more descriptors than it may", slog.Any("error", err))
			}
		}
		p.mu.Unlock()
	}
}

// limit limits all processes. The soft limit is enough, as it is looked at again: a hard one
// could not be raised any more. The caller holds mu.
func (p *Press) limit() error {
	pids, err := p.processes.Each()
	if err != nil {
		return err
	}
	alive := map[int]bool{}
	var errs []error
	for _, pid := range pids {
		alive[pid] = true
		errs = append(errs, p.limitOne(pid))
	}
	for pid := range p.limits.before {
		if !alive[pid] {
			delete(p.limits.before, pid)
		}
	}
	return errors.Join(errs...)
}

func (p *Press) limitOne(pid int) error {
	l := p.limits
	var now unix.Rlimit
	if err := prlimit(pid, nil, &now); err != nil {
		return explain(pid, err)
	}
	_, known := l.before[pid]
	files := uint64(l.files)
	switch {
	case now.Cur > files:
		next := unix.Rlimit{Cur: files, Max: now.Max}
		if err := prlimit(pid, &next, nil); err != nil {
			return explain(pid, err)
		}
		if !known || now.Cur > l.before[pid] {
			l.before[pid], l.typical = now.Cur, now.Cur
		}
	case !known && now.Cur == files && l.typical > 0: // its parent passed the limit on
		l.before[pid] = min(l.typical, now.Max)
	case known && now.Cur < files: // another fault has ended, which limited it more
		next := unix.Rlimit{Cur: min(files, l.before[pid]), Max: now.Max}
		if err := prlimit(pid, &next, nil); err != nil {
			return explain(pid, err)
		}
	case !known:
		return nil // it has fewer already
	}
	for _, f := range p.faults {
		if f.squeeze.Files > 0 {
			f.limited[pid] = true
		}
	}
	return nil
}

// giveBack gives the processes what they had, and those that came meanwhile what their
// parents had. The caller holds mu.
func (p *Press) giveBack(l *limits) error {
	var errs []error
	for pid, cur := range l.before {
		var now unix.Rlimit
		err := prlimit(pid, nil, &now)
		if err == nil {
			next := unix.Rlimit{Cur: min(cur, now.Max), Max: now.Max}
			err = prlimit(pid, &next, nil)
		}
		errs = append(errs, explain(pid, err))
	}
	return errors.Join(errs...)
}

// prlimit is that of the process's descriptors. Without the capability SYS_RESOURCE only a
// process's own user may ask and set it: then a thread of this process becomes that user.
func prlimit(pid int, next, old *unix.Rlimit) error {
	err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, next, old)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	info, statErr := os.Stat(fmt.Sprintf("/proc/%d/task", pid))
	if statErr != nil {
		return unix.ESRCH
	}
	owner := info.Sys().(*syscall.Stat_t)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its user
		// The system calls themselves change one thread; those of package syscall, all.
		uid, gid := uintptr(owner.Uid), uintptr(owner.Gid)
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
			done <- errno
			return
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
			done <- errno
			return
		}
		done <- unix.Prlimit(pid, unix.RLIMIT_NOFILE, next, old)
	}()
	return <-done
}

// explain adds the remedy; that a process has ended is no error.
func explain(pid int, err error) error {
	switch {
	case err == nil, errors.Is(err, unix.ESRCH):
		return nil
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("limit the descriptors of process %d: %w: the agent must be of the server's user, root of the node, or have SYS_RESOURCE", pid, err)
	}
	return fmt.Errorf("limit the descriptors of process %d: %w", pid, err)
}
