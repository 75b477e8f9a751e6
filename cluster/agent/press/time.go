package press

import (
	"log/slog"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster/agent/urgent"
)

// period is how often the processes are stopped: often enough that a request waits for
// milliseconds, as where a processor is shared.
const period = 10 * time.Millisecond

// leastOn is the shortest slice: below it a process hardly gets to run between two signals.
const leastOn = 100 * time.Microsecond

// cycle stops the processes and lets them go on, in turns.
type cycle struct {
	share   float64 // guarded by Press.mu
	stop    chan struct{}
	stopped chan struct{}
}

// followTime gives the processes a share of the time; 0: all of it. The caller holds mu.
func (p *Press) followTime(share float64) error {
	switch {
	case p.cycle != nil && share > 0:
		p.cycle.share = share
		return nil
	case p.cycle != nil:
		s := p.cycle
		p.cycle = nil
		close(s.stop)
		p.mu.Unlock()
		<-s.stopped
		p.mu.Lock()
		return p.processes.On()
	case share == 0:
		return nil
	}
	if err := p.off(); err != nil {
		return err
	}
	s := &cycle{share: share, stop: make(chan struct{}), stopped: make(chan struct{})}
	p.cycle = s
	go func() {
		defer close(s.stopped)
		runtime.LockOSThread() // never unlocked: no other goroutine shall inherit the class
		urgent.Thread()
		p.turn(s)
	}()
	return nil
}

// off stops the processes. The caller holds mu.
func (p *Press) off() error {
	any, err := p.processes.Off()
	if any {
		p.stopped++
	}
	return err
}

// mostOwed is for how much of their time the processes pay that ran for too long, as the
// cycle was woken late: they stand still for no longer than this for it.
const mostOwed = time.Second

// turn goes on from where the processes were stopped first. It counts the time that they
// could run, signals included, and leaves slices out for what they ran too long, so that
// the share is right though it is woken late.
func (p *Press) turn(s *cycle) {
	begin, ran, share := time.Now(), time.Duration(0), 0.0
	for {
		p.mu.Lock()
		now := s.share
		p.mu.Unlock()
		if now != share {
			begin, ran, share = time.Now(), 0, now
		}
		due := time.Duration(float64(time.Since(begin)+period) * share)
		ran = min(ran, due+time.Duration(float64(mostOwed)*share))
		on := min(due-ran, period-leastOn)
		if on < leastOn {
			if s.sleep(period) {
				return
			}
			continue
		}
		if s.sleep(period - on) {
			return
		}
		from := time.Now()
		if err := p.processes.On(); err != nil {
			p.o.Logger.Warn("processes stand still for longer than they should", slog.Any("error", err))
		}
		if s.sleep(on) {
			return
		}
		p.mu.Lock()
		err := p.off()
		p.mu.Unlock()
		ran += time.Since(from)
		if err != nil {
			p.o.Logger.Warn("processes run for longer than they should", slog.Any("error", err))
		}
	}
}

// sleep sleeps with the kernel's own timer and tells whether the cycle is to end.
func (c *cycle) sleep(d time.Duration) bool {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // which a signal may cut short
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}
