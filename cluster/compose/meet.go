package compose

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

const (
	meetTimeout = 15 * time.Second // for a guest to be brought
	meetPause   = 300 * time.Millisecond
	settleDown  = 300 * time.Millisecond // between a guest's end and the engine's word that its container ended
)

// Invite brings the first guest, and makes ready what a restart will need.
func (n *node) Invite(ctx context.Context) error {
	n.engine.Lock()
	defer n.engine.Unlock()
	if err := n.bring(ctx, n.look()); err != nil {
		return err
	}
	return n.prepare(ctx, n.look())
}

// bring brings a guest beside a container's life and gives it the rules that are to be
// in force. The caller holds engine.
func (n *node) bring(ctx context.Context, s seen) error {
	n.Mu.Lock()
	there, ended := n.guest, n.Ended()
	n.Mu.Unlock()
	if ended {
		return guests.ErrUninvited
	}
	if there != nil && there.of.id == s.id && there.of.started == s.started && !there.client.Ended() {
		return n.Rules.Apply(ctx, there.client) // it was brought in time for an earlier start
	}
	g, err := n.takeSpare(ctx, s)
	if err != nil {
		return err
	}
	c, err := g.Meet(ctx, s.addr())
	if err != nil {
		return err
	}
	// The container may have started once more meanwhile.
	if s, err = lookUp(ctx, n.d.api, s.id); err != nil {
		return errors.Join(err, c.Close(), g.Remove(ctx))
	}
	h := &hosted{guest: g, client: c, of: s}
	generation := n.d.Generation()
	if err := n.Rules.Apply(ctx, c); err != nil {
		return errors.Join(err, c.Close(), g.Remove(ctx))
	}
	n.Change(func() { n.guest = h; n.meter.NextLife() })
	n.d.Background.Go(func() { n.watch(h) })
	if n.d.Generation() != generation { // somebody has moved meanwhile
		return n.Rules.Apply(ctx, c)
	}
	return nil
}

// takeSpare is the guest that was made ahead, or a new one.
func (n *node) takeSpare(ctx context.Context, s seen) (*docker.Guest, error) {
	var spare *docker.Guest
	n.Change(func() { spare, n.spare = n.spare, nil })
	if spare != nil && spare.Victim() == s.id {
		return spare, nil
	}
	if spare != nil {
		if err := spare.Remove(ctx); err != nil {
			n.d.Log.Debug("compose", "node", n.Public.Name, "remove a guest that is of no use", err)
		}
	}
	return n.make(ctx, s)
}

func (n *node) make(ctx context.Context, s seen) (*docker.Guest, error) {
	number := 0
	n.Change(func() { n.brought++; number = n.brought })
	return n.d.made.Guest(ctx, n.Public.Name, fmt.Sprintf("%s-guest-%d", n.Public.Name, number), s.id, kindOf(s))
}

// prepare makes the next guest ahead, and what leaves word of the container. The
// caller holds engine.
func (n *node) prepare(ctx context.Context, s seen) error {
	n.Mu.Lock()
	word, spare := n.word, n.spare
	n.Mu.Unlock()
	if word == nil || word.Victim() != s.id {
		if word != nil {
			if err := word.Remove(ctx); err != nil {
				return err
			}
		}
		fresh, err := n.d.made.Word(ctx, n.Public.Name, s.id)
		if err != nil {
			return err
		}
		n.Change(func() { n.word = fresh })
	}
	if spare != nil {
		return nil
	}
	spare, err := n.make(ctx, s)
	if err != nil {
		return err
	}
	n.Change(func() { n.spare = spare })
	return nil
}

// watch tells what becomes of a guest.
func (n *node) watch(h *hosted) {
	for {
		select {
		case l := <-h.client.Lapses():
			n.Tell(guests.LapsedRules(l.From, l.Until))
			continue
		case <-h.guest.Ended():
		case <-h.client.Lost():
		case <-n.d.Context.Done():
			return
		}
		break
	}
	heard := h.client.Heard()
	n.Change(func() {
		if n.guest == h {
			n.guest = nil
		}
	})
	h.client.Abandon()
	n.dismiss(h)
	n.replace(h, heard)
}

// dismiss removes a guest that has ended, or is not heard of.
func (n *node) dismiss(h *hosted) {
	select {
	case <-h.guest.Ended(): // the engine removes it
		h.guest.Release()
		return
	default:
	}
	ctx, cancel := outlive(n.d.Context, engineTimeout)
	defer cancel()
	if err := h.guest.Remove(ctx); err != nil {
		n.d.Log.Warn("a guest that is not heard of cannot be removed", "node", n.Public.Name, "error", err)
	}
}

