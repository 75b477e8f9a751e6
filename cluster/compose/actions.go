package compose

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

const (
	engineTimeout = 30 * time.Second       // one call of the engine's
	deathTimeout  = 10 * time.Second       // for a container that was killed to be seen dead
	crashSeen     = 300 * time.Millisecond // for a container to end whose program was crashed
	startSeen     = time.Second            // for the engine to tell a start
	defaultGrace  = 5 * time.Second        // of Stop
	answerDelay   = time.Millisecond       // between a guest's last word and what it does then
)

// Do implements cluster.Control.
func (n *node) Do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	effect, err := n.do(ctx, a)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", a.Kind, n.Public.Name, err)
	}
	return effect, err
}

// whyNot says why an action is not for attached nodes.
func whyNot(kind cluster.ActionKind) error {
	if kind == cluster.Shape || kind == cluster.Unshape {
		return errors.New("bad links are for nodes that are launched: of a container that starts again, nobody would make them bad anew; use a partition, a pause or a reset")
	}
	return errors.New("no such action")
}

func (n *node) do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	if a.Process != "" && (a.Kind == cluster.Kill || a.Kind == cluster.Stop) {
		return cluster.Effect{}, fmt.Errorf("%w: the engine hits whole containers: use crash for one program", cluster.ErrCannot)
	}
	switch a.Kind {
	case cluster.Kill:
		return n.byEngine(ctx, a, n.kill)
	case cluster.Stop:
		return n.byEngine(ctx, a, n.stop)
	case cluster.Restart:
		return n.byEngine(ctx, a, n.restart)
	case cluster.Block:
		return n.Rules.Block(ctx, a, n.byGuest)
	case cluster.Unblock:
		return n.Rules.Unblock(ctx, a, n.byGuest)
	case cluster.Pause, cluster.Resume, cluster.Crash:
		if why := n.look().alone; why != "" {
			return cluster.Effect{}, fmt.Errorf("%w: %s", cluster.ErrCannot, why)
		}
		if a.Kind == cluster.Crash {
			return n.crash(ctx, a)
		}
		effect, err := n.byGuest(ctx, a)
		if err == nil {
			n.NotePause(a)
		}
		return effect, err
	case cluster.Reset:
		return n.byGuest(ctx, a)
	}
	return cluster.Effect{}, fmt.Errorf("%w: %w", cluster.ErrCannot, whyNot(a.Kind))
}

// byGuest has the guest do an action. On a container that does not run there is
// nothing to do, which changes nothing; rules wait until it does. When the guest is
// lost meanwhile the next one does it.
func (n *node) byGuest(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	for {
		h, err := n.meetGuest(ctx)
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
		n.Wait(ctx, func() bool { return n.guest != h }) //nolint:errcheck // then the next round tells
	}
}

// crash has the guest end processes. With PID 1 the container ends and the guest
// with it, perhaps before its answer.
func (n *node) crash(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	n.Change(func() { n.asked, n.askedFor = a.ID, true })
	unask := func() (asked bool) {
		n.Change(func() { asked = n.askedFor; n.asked, n.askedFor = "", false })
		return asked
	}
	began := time.Now()
	effect, err := n.byGuest(ctx, a)
	if err == nil && !effect.Changed {
		unask()
		return effect, nil
	}
	effect.Error += answerDelay
	limit := crashSeen
	if a.Process == "" && err == nil {
		limit = deathTimeout
	}
	bound, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if n.Wait(bound, func() bool { return n.died.After(began) }) == nil {
		if err != nil {
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
		return cluster.Effect{}, fmt.Errorf("the engine does not say that the container has ended, %s after the guest ended its PID 1", limit)
	case asked:
		n.TellExit(cluster.Exit{At: effect.At, Code: -1, Signal: "killed", Planned: true, By: a.ID})
	}
	return effect, nil
}

// byEngine waits for the instant and has the engine do an action. What has to be
// ready then is made ready before.
func (n *node) byEngine(ctx context.Context, a cluster.Action, do func(context.Context, cluster.Action) (cluster.Effect, error)) (cluster.Effect, error) {
	// One that is held back for its rules is left alone until it goes on.
	if err := n.Wait(ctx, func() bool { return n.guard == nil }); err != nil {
		return cluster.Effect{}, err
	}
	n.engine.Lock()
	defer n.engine.Unlock()
	call, cancel := outlive(ctx, max(0, time.Until(a.At))+a.Grace+engineTimeout)
	defer cancel()
	if a.Kind != cluster.Restart {
		if err := n.leaveWord(call, true); err != nil {
			return cluster.Effect{}, err
		}
	}
	if err := sleepUntil(ctx, a.At); err != nil {
		return cluster.Effect{}, errors.Join(err, n.leaveWord(call, n.isDown()))
	}
	effect, err := do(call, a)
	if a.Kind == cluster.Restart && err == nil || a.Kind != cluster.Restart && (err != nil || !effect.Changed) {
		err = errors.Join(err, n.leaveWord(call, n.isDown()))
	}
	return effect, err
}

// isDown tells whether the harness has the container down.
func (n *node) isDown() bool {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	return n.down
}

// leaveWord leaves word at the engine that the container is down until the harness
// starts it.
func (n *node) leaveWord(ctx context.Context, down bool) error {
	n.Mu.Lock()
	w := n.word
	n.Mu.Unlock()
	if w == nil {
		return guests.ErrUninvited
	}
	return w.Killed(ctx, down)
}

func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kill has the engine kill the container, which its restart policy does not mend.
func (n *node) kill(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	return n.take(ctx, a, func(id string) error {
		_, err := n.d.api.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "SIGKILL"})
		if err == nil || !notRunning(err) {
			return err
		}
		// One that waits for its restart policy is not running, and would start.
		s, lookErr := n.d.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if lookErr != nil || s.Container.State == nil || !s.Container.State.Restarting {
			return err
		}
		none := 0
		_, err = n.d.api.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &none})
		return err
	})
}

