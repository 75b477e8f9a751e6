package compose

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
)

// guardTimeout bounds how long a server is held back for its rules, whatever
// happens.
const guardTimeout = 5 * time.Second

// foretell leaves word that the container is paused, ahead of that.
func (n *node) foretell() {
	n.Mu.Lock()
	word := n.word
	n.Mu.Unlock()
	if word == nil {
		return
	}
	if err := word.Paused(n.d.Context, true); err != nil {
		n.d.Log.Debug("compose", "node", n.Public.Name, "error", err)
	}
}

// unsay takes back what foretell said, when nothing is held back any more.
func (n *node) unsay(ctx context.Context) {
	n.Mu.Lock()
	word, held := n.word, n.guard != nil
	n.Mu.Unlock()
	if word == nil || held {
		return
	}
	if err := word.Paused(ctx, false); err != nil {
		n.d.Log.Debug("compose", "node", n.Public.Name, "error", err)
	}
}

// guard holds a container back, by the engine's pause, until its rules are in force.
type guard struct {
	n      *node
	id     string
	word   *docker.Word
	paused bool
	stood  time.Time // when it stood; zero: it could not be paused
	dog    *time.Timer
	once   sync.Once
	wentOn time.Time // known after goOn
}

// holdBack pauses the container. A watchdog lets it go on in any case.
func (n *node) holdBack(ctx context.Context, id string) *guard {
	g := &guard{n: n, id: id}
	n.guarding.Lock()
	defer n.guarding.Unlock()
	n.Mu.Lock()
	if w := n.word; w != nil && w.Victim() == id { // of one that was made anew there is none yet
		g.word = w
	}
	n.Mu.Unlock()
	if g.word != nil {
		if err := g.word.Paused(ctx, true); err != nil {
			n.d.Log.Debug("compose", "node", n.Public.Name, "error", err)
			return g
		}
	}
	var before *guard
	n.Change(func() { before, n.guard = n.guard, g })
	call, cancel := outlive(ctx, engineTimeout)
	defer cancel()
	_, err := n.d.api.ContainerPause(call, id, client.ContainerPauseOptions{})
	switch {
	case err == nil:
		g.stood, g.paused = time.Now(), true
	case errdefs.IsConflict(err) && before != nil && before.paused && before.id == id && n.d.isPaused(call, id):
		// The pause of the guard before was so slow that it hit this life.
		g.stood, g.paused = before.stood, true
	default:
		n.d.Log.Debug("compose", "node", n.Public.Name, "pause", err)
		return g
	}
	g.dog = time.AfterFunc(guardTimeout, g.goOn)
	return g
}

// goOn lets the container go on, once. One that was started again since, and is held
// back anew, is left to its own guard.
func (g *guard) goOn() {
	if g.dog != nil {
		g.dog.Stop()
	}
	g.once.Do(func() {
		g.n.guarding.Lock()
		defer g.n.guarding.Unlock()
		g.wentOn = time.Now()
		g.n.Mu.Lock()
		latest := g.n.guard == g
		g.n.Mu.Unlock()
		if !latest {
			return
		}
		defer g.n.Change(func() { g.n.guard = nil })
		call, cancel := outlive(g.n.d.Context, engineTimeout)
		defer cancel()
		if g.paused {
			if err := g.n.d.unpause(call, g.id); err != nil {
				g.n.d.Log.Warn("a container that was held back for its rules does not go on", "node", g.n.Public.Name, "error", err)
				return // the word stays for whoever cleans up
			}
		}
		if g.word != nil {
			if err := g.word.Paused(call, false); err != nil {
				g.n.d.Log.Debug("compose", "node", g.n.Public.Name, "error", err)
			}
		}
	})
}

// unpause lets a container go on. One that is not paused any more does.
func (d *deployment) unpause(ctx context.Context, id string) error {
	_, err := d.api.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	if err == nil {
		return nil
	}
	res, lookErr := d.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(lookErr) || lookErr == nil && (res.Container.State == nil || !res.Container.State.Paused) {
		return nil
	}
	return err
}

// isPaused tells whether the engine says so.
func (d *deployment) isPaused(ctx context.Context, id string) bool {
	res, err := d.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	return err == nil && res.Container.State != nil && res.Container.State.Paused
}

// tell tells for how long the container ran without the rules that were to be in
// force since it began: until it stood, and from when it went on too early. Failed is
// why they are not in force yet; ruled is when they were, or when it had ended.
func (g *guard) tell(began, ruled time.Time, failed error) {
	gap := func(from, until time.Time, detail string) {
		g.n.Tell(cluster.Change{At: from, Until: until, Kind: cluster.Unguarded, Detail: detail})
	}
	without := began // since when it has none
	if g.paused {
		gap(began, g.stood, fmt.Sprintf("it ran for %s before it was held back for its rules, and went on after %s",
			g.stood.Sub(began).Round(time.Millisecond), g.wentOn.Sub(began).Round(time.Millisecond)))
		without = g.wentOn
	}
	switch {
	case failed != nil:
		gap(without, time.Time{}, "its rules are not in force: no guest can be brought: "+failed.Error())
	case without.Before(ruled):
		gap(without, ruled, "it could not be held back for as long as its rules took")
	}
}
