package link

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
	"github.com/aftershock-chaos/aftershock/cluster/agent/urgent"
)

// The numbers of the queues, the first that are free: a guest lives in a network that
// others may use too.
const (
	firstQueue = 0xaf00
	queueTries = 8
)

// headBytes of each packet are enough where it is let go as it is.
const headBytes = 128

// batch is how many packets are read before those are let go whose time has come.
const batch = 64

// mostLead bounds how much earlier than asked a packet may go, see lead.
const mostLead = 60 * time.Microsecond

// held is a packet that waits for its time.
type held struct {
	at      int64
	order   uint64
	path    *path
	queue   uint16
	id      uint32
	payload []byte // in place of its own; nil: as it is
	copy    []byte // what goes out besides; nil: nothing
}

func (h held) compare(other held) int {
	return cmp.Or(cmp.Compare(h.at, other.at), cmp.Compare(h.order, other.order))
}

type waiting []held

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].compare(w[j]) < 0 }
func (w waiting) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)        { *w = append(*w, x.(held)) }
func (w *waiting) Pop() any {
	old := *w
	last := old[len(old)-1]
	*w = old[:len(old)-1]
	return last
}

// engine reads the two queues in a thread of its own and decides about each packet:
// a coarse one, whose packets come as large as the kernel has them, and a fine one.
type engine struct {
	coarse, fine uint16
	wake         int // an eventfd
	ended        chan struct{}
	start        time.Time

	mu      sync.Mutex // also held while verdicts are handed over
	socket  *socket
	copies  copies
	paths   map[end]*path
	waiting waiting
	order   uint64
	over    bool
	// lead is how much later than asked the kernel wakes the thread, as far as seen:
	// packets are let go so much earlier, so that they are late as often as early.
	lead time.Duration
}

// startEngine binds the queues and starts the thread.
func startEngine() (*engine, error) {
	e := &engine{ended: make(chan struct{}), start: time.Now(), paths: map[end]*path{}}
	if err := e.open(); err != nil {
		return nil, err
	}
	go func() {
		defer close(e.ended)
		runtime.LockOSThread() // never unlocked: no other goroutine shall inherit the class
		urgent.Thread()
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		e.run()
	}()
	return e, nil
}

func (e *engine) open() (err error) {
	if e.socket, err = openSocket(); err != nil {
		return err
	}
	for number := uint16(firstQueue); ; number += 2 {
		err = e.socket.bind(number, headBytes, true)
		if err == nil {
			err = e.socket.bind(number+1, mostCopied, false)
		}
		if err == nil {
			e.coarse, e.fine = number, number+1
			break
		}
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EPERM) || number >= firstQueue+2*queueTries {
			e.socket.close()
			return err
		}
	}
	if e.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		e.socket.close()
		return fmt.Errorf("make an eventfd: %w", err)
	}
	return nil
}

// run decides about packets until stop.
func (e *engine) run() {
	fds := []unix.PollFd{{Fd: int32(e.socket.fd), Events: unix.POLLIN}, {Fd: int32(e.wake), Events: unix.POLLIN}}
	var drained [8]byte
	e.mu.Lock()
	for !e.over {
		due, any := e.next()
		e.mu.Unlock()
		timed := e.wait(fds, due, any)
		e.mu.Lock()
		if fds[1].Revents != 0 {
			_, _ = unix.Read(e.wake, drained[:])
		}
		if e.over {
			break
		}
		if timed {
			e.learn(e.now() - due)
		}
		e.release(e.now() + int64(e.lead))
		e.socket.flush()
		for range batch {
			if !e.socket.read(e.packet) {
				break
			}
		}
		e.release(e.now() + int64(e.lead))
		e.socket.flush()
	}
	e.mu.Unlock()
}

// next is when the next packet goes, if there is one.
func (e *engine) next() (at int64, any bool) {
	if len(e.waiting) == 0 {
		return 0, false
	}
	return e.waiting[0].at - int64(e.lead), true
}