// stop has the engine stop the container by its own stop signal. The engine counts
// the grace in seconds.
func (n *node) stop(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	grace := a.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	seconds := int((grace + time.Second - 1) / time.Second)
	return n.take(ctx, a, func(id string) error {
		_, err := n.d.api.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds})
		return err
	})
}

// take takes the container down and waits until the engine says that it is. It took
// effect between the request and the engine's word that it has sent the signal.
func (n *node) take(ctx context.Context, a cluster.Action, ask func(id string) error) (cluster.Effect, error) {
	up, id := false, ""
	n.Change(func() { up, id = n.up, n.seen.id; n.asked, n.askedFor = a.ID, true })
	began := time.Now()
	err := ask(id)
	answered := time.Now()
	if err != nil {
		n.Change(func() { n.asked, n.askedFor = "", false })
		if notRunning(err) {
			return cluster.Effect{At: answered}, nil
		}
		return cluster.Effect{}, err
	}
	n.Change(func() { n.down = true })
	// The latest that it can have been: what is answered later is not the dead one's.
	effect := cluster.Effect{At: answered, Error: answered.Sub(began), Changed: true}
	if !up { // it waited for its restart policy, or was down
		n.Change(func() { n.asked, n.askedFor = "", false })
		return effect, nil
	}
	bound, cancel := context.WithTimeout(ctx, deathTimeout)
	defer cancel()
	if err := n.Wait(bound, func() bool { return n.died.After(began) }); err != nil {
		return cluster.Effect{}, fmt.Errorf("see the container's end: %w", err)
	}
	n.Mu.Lock()
	defer n.Mu.Unlock()
	if sent := n.signal; sent.After(began) && sent.Before(answered) {
		effect.At, effect.Error = sent, sent.Sub(began)
	}
	return effect, nil
}

// notRunning tells whether the engine refused as the container does not run.
func notRunning(err error) bool { return errdefs.IsConflict(err) || errdefs.IsNotModified(err) }

// restart has the engine start the container.
func (n *node) restart(ctx context.Context, _ cluster.Action) (cluster.Effect, error) {
	s, err := n.d.latest(ctx, n.key, n.look().id)
	if err != nil {
		return cluster.Effect{}, err
	}
	if s.running {
		n.Change(func() { n.down = false })
		return cluster.Effect{At: time.Now()}, nil
	}
	n.Change(func() { n.starting = true })
	began := time.Now()
	if _, err := n.d.api.ContainerStart(ctx, s.id, client.ContainerStartOptions{}); err != nil {
		n.Change(func() { n.starting = false })
		return cluster.Effect{}, err
	}
	answered := time.Now()
	n.Change(func() { n.down = false })
	effect := cluster.Effect{At: answered, Error: answered.Sub(began), Changed: true}
	// The engine starts the process last of all, and tells it then.
	bound, cancel := context.WithTimeout(ctx, startSeen)
	defer cancel()
	if n.Wait(bound, func() bool { return n.began.After(began) }) == nil {
		n.Mu.Lock()
		defer n.Mu.Unlock()
		effect.At, effect.Error = n.began, n.began.Sub(began)
	}
	return effect, nil
}
