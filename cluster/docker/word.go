package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Word is what a harness leaves at the engine of what it has done there to a
// container of somebody else's, and has to undo: that it was killed, that it is
// paused. It is a container that is never started and says it by its name, so that
// the reaper, Clean and the next launch undo what a harness that was killed has not.
type Word struct {
	g      *Guests
	id     string
	victim string
	base   string // the name that says nothing

	mu             sync.Mutex
	killed, paused bool
}

// How the name goes on.
const (
	wordKilled = "-killed"
	wordPaused = "-paused"
)

// isWord tells whether a name is one that says something.
func isWord(name, base string) bool {
	rest, ok := strings.CutPrefix(name, base)
	return ok && (rest == wordKilled || rest == wordPaused || rest == wordKilled+wordPaused)
}

// Word makes it, for a node and its container.
func (g *Guests) Word(ctx context.Context, node, victim string) (*Word, error) {
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	labels := maps.Clone(g.labels)
	labels[labelNode], labels[labelVictim] = node+"-word", victim
	w := &Word{g: g, victim: victim, base: nodeContainer(g.id.run, node+"-word")}
	res, err := g.eng.api.ContainerCreate(call, client.ContainerCreateOptions{
		Name:       w.base,
		Config:     &container.Config{Image: g.image, Labels: labels},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	if err != nil {
		return nil, fmt.Errorf("leave word at the engine: %w", err)
	}
	w.id = res.ID
	return w, nil
}

// Victim is the container of which it speaks.
func (w *Word) Victim() string { return w.victim }

// Killed says whether the container is down until the harness starts it.
func (w *Word) Killed(ctx context.Context, yes bool) error {
	return w.say(ctx, func() { w.killed = yes })
}

// Paused says whether the container is paused until the harness lets it go on.
func (w *Word) Paused(ctx context.Context, yes bool) error {
	return w.say(ctx, func() { w.paused = yes })
}

func (w *Word) say(ctx context.Context, change func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.name()
	killed, paused := w.killed, w.paused
	change()
	name := w.name()
	if name == before {
		return nil
	}
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	if _, err := w.g.eng.api.ContainerRename(call, w.id, client.ContainerRenameOptions{NewName: name}); err != nil {
		w.killed, w.paused = killed, paused
		return fmt.Errorf("leave word at the engine: %w", err)
	}
	return nil
}

func (w *Word) name() string {
	name := w.base
	if w.killed {
		name += wordKilled
	}
	if w.paused {
		name += wordPaused
	}
	return name
}

// Remove takes the word back without undoing anything.
func (w *Word) Remove(ctx context.Context) error { return w.g.eng.removeContainer(ctx, w.id) }

// How long and how often undo looks whether the container gets into the state of
// which the word speaks: what the harness had asked the engine for last may still be
// on its way when the harness is dead.
const (
	undoWatch = 2 * time.Second
	undoEvery = 100 * time.Millisecond
)

// undo does what a word says has to be done to its container.
func (e *engine) undo(ctx context.Context, name, victim string) error {
	paused := strings.HasSuffix(name, wordPaused)
	killed := strings.HasSuffix(strings.TrimSuffix(name, wordPaused), wordKilled)
	ticker := time.NewTicker(undoEvery)
	defer ticker.Stop()
	for began := time.Now(); (killed || paused) && time.Since(began) < undoWatch; {
		res, err := e.api.ContainerInspect(ctx, victim, client.ContainerInspectOptions{})
		if notFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look container %s up, which was broken by the run: %w", short(victim), err)
		}
		switch state := res.Container.State; {
		case state == nil:
		case killed && !state.Running && !state.Restarting:
			if _, err := e.api.ContainerStart(ctx, victim, client.ContainerStartOptions{}); err != nil {
				return fmt.Errorf("start container %s again, which was killed by the run: %w", short(victim), err)
			}
			killed = false
		case paused && state.Paused:
			if _, err := e.api.ContainerUnpause(ctx, victim, client.ContainerUnpauseOptions{}); err != nil {
				return fmt.Errorf("let container %s go on, which was paused by the run: %w", short(victim), err)
			}
			paused = false
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// guestGrace is how many seconds a guest has to let go what it holds.
const guestGrace = 2

// removeOwn removes a container of ours, whatever it does. A guest is asked to end
// first, so that it takes its rules along; a word is kept.
func (e *engine) removeOwn(ctx context.Context, c container.Summary) error {
	victim := c.Labels[labelVictim]
	if victim == "" {
		return e.removeContainer(ctx, c.ID)
	}
	var errs []error
	for _, name := range c.Names {
		errs = append(errs, e.undo(ctx, name, victim))
	}
	if err := errors.Join(errs...); err != nil {
		return err // it stays, so that the next one tries again
	}
	if c.State == container.StateRunning {
		grace := guestGrace
		_, _ = e.api.ContainerStop(ctx, c.ID, client.ContainerStopOptions{Timeout: &grace}) // it is removed in any case
	}
	return e.removeContainer(ctx, c.ID)
}
