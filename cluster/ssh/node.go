package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// node is one host. It implements cluster.Control.
type node struct {
	*guests.Node
	d    *deployment
	host string
	seen seen

	// Guarded by Mu:
	guest *guest
	down  bool      // the harness has taken the server down
	heard time.Time // of the last guest
}

var (
	_ cluster.Control = (*node)(nil)
	_ cluster.Heard   = (*node)(nil)
)

func newNode(d *deployment, i int, host string, s seen) *node {
	n := &node{d: d, host: host, seen: s, heard: time.Now()}
	public := &cluster.Node{Name: host, Index: i, Addr: s.addr, Port: d.spec.Port, Control: n, Away: n.away}
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

// away says what ssh says of a host whose guest is not heard of.
func (n *node) away(ctx context.Context) string {
	if _, err := n.d.target.run(ctx, n.host, "true", false); err != nil {
		return err.Error()
	}
	return "its host answers by ssh"
}

const (
	guestTimeout = 10 * time.Second // for a guest to be there again
	againPause   = time.Second      // between two attempts at bringing one
)

// Invite brings the first guest.
func (n *node) Invite(ctx context.Context) error { return n.bring(ctx) }

// bring brings a guest and gives it the rules that are to be in force.
func (n *node) bring(ctx context.Context) error {
	secret, err := n.d.authority.Secret(n.key())
	if err != nil {
		return err
	}
	n.Mu.Lock()
	down := n.down
	n.Mu.Unlock()
	g, err := n.d.target.meet(ctx, n.host, n.key(), n.d.packed, n.d.authority, agent.Invitation{
		Secret: secret, Server: n.d.target.Server, Lease: n.d.spec.Lease, Port: n.seen.port, Down: down,
	})
	if err != nil {
		return err
	}
	if err := n.Rules.Apply(ctx, g.client); err != nil {
		return errors.Join(err, g.end())
	}
	ended := false
	n.Change(func() {
		if ended = n.Ended(); !ended {
			n.guest = g
		}
	})
	if ended {
		return errors.Join(guests.ErrUninvited, g.end())
	}
	n.d.Background.Go(func() { n.watch(g) })
	return nil
}

// key is by what name the two ends of the control channel know the node: an address,
// as a host may be named, is none to TLS.
func (n *node) key() string { return "guest" + strconv.Itoa(n.Index) }

// watch tells what a guest sees, and brings another if it is lost.
func (n *node) watch(g *guest) {
	exits := g.client.Exits()
	for {
		select {
		case l := <-g.client.Lapses():
			n.Tell(guests.LapsedRules(l.From, l.Until))
			continue
		case e, ok := <-exits:
			if ok {
				n.TellExit(e)
				continue
			}
			exits = nil
			continue
		case s := <-g.client.Starts():
			if !s.Planned {
				n.Tell(cluster.Change{At: s.At, Kind: cluster.Restarted, Detail: "by whoever supervises it, or by somebody"})
			}
			continue
		case <-g.session.CloseChan():
		case <-g.client.Lost():
		case <-n.d.Context.Done():
			return
		}
		break
	}
	if n.d.Context.Err() == nil {
		n.replace(g)
	}
}

// replace brings another guest in place of one that is not heard of. What that held
// ends with it, at the latest with its lease, which is told.
func (n *node) replace(g *guest) {
	heard := g.client.Heard()
	held := n.Rules.Wished()
	n.Change(func() {
		n.heard = heard
		if n.guest == g {
			n.guest = nil
		}
		held = held || len(n.Paused) > 0
		clear(n.Paused)
	})
	g.lost()
	n.Tell(cluster.Change{At: heard, Kind: cluster.Gone, Detail: "its guest is not heard of any more"})
	if held {
		n.Tell(guests.LapsedGuest(heard))
	}
	for n.d.Context.Err() == nil {
		err := n.bring(n.d.Context)
		if err == nil {
			n.d.Log.Info("attached node", "node", n.host, "what", "it has a guest again")
			return
		}
		n.d.Log.Debug("ssh", "node", n.host, "bring another guest", err)
		timer := time.NewTimer(againPause)
		select {
		case <-timer.C:
		case <-n.d.Context.Done():
			timer.Stop()
		}
	}
}

// meetGuest is the guest that answers; it waits for the next one for a while.
func (n *node) meetGuest(ctx context.Context) (*guest, error) {
	return guests.Meet(ctx, n.Node, guestTimeout, func() (*guest, bool) { return n.guest, true })
}

// CopyOutput implements cluster.Control: the server's log is not this run's.
func (n *node) CopyOutput(ctx context.Context, _ io.Writer) error {
	select {
	case <-n.d.Context.Done():
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
	n.Mu.Lock()
	defer n.Mu.Unlock()
	if n.guest == nil {
		return n.heard
	}
	return n.guest.client.Heard()
}

// Close implements cluster.Control: the guest ends and lets go what it holds.
func (n *node) Close() error { return n.end() }

func (n *node) end() error {
	var g *guest
	n.Change(func() {
		g, n.guest = n.guest, nil
		n.EndExits()
	})
	if g == nil {
		return nil
	}
	if err := g.end(); err != nil {
		return fmt.Errorf("end the guest on %s: %w; it ends by itself when its lease of %s has run out", n.host, err, n.d.spec.Lease)
	}
	return nil
}
