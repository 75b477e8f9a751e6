package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// node is one host. It implements cluster.Control.
type node struct {
	d      *deployment
	index  int
	host   string
	seen   seen
	public *cluster.Node
	exits  chan cluster.Exit

	rules  sync.Mutex                // held while rules are put into force
	wishes map[string][]cluster.Rule // by fault; guarded by rules

	mu      sync.Mutex
	guest   *guest
	changed chan struct{} // closed and replaced when guest changes
	down    bool          // the harness has taken the server down
	paused  map[string]bool
	heard   time.Time // of the last guest
	ended   bool
}

var (
	_ cluster.Control = (*node)(nil)
	_ cluster.Heard   = (*node)(nil)
)

func newNode(d *deployment, i int, host string, s seen) *node {
	n := &node{d: d, index: i, host: host, seen: s, exits: make(chan cluster.Exit, exitsBuffered), wishes: map[string][]cluster.Rule{},
		changed: make(chan struct{}), paused: map[string]bool{}, heard: time.Now()}
	n.public = &cluster.Node{Name: host, Index: i, Addr: s.addr, Port: d.spec.Port, Control: n, Away: n.away}
	return n
}

// away says what ssh says of a host whose guest is not heard of.
func (n *node) away(ctx context.Context) string {
	if _, err := n.d.target.run(ctx, n.host, "true", false); err != nil {
		return err.Error()
	}
	return "its host answers by ssh"
}

// change changes the node's state and wakes who waits for that.
func (n *node) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

const (
	guestTimeout = 10 * time.Second // for a guest to be there again
	againPause   = time.Second      // between two attempts at bringing one
)

var errUninvited = errors.New("no guest was invited")

// bring brings a guest and gives it the rules that are to be in force.
func (n *node) bring(ctx context.Context) error {
	secret, err := n.d.authority.Secret(n.key())
	if err != nil {
		return err
	}
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	g, err := n.d.target.meet(ctx, n.host, n.key(), n.d.packed, n.d.authority, agent.Invitation{
		Secret: secret, Server: n.d.target.Server, Lease: n.d.spec.Lease, Port: n.seen.port, Down: down,
	})
	if err != nil {
		return err
	}
	if err := n.apply(ctx, g); err != nil {
		return errors.Join(err, g.end())
	}
	ended := false
	n.change(func() {
		if ended = n.ended; !ended {
			n.guest = g
		}
	})
	if ended {
		return errors.Join(errUninvited, g.end())
	}
	n.d.background.Go(func() { n.watch(g) })
	return nil
}

// key is by what name the two ends of the control channel know the node: an address,
// as a host may be named, is none to TLS.
func (n *node) key() string { return "guest" + strconv.Itoa(n.index) }

// apply gives a guest the rules that are to be in force.
func (n *node) apply(ctx context.Context, g *guest) error {
	n.rules.Lock()
	defer n.rules.Unlock()
	for id, rules := range n.wishes {
		if _, err := g.client.Do(ctx, cluster.Action{Kind: agent.Replace, ID: id, Rules: rules}); err != nil {
			return err
		}
	}
	return nil
}

// watch tells what a guest sees, and brings another if it is lost.
func (n *node) watch(g *guest) {
	exits := g.client.Exits()
	for {
		select {
		case l := <-g.client.Lapses():
			n.tell(cluster.Change{At: l.From, Until: l.Until, Kind: cluster.Lapsed, Detail: "its network rules were not renewed in time; they are in force again"})
			continue
		case e, ok := <-exits:
			if ok {
				n.tellExit(e)
				continue
			}
			exits = nil
			continue
		case s := <-g.client.Starts():
			if !s.Planned {
				n.tell(cluster.Change{At: s.At, Kind: cluster.Restarted, Detail: "by whoever supervises it, or by somebody"})
			}
			continue
		case <-g.session.CloseChan():
		case <-g.client.Lost():
		case <-n.d.ctx.Done():
			return
		}
		break
	}
	if n.d.ctx.Err() == nil {
		n.replace(g)
	}
}

func (n *node) tell(c cluster.Change) {
	c.Node = n.index
	n.d.tell(c)
}

