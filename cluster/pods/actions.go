package pods

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

const (
	deathTimeout = 15 * time.Second // for a container whose first process was crashed to be seen dead
	crashSeen    = 5 * time.Second  // for a container to end whose program was crashed
	answerDelay  = time.Millisecond // between a guest's last word and what it does then
)

// Do implements cluster.Control.
func (n *node) Do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	effect, err := n.do(ctx, a)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", a.Kind, n.Public.Name, err)
	}
	return effect, err
}

// whyNot says why an action is not for attached pods.
func whyNot(kind cluster.ActionKind) error {
	switch kind {
	case cluster.Kill, cluster.Stop, cluster.Restart:
		return errors.New("the cluster starts a container that was killed again, and nothing keeps it down: use crash or delete")
	case cluster.Shape, cluster.Unshape:
		return errors.New("bad links are for nodes that are launched: use a partition, a pause or a reset")
	}
	return errors.New("a guest in a pod cannot do that: have the plan launch the nodes, on host kubernetes")
}

func (n *node) do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	switch a.Kind {
	case cluster.Block:
		return n.Rules.Block(ctx, a, n.byNetwork)
	case cluster.Unblock:
		return n.Rules.Unblock(ctx, a, n.byNetwork)
	case cluster.Reset:
		return n.byNetwork(ctx, a)
	case cluster.Delete:
		return n.delete(ctx, a)
	case cluster.Rollout:
		return n.rollout(ctx, a)
	case cluster.Drain:
		return n.drain(ctx, a)
	case cluster.Cordon:
		return n.cordon(ctx, a)
	case cluster.Uncordon:
		return n.uncordon(ctx, a)
	case cluster.Pause, cluster.Resume, cluster.Crash:
		if s := n.look(); s.pod != nil && alone(s.pod) != "" {
			return cluster.Effect{}, fmt.Errorf("%w: %s", cluster.ErrCannot, alone(s.pod))
		}
		if a.Kind == cluster.Crash {
			return n.crash(ctx, a)
		}
		effect, err := n.byGuest(ctx, a, true)
		if err == nil {
			n.NotePause(a)
		}
		return effect, err
	}
	return cluster.Effect{}, fmt.Errorf("%w: %w", cluster.ErrCannot, whyNot(a.Kind))
}

// byGuest has a guest do an action. On a server that does not run there is nothing to
// do, which changes nothing; rules wait until the pod is there. When the guest is lost
// meanwhile the next one does it.
func (n *node) byGuest(ctx context.Context, a cluster.Action, ofProcesses bool) (cluster.Effect, error) {
	for {
		h, err := n.meetGuest(ctx, ofProcesses)
		if errors.Is(err, guests.ErrDown) {
			return guests.NothingToDo(a), nil
		}
		if err != nil {
			return cluster.Effect{}, err
		}
		effect, err := h.client.Do(ctx, a)
		if err == nil || ctx.Err() != nil || !h.client.Ended() || a.Kind == cluster.Crash {
			return effect, err // a crash may have been done: it is not done twice
		}
		n.Wait(ctx, func() bool { return n.network != h && n.processes != h }) //nolint:errcheck // then the next round tells
	}
}

// byNetwork has the guest of the network do an action.
func (n *node) byNetwork(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	return n.byGuest(ctx, a, false)
}

// crash has the guest end processes. With PID 1 the container ends and the guest with
// it, perhaps before its answer. The cluster tells it a second or so later.
func (n *node) crash(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	n.Change(func() { n.asked, n.askedFor, n.askedAt = a.ID, true, time.Time{} })
	unask := func() (asked bool) {
		n.Change(func() { asked = n.askedFor; n.asked, n.askedFor, n.askedAt = "", false, time.Time{} })
		return asked
	}
	n.Mu.Lock()
	life := n.life
	n.Mu.Unlock()
	began := time.Now()
	effect, err := n.byGuest(ctx, a, true)
	if err == nil && !effect.Changed {
		unask()
		return effect, nil
	}
	effect.Error += answerDelay
	limit := crashSeen
	if err == nil {
		n.Change(func() {
			if n.askedFor {
				n.askedAt = effect.At
			}
		})
		if a.Process == "" {
			limit = deathTimeout
		}
	}
	bound, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if n.Wait(bound, func() bool { return n.life != life }) == nil {
		if err != nil { // its answer ended with it
			n.Mu.Lock()
			defer n.Mu.Unlock()
			effect = cluster.Effect{At: n.died, Error: n.died.Sub(began), Changed: true}
		}
		return effect, nil
	}
	asked := unask()
	switch {
	case err != nil:
		return cluster.Effect{}, err
	case a.Process == "":
		return cluster.Effect{}, fmt.Errorf("the cluster does not say that the container has ended, %s after the guest ended its PID 1", limit)
	case asked:
		n.TellExit(cluster.Exit{At: effect.At, Code: -1, Signal: "killed", Planned: true, By: a.ID})
	}
	return effect, nil
}

// Can says why an action cannot be done.
func (n *node) Can(ctx context.Context, kind cluster.ActionKind) error {
	ofProcesses := false
	switch kind {
	case cluster.Exec:
		return nil
	case cluster.Delete:
		return n.canDelete(ctx)
	case cluster.Rollout:
		return n.canRollOut(ctx)
	case cluster.Drain:
		return n.canDrain(ctx)
	case cluster.Cordon, cluster.Uncordon:
		return n.canCordon(ctx)
	case cluster.Pause, cluster.Resume, cluster.Crash:
		if s := n.look(); s.pod != nil && alone(s.pod) != "" {
			return errors.New(alone(s.pod))
		}
		ofProcesses = true
	case cluster.Block, cluster.Unblock, cluster.Reset:
	default:
		return whyNot(kind)
	}
	a, err := n.d.admitted(ctx)
	if err != nil {
		return err
	}
	if !ofProcesses && a.noRules != nil {
		return fmt.Errorf("a guest in the pod needs NET_ADMIN for this, which the namespace does not admit: %w; pauses and crashes need none", a.noRules)
	}
	h, err := n.meetGuest(ctx, ofProcesses)
	if errors.Is(err, guests.ErrUninvited) {
		return nil // nothing is known against it
	}
	if err != nil {
		return err
	}
	if err := h.client.Can(ctx, kind); err != nil {
		if ofProcesses && a.noTrace != nil {
			err = fmt.Errorf("%w; a guest that may trace every user's processes is not admitted: %w", err, a.noTrace)
		}
		return err
	}
	return nil
}
