package ssh

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// known are the actions that a guest on a host can do.
var known = []cluster.ActionKind{
	cluster.Kill, cluster.Crash, cluster.Stop, cluster.Restart, cluster.Pause, cluster.Resume, cluster.Block, cluster.Unblock, cluster.Exec,
}

// Can says why an action cannot be done.
func (n *node) Can(ctx context.Context, kind cluster.ActionKind) error {
	server := n.d.target.Server
	switch {
	case !slices.Contains(known, kind):
		return errors.New("guests on hosts do not know how")
	case kind == cluster.Kill && server.Unit == "" && len(server.Start) == 0:
		return errors.New("nobody knows how to start the server again: say unit (of systemd), or start with the command")
	case kind == cluster.Stop && server.Unit == "" && (len(server.Stop) == 0 || len(server.Start) == 0):
		return errors.New("nobody knows how to stop the server in order and to start it again: say unit (of systemd), or stop and start with the commands")
	case kind == cluster.Exec:
		return nil
	}
	g, err := n.meetGuest(ctx)
	if errors.Is(err, guests.ErrUninvited) {
		return nil // nothing is known against it
	}
	if err != nil {
		return err
	}
	return g.client.Can(ctx, kind)
}

// Do implements cluster.Control.
func (n *node) Do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	effect, err := n.do(ctx, a)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", a.Kind, n.host, err)
	}
	return effect, err
}

func (n *node) do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	if a.Process != "" && (a.Kind == cluster.Kill || a.Kind == cluster.Stop) {
		return cluster.Effect{}, fmt.Errorf("%w: they hit the whole server: use crash for one program", cluster.ErrCannot)
	}
	switch a.Kind {
	case cluster.Block:
		return n.Rules.Block(ctx, a, n.byGuest)
	case cluster.Unblock:
		return n.Rules.Unblock(ctx, a, n.byGuest)
	case cluster.Exec:
		return cluster.Effect{}, fmt.Errorf("%w: commands go by Run", cluster.ErrCannot)
	}
	effect, err := n.byGuest(ctx, a)
	if err == nil {
		n.keep(a)
	}
	return effect, err
}

// keep keeps what a guest that comes in place of this one has to know, and what ends
// with it.
func (n *node) keep(a cluster.Action) {
	switch a.Kind {
	case cluster.Pause, cluster.Resume:
		n.NotePause(a)
	case cluster.Kill, cluster.Stop, cluster.Restart:
		n.Mu.Lock()
		defer n.Mu.Unlock()
		n.down = a.Kind != cluster.Restart
	}
}

// byGuest has the guest do an action. When it is lost meanwhile the next one does what
// may be done twice.
func (n *node) byGuest(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	for {
		g, err := n.meetGuest(ctx)
		if err != nil {
			return cluster.Effect{}, err
		}
		effect, err := g.client.Do(ctx, a)
		again := a.Kind == cluster.Unblock || a.Kind == cluster.Resume || a.Kind == cluster.Restart
		if err == nil || ctx.Err() != nil || !again || !g.client.Ended() {
			return effect, err
		}
		n.Wait(ctx, func() bool { return n.guest != g }) //nolint:errcheck // then the next round tells
	}
}
