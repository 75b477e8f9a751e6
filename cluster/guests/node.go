package guests

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
)

// Node is the part of a node that all places have alike: parts of cluster.Control, and
// a state that is changed and waited for. A place's node embeds it.
type Node struct {
	Deployment *Deployment
	Index      int
	Public     *cluster.Node
	Rules      *Rules

	// Mu guards the place's own state too. What others wait for is changed by Change.
	Mu sync.Mutex
	// Paused is what was paused, by the program's name or "" for all, so that its end by
	// itself can be told; guarded by Mu.
	Paused map[string]bool

	// via is the guest that reaches the node's network, ErrUninvited if none was asked for.
	via     func(context.Context) (*agent.Client, error)
	ruler   func() *agent.Client
	exits   chan cluster.Exit
	changed chan struct{} // closed and replaced with each change
	ended   bool
}

// Via is how a Node reaches its guests.
type Via struct {
	// Network is the guest in the node's network. It waits for the next one for a while;
	// the error is ErrUninvited where none was ever asked for, ErrDown where the node does not run.
	Network func(context.Context) (*agent.Client, error)
	// Now is that guest if it is there now, else nil; asked with Mu held.
	Now func() *agent.Client
	// Whom says whom an address means; see Whom.
	Whom func(netip.Addr) Whom
}

// NewNode makes a node of its public part, whose Control the caller sets.
func NewNode(d *Deployment, public *cluster.Node, via Via) *Node {
	return &Node{
		Deployment: d, Index: public.Index, Public: public, Rules: newRules(public.Index, via.Whom), Paused: map[string]bool{},
		via: via.Network, ruler: via.Now, exits: make(chan cluster.Exit, exitsBuffered), changed: make(chan struct{}),
	}
}

func (n *Node) base() *Node { return n }

// Change changes the node's state, with Mu held, and wakes who waits for that.
func (n *Node) Change(f func()) {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

// Wait returns when ok is true, which is asked with Mu held, or ctx or the deployment
// ends: the latter is agent.ErrLost.
func (n *Node) Wait(ctx context.Context, ok func() bool) error {
	for {
		n.Mu.Lock()
		done, changed := ok(), n.changed
		n.Mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-n.Deployment.Context.Done():
			return agent.ErrLost
		}
	}
}

// Meet is a node's guest. It waits up to the timeout for the next one while there is
// none, unless the node does not run, which is ErrDown; look is asked with Mu held.
func Meet[G any](ctx context.Context, n *Node, timeout time.Duration, look func() (guest *G, runs bool)) (*G, error) {
	if !n.Deployment.Invited() {
		return nil, ErrUninvited
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var guest *G
	var runs bool
	err := n.Wait(ctx, func() bool {
		guest, runs = look()
		return guest != nil || !runs
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("no guest answers at %s: %w", n.Public.Name, err)
	case guest == nil:
		return nil, ErrDown
	}
	return guest, nil
}

// Start implements cluster.Control: it is refused.
func (n *Node) Start(context.Context, cluster.ServerSpec) error {
	return fmt.Errorf("start a server on %s: %w: it has its own", n.Public.Name, cluster.ErrCannot)
}

// Probe implements cluster.Control.
func (n *Node) Probe(ctx context.Context, addr netip.AddrPort, timeout time.Duration) error {
	c, err := n.via(ctx)
	if err != nil {
		return err
	}
	return c.Probe(ctx, addr, timeout)
}

// DialServer implements cluster.Control. Where no guest was invited it goes over the
// network, which nobody breaks then.
func (n *Node) DialServer(ctx context.Context, port int) (net.Conn, error) {
	c, err := n.via(ctx)
	if errors.Is(err, ErrUninvited) {
		return new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(n.Public.At(), uint16(port)).String())
	}
	if err != nil {
		return nil, err
	}
	return c.DialServer(ctx, port)
}

// Exits implements cluster.Control; closed by EndExits.
func (n *Node) Exits() <-chan cluster.Exit { return n.exits }

// TellExit delivers an exit, unless the node has ended.
func (n *Node) TellExit(e cluster.Exit) {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	if n.ended {
		return
	}
	select {
	case n.exits <- e:
	default:
		n.Deployment.Log.Warn("nobody takes the node's exits; this one is lost", "node", n.Public.Name)
	}
}

// EndExits marks the node as ended, once. The caller holds Mu.
func (n *Node) EndExits() {
	if !n.ended {
		n.ended = true
		close(n.exits)
	}
}

// Ended tells whether EndExits was called. The caller holds Mu.
func (n *Node) Ended() bool { return n.ended }

// IsEnded is Ended for who does not hold Mu.
func (n *Node) IsEnded() bool {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	return n.ended
}

// NotePause keeps what a Pause has paused and a Resume let go.
func (n *Node) NotePause(a cluster.Action) {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	switch {
	case a.Kind == cluster.Pause:
		n.Paused[a.Process] = true
	case a.Process == "":
		clear(n.Paused)
	default:
		delete(n.Paused, a.Process)
	}
}

// Tell delivers a change of this node.
func (n *Node) Tell(c cluster.Change) {
	c.Node = n.Index
	n.Deployment.Tell(c)
}

// LapsedRules is the change that a guest's Lapse means.
func LapsedRules(from, until time.Time) cluster.Change {
	return cluster.Change{At: from, Until: until, Kind: cluster.Lapsed, Detail: "its network rules were not renewed in time; they are in force again"}
}

// LapsedGuest is the change that the end of a guest means that held something; heard
// is when it was last heard of.
func LapsedGuest(heard time.Time) cluster.Change {
	return cluster.Change{At: heard, Kind: cluster.Lapsed, Detail: "its guest is not heard of; what it held has ended too"}
}

// NothingToDo is the effect of an action on a node that does not run: it changes
// nothing, but that rules wait until it does.
func NothingToDo(a cluster.Action) cluster.Effect {
	at := a.At
	if now := time.Now(); now.After(at) {
		at = now
	}
	return cluster.Effect{At: at, Changed: a.Kind == cluster.Block}
}
