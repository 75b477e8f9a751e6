package clock

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// How often is looked for processes that have not the time they should have: those that
// executed a program. While a server starts, more often.
const (
	scanEvery  = 10 * time.Millisecond
	startEvery = time.Millisecond
	startLasts = 2 * time.Second
	waitsEvery = 250 * time.Millisecond // for threads that wait on the wall clock
)

// Clocks are those of a node's processes.
type Clocks struct {
	processes Processes
	log       *slog.Logger

	once sync.Once // makes hook and err
	hook *hook
	err  error

	mu       sync.Mutex
	skews    map[string]*skew // by the fault's ID
	known    map[int]known
	eager    time.Time // until then a server is starting
	waited   time.Time // when threads' waits were last looked at
	warned   bool
	stop     chan struct{} // ends the loop; nil: none runs
	stopped  chan struct{}
	changed  chan struct{} // wakes the loop
	prepared bool          // hooks may be in place without a skew
}

// known is a process that has the hook.
type known struct {
	vdso uint64
	name string // of the process and its program
}

// New does no I/O.
func New(processes Processes, log *slog.Logger) *Clocks {
	return &Clocks{processes: processes, log: log, skews: map[string]*skew{}, known: map[int]known{}, changed: make(chan struct{}, 1)}
}

// Can says why clocks cannot be shifted here, with the remedy. It changes nothing.
func (c *Clocks) Can() error {
	if err := c.ready(); err != nil {
		return err
	}
	pids, err := c.processes.Each()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		t, err := openTarget(pid, 0)
		if err == nil {
			t.close()
		} else if !gone(err) {
			return explain(pid, err)
		}
	}
	return nil
}

// ready makes the hook for this machine's kernel.
func (c *Clocks) ready() error {
	c.once.Do(func() { c.hook, c.err = hookHere() })
	if c.err != nil {
		return fmt.Errorf("shift a clock: %w", c.err)
	}
	return nil
}

// explain adds the remedy.
func explain(pid int, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("shift the clock of process %d: %w: the agent must be of the server's user or have SYS_PTRACE; look at kernel.yama.ptrace_scope, at the boot parameter proc_mem.force_override, and at the security profile of the containers", pid, err)
	}
	return fmt.Errorf("shift the clock of process %d: %w", pid, err)
}

// Prepare puts the hook into the node's processes ahead of the instant of a skew. Until then
// it shifts nothing.
func (c *Clocks) Prepare() error {
	if err := c.ready(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prepared = true
	return c.apply(time.Now())
}

// Skew shifts the clock of all processes of the node, and of those to come, under a.ID. It
// took effect when the last of them had the wrong time.
func (c *Clocks) Skew(a cluster.Action) (cluster.Effect, error) {
	if a.Clock == nil {
		return cluster.Effect{}, errors.New("a skew has to say by what the clock is wrong")
	}
	if err := c.ready(); err != nil {
		return cluster.Effect{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.skews[a.ID] != nil {
		return cluster.Effect{At: time.Now()}, nil
	}
	now := time.Now()
	c.skews[a.ID] = &skew{clock: *a.Clock, begin: now, shifted: map[string]bool{}, waiting: map[string]bool{}}
	if err := c.apply(now); err != nil {
		delete(c.skews, a.ID)
		return cluster.Effect{}, errors.Join(err, c.apply(time.Now()))
	}
	at := time.Now()
	c.run()
	return cluster.Effect{At: at, Changed: true}, nil
}

// Unskew takes the skew of a.ID away. It took effect when the last process had what the
// others leave of the true time, or all of it. Its counts are those of the whole skew.
func (c *Clocks) Unskew(a cluster.Action) (cluster.Effect, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.skews[a.ID]
	if s == nil {
		return cluster.Effect{At: time.Now()}, nil
	}
	c.lookAtWaits()
	delete(c.skews, a.ID)
	err := c.apply(time.Now())
	effect := cluster.Effect{At: time.Now(), Changed: true, Counts: map[string]uint64{Shifted: uint64(len(s.shifted))}}
	if n := len(s.waiting); n > 0 {
		effect.Counts[Waiting] = uint64(n)
	}
	if len(c.skews) == 0 {
		c.halt()
	}
	if len(c.skews) == 0 { // none came meanwhile
		err = errors.Join(err, c.remove())
	}
	if err != nil {
		c.skews[a.ID] = s // to be tried again
		c.run()
		return cluster.Effect{}, err
	}
	return effect, nil
}

// Started gives a process the node's time that has just begun its program.
func (c *Clocks) Started(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.skews) == 0 {
		return
	}
	now := time.Now()
	c.eager = now.Add(startLasts)
	if err := c.give(pid, sum(c.skews, now)); err != nil {
		c.warn(err)
	}
	c.wake()
}

// Close gives all processes the true time.
func (c *Clocks) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.skews) == 0 && !c.prepared {
		return nil
	}
	c.halt()
	clear(c.skews)
	return errors.Join(c.apply(time.Now()), c.remove())
}