// replace brings another guest if one ended that should not have: its container goes
// on. What the old one held has ended by itself, which is told.
func (n *node) replace(h *hosted, heard time.Time) {
	timer := time.NewTimer(settleDown)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.d.Context.Done():
		return
	}
	ctx, cancel := context.WithTimeout(n.d.Context, meetTimeout)
	defer cancel()
	n.engine.Lock()
	defer n.engine.Unlock()
	s, err := lookUp(ctx, n.d.api, h.of.id)
	if err != nil || !s.running || s.started != h.of.started || n.IsEnded() {
		return // it ended with its container; the engine's events tell
	}
	held := n.Rules.Wished()
	n.Change(func() { held = held || len(n.Paused) > 0; clear(n.Paused) })
	if held {
		n.Tell(guests.LapsedGuest(heard))
	}
	err = n.bringAgain(ctx, n.look())
	if err == nil {
		err = n.prepare(ctx, n.look())
	}
	if err != nil && n.d.Context.Err() == nil {
		n.d.Log.Warn("no guest can be brought", "node", n.Public.Name, "error", err)
	}
}

// bringAgain is bring, tried until ctx ends or the container was started once more.
func (n *node) bringAgain(ctx context.Context, s seen) error {
	for try := 1; ; try++ {
		err := n.bring(ctx, s)
		if err == nil || n.IsEnded() || n.look().id != s.id {
			return err
		}
		n.d.Log.Debug("compose", "node", n.Public.Name, "try", try, "error", err)
		if sleepUntil(ctx, time.Now().Add(meetPause)) != nil {
			return err
		}
		if now, lookErr := lookUp(ctx, n.d.api, s.id); lookErr != nil || !now.running || now.started != s.started {
			return err
		}
	}
}

// isLatest tells whether the container was not started again since.
func (n *node) isLatest(began time.Time) bool {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	return n.began.Equal(began)
}

// meetAgain is what follows the start of a container: if rules are to be in force it
// is held back until they are; it gets a guest, and all nodes its addresses.
func (n *node) meetAgain(id string, began time.Time) {
	ctx, cancel := context.WithTimeout(n.d.Context, meetTimeout)
	defer cancel()
	if !n.d.Invited() {
		n.engine.Lock()
		defer n.engine.Unlock()
		_, _ = n.see(ctx, id) // for its addresses
		return
	}
	var g *guard
	if n.Rules.Wished() {
		g = n.holdBack(ctx, id)
		defer g.goOn()
	}
	n.engine.Lock()
	defer n.engine.Unlock()
	s, err := n.see(ctx, id)
	lives := n.isLatest(began) && err == nil && s.running
	if lives {
		err = n.bringAgain(ctx, s)
	}
	ruled := time.Now()
	if g != nil {
		g.goOn()
		if !lives {
			err = nil // it has ended; its next start is met by itself
			n.Mu.Lock()
			if n.died.After(began) {
				ruled = n.died
			}
			n.Mu.Unlock()
		}
		g.tell(began, ruled, err)
	}
	if lives && err == nil {
		err = n.prepare(ctx, s)
	}
	if lives && err != nil && n.d.Context.Err() == nil {
		n.d.Log.Warn("no guest can be brought", "node", n.Public.Name, "error", err)
	}
}

// see looks a container up that is the node's from now on, and tells all nodes if its
// addresses are others.
func (n *node) see(ctx context.Context, id string) (seen, error) {
	s, err := lookUp(ctx, n.d.api, id)
	if err != nil || !s.running {
		return s, err
	}
	before := n.look()
	s.key, s.node = before.key, before.node
	s.prefer(before.endpoints[0].network, before.endpoints[0].addr.Is4())
	if len(s.endpoints) == 0 {
		return s, errors.New("it has no address")
	}
	n.Change(func() { n.seen = s })
	if s.addr() == before.addr() && len(s.endpoints) == len(before.endpoints) && equal(s, before) {
		return s, nil
	}
	if s.addr() != before.addr() {
		n.Public.Move(s.addr())
		n.Tell(cluster.Change{At: time.Now(), Kind: cluster.Moved, Addr: s.addr(), Detail: "from " + before.addr().String() + " to " + s.addr().String()})
	}
	n.d.Moved(ctx, n.Node)
	return s, nil
}

func equal(a, b seen) bool {
	for i := range a.endpoints {
		if a.endpoints[i].addr != b.endpoints[i].addr {
			return false
		}
	}
	return true
}
