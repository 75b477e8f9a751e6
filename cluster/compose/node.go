package compose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
)

// hosted is a guest that answers.
type hosted struct {
	guest  *docker.Guest
	client *agent.Client
	of     seen // the container's life that it shares
}

// node is one container, and what stands for it when it is made anew. It implements
// cluster.Control.
type node struct {
	d      *deployment
	index  int
	key    key
	public *cluster.Node
	exits  chan cluster.Exit

	// engine is held while the engine is asked to change the container, and while a
	// guest is brought: one at a time.
	engine sync.Mutex
	// guarding is held while the container is paused, and let go on, for its rules.
	guarding sync.Mutex
	// rules is held while the guest is given rules anew, see rules.go.
	rules  sync.Mutex
	wishes map[string][]wish // by fault; guarded by rules

	mu       sync.Mutex
	seen     seen
	up       bool
	guest    *hosted
	spare    *docker.Guest
	word     *docker.Word
	guests   int           // made so far, for their names
	changed  chan struct{} // closed and replaced when up, guest or met changes
	asked    string        // the id of the action that asks for the container's end
	askedFor bool
	down     bool      // the harness has taken it down
	guard    *guard    // it is paused until its rules are in force; nil: it is not
	starting bool      // it is being started by the harness
	oom      bool      // the kernel killed one of its processes since it started
	signal   time.Time // when the engine last sent it a signal
	died     time.Time // when it last ended
	began    time.Time // when it was last started
	paused   map[string]bool
	meter    cluster.Meter
	ended    bool
}

var (
	_ cluster.Control = (*node)(nil)
	_ cluster.Heard   = (*node)(nil)
	_ cluster.Metered = (*node)(nil)
)

func newNode(d *deployment, i int, s seen) *node {
	n := &node{
		d: d, index: i, key: s.key, seen: s, up: s.running, exits: make(chan cluster.Exit, exitsBuffered),
		wishes: map[string][]wish{}, changed: make(chan struct{}), paused: map[string]bool{},
	}
	n.public = &cluster.Node{
		Name: s.node, Index: i, Addr: s.addr(), Port: d.spec.Port, Control: n,
		Away: func(ctx context.Context) string { return d.guests.Away(ctx, n.look().id) },
	}
	return n
}

// look is what was last seen of the container.
func (n *node) look() seen {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen
}

// change changes the node's state and wakes who waits for that.
func (n *node) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

// wait returns when ok is true, which is asked with mu held.
func (n *node) wait(ctx context.Context, ok func() bool) error {
	for {
		n.mu.Lock()
		done, changed := ok(), n.changed
		n.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-n.d.ctx.Done():
			return agent.ErrLost
		}
	}
}

const guestTimeout = 10 * time.Second // for a guest to be there again

var (
	errUninvited = errors.New("no guest was invited")
	errDown      = errors.New("its container does not run")
)

// meetGuest is the guest that answers; it waits for the next one while the container
// has just been started. The error is errDown if it does not run.
func (n *node) meetGuest(ctx context.Context) (*hosted, error) {
	if !n.d.isInvited() {
		return nil, errUninvited
	}
	ctx, cancel := context.WithTimeout(ctx, guestTimeout)
	defer cancel()
	var h *hosted
	var up bool
	err := n.wait(ctx, func() bool {
		h, up = n.guest, n.up
		return h != nil || !up
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("no guest answers beside %s: %w", n.public.Name, err)
	case h == nil:
		return nil, errDown
	}
	return h, nil
}

// Start implements cluster.Control: it is refused.
func (n *node) Start(context.Context, cluster.ServerSpec) error {
	return fmt.Errorf("start a server on %s: %w: it has its own", n.public.Name, cluster.ErrCannot)
}

// Probe implements cluster.Control.
func (n *node) Probe(ctx context.Context, addr netip.AddrPort, timeout time.Duration) error {
	h, err := n.meetGuest(ctx)
	if err != nil {
		return err
	}
	return h.client.Probe(ctx, addr, timeout)
}

// DialServer implements cluster.Control. Where no guest was invited it goes over the
// network, which nobody breaks then.
func (n *node) DialServer(ctx context.Context, port int) (net.Conn, error) {
	h, err := n.meetGuest(ctx)
	if errors.Is(err, errUninvited) {
		return new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(n.public.At(), uint16(port)).String())
	}
	if err != nil {
		return nil, err
	}
	return h.client.DialServer(ctx, port)
}

// Exits implements cluster.Control.
func (n *node) Exits() <-chan cluster.Exit { return n.exits }

// tellExit delivers an exit.
func (n *node) tellExit(e cluster.Exit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return
	}
	select {
	case n.exits <- e:
	default:
		n.d.log.Warn("nobody takes the node's exits; this one is lost", "node", n.public.Name)
	}
}

// Heard implements cluster.Heard. A node that has no guest for the moment, as its
// container starts again, is not one that does not answer.
func (n *node) Heard() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.guest == nil {
		return time.Now()
	}
	return n.guest.client.Heard()
}

// can says why an action cannot be done.
func (n *node) can(ctx context.Context, kind cluster.ActionKind) error {
	switch kind {
	case cluster.Kill, cluster.Stop, cluster.Restart, cluster.Exec:
		return nil // the engine's
	case cluster.Pause, cluster.Resume, cluster.Crash:
		if why := n.look().alone; why != "" {
			return errors.New(why)
		}
	case cluster.Block, cluster.Unblock, cluster.Reset:
	default:
		return whyNot(kind)
	}
	h, err := n.meetGuest(ctx)
	if errors.Is(err, errUninvited) {
		return nil // nothing is known against it
	}
	if err != nil {
		return err
	}
	return h.client.Can(ctx, kind)
}

// Close implements cluster.Control: the guest ends and lets go what it holds.
func (n *node) Close() error {
	n.end()
	return nil
}

func (n *node) isEnded() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended
}

// end makes the guest end. It may be called more than once.
func (n *node) end() {
	var h *hosted
	var spare *docker.Guest
	n.change(func() {
		h, spare = n.guest, n.spare
		n.guest, n.spare = nil, nil
		if !n.ended {
			n.ended = true
			close(n.exits)
		}
	})
	if spare != nil {
		spare.Release() // it is removed with the others
	}
	if h == nil {
		return
	}
	if err := h.client.Close(); err != nil {
		n.d.log.Debug("compose close", "node", n.public.Name, "error", err)
	}
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-h.guest.Ended():
	case <-timer.C:
	}
	h.guest.Release()
}
