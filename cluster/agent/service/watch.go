package service

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster/agent/victim"
)

// Watch notes when the server ends and starts, until ctx ends.
func (s *Service) Watch(ctx context.Context) {
	first := true
	for ctx.Err() == nil {
		pid, started, ok := s.processes.Leader()
		if !ok {
			first = false
			pause(ctx, searchEvery)
			continue
		}
		if !first {
			s.began()
		}
		first = false
		if !awaitEnd(ctx, pid, started) {
			return
		}
		s.ended(time.Now())
	}
}

func (s *Service) began() {
	planned := false
	s.change(func() { planned = s.starting; s.starting = false })
	s.note(Event{At: time.Now(), Began: true, Planned: planned})
}

func (s *Service) ended(at time.Time) {
	e := Event{At: at}
	s.change(func() { e.Planned, e.By = s.askedFor, s.asked; s.asked, s.askedFor = "", false })
	s.note(e)
}

// pollMost is how long one wait in the kernel takes, in milliseconds.
const pollMost = 200

// awaitEnd waits for the end of a process; false if ctx ends first. A kernel that has
// no descriptors of processes (before 5.3) is asked every now and then.
func awaitEnd(ctx context.Context, pid int, started uint64) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	for ctx.Err() == nil {
		if err != nil {
			pause(ctx, lookEvery)
		} else if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, pollMost); n > 0 {
			return true
		}
		if !victim.Lives(pid, started) {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
