package compose

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// hosted is a guest that answers.
type hosted struct {
	guest  *docker.Guest
	client *agent.Client
	of     seen // the container's life that it shares
}

// agent is how the guest is spoken to; of no guest nil.
func (h *hosted) agent() *agent.Client {
	if h == nil {
		return nil
	}
	return h.client
}

// node is one container, and what stands for it when it is made anew. It implements
// cluster.Control.
type node struct {
	*guests.Node
	d   *deployment
	key key

	// engine is held while the engine is asked to change the container, and while a
	// guest is brought: one at a time.
	engine sync.Mutex
	// guarding is held while the container is paused, and let go on, for its rules.
	guarding sync.Mutex
	// Guarded by Mu:
	seen     seen
	up       bool
	guest    *hosted
	spare    *docker.Guest
	word     *docker.Word
	brought  int    // made so far, for their names
	asked    string // the id of the action that asks for the container's end
	askedFor bool
	down     bool      // the harness has taken it down
	guard    *guard    // it is paused until its rules are in force; nil: it is not
	starting bool      // it is being started by the harness
	oom      bool      // the kernel killed one of its processes since it started
	signal   time.Time // when the engine last sent it a signal
	died     time.Time // when it last ended
	began    time.Time // when it was last started
	meter    cluster.Meter
}

var (
	_ cluster.Control = (*node)(nil)
	_ cluster.Heard   = (*node)(nil)
	_ cluster.Metered = (*node)(nil)
)

func newNode(d *deployment, i int, s seen) *node {
	n := &node{d: d, key: s.key, seen: s, up: s.running}
	public := &cluster.Node{
		Name: s.node, Index: i, Addr: s.addr(), Port: d.spec.Port, Control: n,
		Away: func(ctx context.Context) string { return d.made.Away(ctx, n.look().id) },
	}
	n.Node = guests.NewNode(d.Deployment, public, guests.Via{
		Network: func(ctx context.Context) (*agent.Client, error) {
			g, err := n.meetGuest(ctx)
			return g.agent(), err
		},
		Now:  func() *agent.Client { return n.guest.agent() },
		Whom: d.whom,
	})
	return n
}

// look is what was last seen of the container.
func (n *node) look() seen {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	return n.seen
}

const guestTimeout = 10 * time.Second // for a guest to be there again

// meetGuest is the guest that answers; it waits for the next one while the container
// has just been started. The error is guests.ErrDown if it does not run.
func (n *node) meetGuest(ctx context.Context) (*hosted, error) {
	return guests.Meet(ctx, n.Node, guestTimeout, func() (*hosted, bool) { return n.guest, n.up })
}

// Heard implements cluster.Heard. A node that has no guest for the moment, as its
// container starts again, is not one that does not answer.
func (n *node) Heard() time.Time {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	if n.guest == nil {
		return time.Now()
	}
	return n.guest.client.Heard()
}

// Can says why an action cannot be done.
func (n *node) Can(ctx context.Context, kind cluster.ActionKind) error {
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
	if errors.Is(err, guests.ErrUninvited) {
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

// end makes the guest end. It may be called more than once.
func (n *node) end() {
	var h *hosted
	var spare *docker.Guest
	n.Change(func() {
		h, spare = n.guest, n.spare
		n.guest, n.spare = nil, nil
		n.EndExits()
	})
	if spare != nil {
		spare.Release() // it is removed with the others
	}
	if h == nil {
		return
	}
	if err := h.client.Close(); err != nil {
		n.d.Log.Debug("compose close", "node", n.Public.Name, "error", err)
	}
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-h.guest.Ended():
	case <-timer.C:
	}
	h.guest.Release()
}