// wait returns when a packet has come, somebody wakes the thread, or an instant has
// come; only in the last case it is true.
func (e *engine) wait(fds []unix.PollFd, due int64, any bool) (timed bool) {
	fds[0].Revents, fds[1].Revents = 0, 0
	var limit *unix.Timespec
	if any {
		left := unix.NsecToTimespec(max(0, due-e.now()))
		limit = &left
		timed = due > e.now()
	}
	n, err := unix.Ppoll(fds, limit, nil)
	return timed && n == 0 && err == nil
}

// learn takes notice of how late the thread woke up.
func (e *engine) learn(late int64) {
	const step = time.Microsecond
	if late > int64(e.lead) {
		e.lead = min(e.lead+step, mostLead)
	} else {
		e.lead = max(e.lead-step, 0)
	}
}

// packet decides about one packet. The lock is held.
func (e *engine) packet(q queued) {
	h, ok := parseHeader(q.data)
	var p *path
	if ok {
		if p = e.paths[end{h.source, false}]; p == nil {
			p = e.paths[end{h.destination, true}]
		}
	}
	if p == nil { // its fault has just ended
		e.socket.verdict(q.queue, q.id, verdictAccept, nil)
		return
	}
	t := e.now()
	f := p.decide(q.length, t)
	if f.lost {
		e.socket.verdict(q.queue, q.id, verdictDrop, nil)
		return
	}
	one := held{at: f.at, path: p, queue: q.queue, id: q.id}
	if f.duplicated {
		one.copy = slices.Clone(q.data)
	}
	if f.corrupted != nil {
		if changed := slices.Clone(q.data); corrupt(changed, f.corrupted.random) {
			f.corrupted.tally.corrupted++
			one.payload = changed
		}
	}
	if f.at <= t {
		e.letGo(&one)
		return
	}
	e.order++
	one.order = e.order
	p.waiting++
	heap.Push(&e.waiting, one)
}

// release lets go what was held until t or less. The lock is held.
func (e *engine) release(t int64) {
	for len(e.waiting) > 0 && e.waiting[0].at <= t {
		one := heap.Pop(&e.waiting).(held)
		one.path.waiting--
		e.letGo(&one)
	}
}

func (e *engine) letGo(one *held) {
	e.socket.verdict(one.queue, one.id, verdictAccept, one.payload)
	if one.copy != nil {
		e.socket.flush() // the copy comes second
		e.copies.send(one.copy)
	}
}

// shape makes these effects all that there is. What is held goes by its time still,
// but waits no longer than what is left to hold it would have it wait.
func (e *engine) shape(effects map[end][]*effect) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.now()
	paths := map[end]*path{}
	for at, list := range effects {
		paths[at] = newPath(at, list, e.paths[at], t)
	}
	e.paths = paths
	var gone []held
	later := e.waiting[:0]
	for _, one := range e.waiting {
		p := paths[one.path.end]
		if p == nil {
			gone = append(gone, one)
			continue
		}
		if one.path != p {
			one.path = p
			p.waiting++
		}
		one.at = min(one.at, t+int64(p.longest(t)))
		later = append(later, one)
	}
	clear(e.waiting[len(later):])
	e.waiting = later
	heap.Init(&e.waiting)
	slices.SortFunc(gone, held.compare)
	for _, one := range gone {
		e.letGo(&one)
	}
	e.socket.flush()
	e.nudge()
}

// queueOf is the queue that what comes to an end has to be sent to.
func (e *engine) queueOf(at end, effects []*effect) network.Queued {
	number := e.coarse
	if newPath(at, effects, nil, 0).fine() {
		number = e.fine
	}
	return network.Queued{Peer: at.peer, In: !at.out, Number: number}
}

func (e *engine) nudge() {
	var one [8]byte
	host.PutUint64(one[:], 1)
	_, _ = unix.Write(e.wake, one[:])
}

// stop lets everything go and ends the thread.
func (e *engine) stop() {
	e.shape(nil)
	e.mu.Lock()
	e.over = true
	e.nudge()
	e.mu.Unlock()
	<-e.ended
	e.socket.close()
	e.copies.close()
	_ = unix.Close(e.wake)
}

func (e *engine) now() int64 { return int64(time.Since(e.start)) }

// counted is what was done on behalf of a fault.
func (e *engine) counted(f *fault) map[string]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return f.tally.words()
}

func (e *engine) openCopies() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.copies.open()
}