// apply gives all processes the time that they should have. The caller holds mu.
func (c *Clocks) apply(now time.Time) error {
	pids, err := c.processes.Each()
	if err != nil {
		return err
	}
	slices.Sort(pids) // parents first: a child of a vfork has its parent's memory, and not its threads
	wanted := sum(c.skews, now)
	alive := make(map[int]bool, len(pids))
	var errs []error
	for _, pid := range pids {
		alive[pid] = true
		errs = append(errs, c.give(pid, wanted))
	}
	for pid := range c.known {
		if !alive[pid] {
			delete(c.known, pid)
		}
	}
	return errors.Join(errs...)
}

// give gives one process the time that it should have. One that ends is passed over. The
// caller holds mu.
func (c *Clocks) give(pid int, wanted params) error {
	k := c.known[pid]
	err := c.refresh(pid, &k, wanted)
	if k.vdso != 0 && err != nil { // it may have executed another program
		k = known{}
		err = c.refresh(pid, &k, wanted)
	}
	switch {
	case err == nil:
		c.known[pid] = k
		for _, s := range c.skews {
			s.shifted[k.name] = true
		}
		return nil
	case gone(err), errors.Is(err, errOther), !exists(pid):
		delete(c.known, pid)
		return nil
	}
	return explain(pid, err)
}

// errStranger says that a process has not the hook where it was.
var errStranger = errors.New("the process is not as it was")

// refresh sets the params of one process, and inserts the hook if k does not know of one.
func (c *Clocks) refresh(pid int, k *known, wanted params) error {
	t, err := openTarget(pid, k.vdso)
	if err != nil {
		return err
	}
	defer t.close()
	head, hooked, err := t.head(c.hook)
	switch {
	case err != nil:
		return err
	case !hooked && k.vdso != 0:
		return errStranger
	case !hooked:
		if err := t.insert(c.hook, head, c.processes); err != nil {
			return err
		}
	}
	*k = known{vdso: t.vdso, name: fmt.Sprintf("%d at %x", pid, t.vdso)}
	if current(head) == wanted {
		return nil
	}
	return t.set(c.hook, head, wanted)
}

// exists tells whether a process has not ended; a zombie has.
func exists(pid int) bool {
	_, err := vdsoOf(fmt.Sprintf("/proc/%d", pid))
	return !gone(err)
}

// lookAtWaits notes the threads that wait on the wall clock now. The caller holds mu.
func (c *Clocks) lookAtWaits() {
	c.waited = time.Now()
	for pid := range c.known {
		waiting(pid, func(thread string) {
			for _, s := range c.skews {
				s.waiting[thread] = true
			}
		})
	}
}

// run starts the loop unless it runs. The caller holds mu.
func (c *Clocks) run() {
	if c.stop != nil {
		c.wake()
		return
	}
	c.stop, c.stopped = make(chan struct{}), make(chan struct{})
	go c.loop(c.stop, c.stopped)
}

// halt ends the loop. The caller holds mu, which it gives away meanwhile.
func (c *Clocks) halt() {
	if c.stop == nil {
		return
	}
	close(c.stop)
	stopped := c.stopped
	c.stop = nil
	c.mu.Unlock()
	<-stopped
	c.mu.Lock()
}

func (c *Clocks) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// loop keeps the processes at the time that they should have.
func (c *Clocks) loop(stop <-chan struct{}, stopped chan<- struct{}) {
	defer close(stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-c.changed:
		case <-timer.C:
		}
		c.mu.Lock()
		now := time.Now()
		if len(c.skews) > 0 {
			if err := c.apply(now); err != nil {
				c.warn(err)
			}
			if now.Sub(c.waited) >= waitsEvery {
				c.lookAtWaits()
			}
		}
		pause := c.pause(time.Now())
		c.mu.Unlock()
		timer.Reset(pause)
	}
}

// pause is how long the loop may sleep. The caller holds mu.
func (c *Clocks) pause(now time.Time) time.Duration {
	pause := scanEvery
	if now.Before(c.eager) {
		pause = startEvery
	}
	for _, s := range c.skews {
		if next := s.next(now); next > 0 {
			pause = min(pause, next)
		}
	}
	return pause
}

// warn logs the first thing that went wrong in the loop. The caller holds mu.
func (c *Clocks) warn(err error) {
	if !c.warned {
		c.warned = true
		c.log.Warn("a process keeps the true time", slog.Any("error", err))
	}
}