// replace brings another guest in place of one that is not heard of. What that held
// ends with it, at the latest with its lease, which is told.
func (n *node) replace(g *guest) {
	heard := g.client.Heard()
	held := false
	n.rules.Lock()
	held = len(n.wishes) > 0
	n.rules.Unlock()
	n.change(func() {
		n.heard = heard
		if n.guest == g {
			n.guest = nil
		}
		held = held || len(n.paused) > 0
		clear(n.paused)
	})
	g.lost()
	n.tell(cluster.Change{At: heard, Kind: cluster.Gone, Detail: "its guest is not heard of any more"})
	if held {
		n.tell(cluster.Change{At: heard, Kind: cluster.Lapsed, Detail: "its guest is not heard of; what it held has ended too"})
	}
	for n.d.ctx.Err() == nil {
		err := n.bring(n.d.ctx)
		if err == nil {
			n.d.log.Info("attached node", "node", n.host, "what", "it has a guest again")
			return
		}
		n.d.log.Debug("ssh", "node", n.host, "bring another guest", err)
		timer := time.NewTimer(againPause)
		select {
		case <-timer.C:
		case <-n.d.ctx.Done():
			timer.Stop()
		}
	}
}

// meetGuest is the guest that answers; it waits for the next one for a while.
func (n *node) meetGuest(ctx context.Context) (*guest, error) {
	if !n.d.isInvited() {
		return nil, errUninvited
	}
	ctx, cancel := context.WithTimeout(ctx, guestTimeout)
	defer cancel()
	for {
		n.mu.Lock()
		g, changed := n.guest, n.changed
		n.mu.Unlock()
		if g != nil {
			return g, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("no guest answers on %s: %w", n.host, ctx.Err())
		case <-n.d.ctx.Done():
			return nil, agent.ErrLost
		}
	}
}

// Start implements cluster.Control: it is refused.
func (n *node) Start(context.Context, cluster.ServerSpec) error {
	return fmt.Errorf("start a server on %s: %w: it has its own", n.host, cluster.ErrCannot)
}

// Probe implements cluster.Control.
func (n *node) Probe(ctx context.Context, addr netip.AddrPort, timeout time.Duration) error {
	g, err := n.meetGuest(ctx)
	if err != nil {
		return err
	}
	return g.client.Probe(ctx, addr, timeout)
}

// DialServer implements cluster.Control. Where no guest was invited it goes over the
// network, which nobody breaks then.
func (n *node) DialServer(ctx context.Context, port int) (net.Conn, error) {
	g, err := n.meetGuest(ctx)
	if errors.Is(err, errUninvited) {
		return new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(n.public.At(), uint16(port)).String())
	}
	if err != nil {
		return nil, err
	}
	return g.client.DialServer(ctx, port)
}

// Exits implements cluster.Control: how a server ended that is no child of ours is
// not known.
func (n *node) Exits() <-chan cluster.Exit { return n.exits }

func (n *node) tellExit(e cluster.Exit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return
	}
	select {
	case n.exits <- e:
	default:
		n.d.log.Warn("nobody takes the node's exits; this one is lost", "node", n.host)
	}
}

// CopyOutput implements cluster.Control: the server's log is not this run's.
func (n *node) CopyOutput(ctx context.Context, _ io.Writer) error {
	select {
	case <-n.d.ctx.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run implements cluster.Control: a command of the host, by the guest.
func (n *node) Run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	g, err := n.meetGuest(ctx)
	if err != nil {
		return nil, fmt.Errorf("run a command on %s: %w", n.host, err)
	}
	output, err := g.client.Run(ctx, spec)
	if err != nil {
		err = fmt.Errorf("%s: %w", n.host, err)
	}
	return output, err
}

// Heard implements cluster.Heard.
func (n *node) Heard() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.guest == nil {
		return n.heard
	}
	return n.guest.client.Heard()
}

// Close implements cluster.Control: the guest ends and lets go what it holds.
func (n *node) Close() error { return n.end() }

func (n *node) end() error {
	var g *guest
	n.change(func() {
		g, n.guest = n.guest, nil
		if !n.ended {
			n.ended = true
			close(n.exits)
		}
	})
	if g == nil {
		return nil
	}
	if err := g.end(); err != nil {
		return fmt.Errorf("end the guest on %s: %w; it ends by itself when its lease of %s has run out", n.host, err, n.d.spec.Lease)
	}
	return nil
}
