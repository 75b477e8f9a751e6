package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

const (
	attempts  = 3           // at bringing a guest: each leaves a container's name in the pod
	meetPause = time.Second // between two of them
	metBy     = 90 * time.Second
)

// errOther says that another life, or another pod, has begun meanwhile.
var errOther = errors.New("it was started again meanwhile")

// Invite brings the first guests.
func (n *node) Invite(ctx context.Context) error {
	s := n.look()
	if s.pod == nil {
		return errGone
	}
	if err := n.bringNetwork(ctx, s); err != nil {
		return err
	}
	if alone(s.pod) != "" {
		return nil
	}
	return n.bringProcesses(ctx, s)
}

// bringNetwork brings the guest that has the rules into a pod.
func (n *node) bringNetwork(ctx context.Context, s seen) error {
	h, err := n.bring(ctx, s, agent.GuestNetwork, nil)
	if err != nil {
		return err
	}
	peer, err := h.client.Peer(ctx)
	generation := n.d.Generation()
	if err == nil {
		n.Change(func() {
			if n.seen.pod != nil && n.seen.pod.UID == s.pod.UID {
				n.peer = peer
			}
		})
		err = n.Rules.Apply(ctx, h.client)
	}
	if err != nil {
		return errors.Join(err, h.client.Close())
	}
	taken := false
	n.Change(func() {
		if taken = !n.Ended() && n.network == nil && n.seen.pod != nil && n.seen.pod.UID == s.pod.UID; taken {
			n.network = h
		}
	})
	if !taken {
		return errors.Join(errOther, h.client.Close())
	}
	n.d.Background.Go(func() { n.watch(h, false) })
	if n.d.Generation() != generation { // somebody has moved meanwhile
		return n.Rules.Apply(ctx, h.client)
	}
	return nil
}

// bringProcesses brings the guest that shares the server's processes, which are those of
// one life of its.
func (n *node) bringProcesses(ctx context.Context, s seen) error {
	n.Mu.Lock()
	life := n.life
	n.Mu.Unlock()
	if life == "" {
		return nil // there is nothing to share; its next life is met by itself
	}
	// A guest that has its keys lives for its lease: the way to it has to be there before.
	if _, err := n.meetGuest(ctx, false); err != nil {
		return err
	}
	dial := func(ctx context.Context) (net.Conn, error) { return n.DialServer(ctx, loopbackPort) }
	h, err := n.bring(ctx, s, agent.GuestOfBoth, dial)
	if err != nil {
		return err
	}
	h.life = life
	taken := false
	n.Change(func() {
		if taken = !n.Ended() && n.life == life && n.processes == nil; taken {
			n.processes = h
			n.meter.NextLife()
		}
	})
	if !taken {
		return errors.Join(errOther, h.client.Close())
	}
	n.d.Background.Go(func() { n.watch(h, true) })
	return nil
}

// again brings a guest, tried a few times as long as it is wanted.
func (n *node) again(ctx context.Context, wanted func() bool, bring func(context.Context) error) error {
	for try := 1; ; try++ {
		err := bring(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, errOther) || errors.Is(err, errGone) || try == attempts {
			return err
		}
		n.d.Log.Debug("pods", "node", n.Public.Name, "try", try, "error", err)
		if sleepUntil(ctx, time.Now().Add(meetPause)) != nil || !wanted() {
			return err
		}
	}
}

// isIn tells whether the node's pod is still this one.
func (n *node) isIn(s seen) bool {
	now := n.look()
	return now.pod != nil && now.pod.UID == s.pod.UID && !n.IsEnded()
}

// meetPod is what follows a pod that was made anew: it gets the guest that has the rules.
// For how long its server ran without those that are to be in force is told.
func (n *node) meetPod(s seen) {
	ctx, cancel := context.WithTimeout(n.d.Context, metBy)
	defer cancel()
	err := n.again(ctx, func() bool { return n.isIn(s) }, func(ctx context.Context) error { return n.bringNetwork(ctx, s) })
	ruled := time.Now()
	if n.d.Context.Err() != nil || !n.isIn(s) {
		return // who takes its place is met by itself
	}
	if err != nil {
		n.d.Log.Warn("no guest can be brought", "node", n.Public.Name, "error", err)
	}
	if !n.Rules.Wished() {
		return
	}
	n.Mu.Lock()
	began, runs := n.began, n.life != ""
	n.Mu.Unlock()
	switch {
	case err != nil && !runs:
		began = ruled
		fallthrough
	case err != nil:
		n.Tell(cluster.Change{At: began, Kind: cluster.Unguarded, Detail: "its rules are not in force: no guest can be brought: " + err.Error()})
	case runs && began.Before(ruled):
		n.Tell(cluster.Change{At: began, Until: ruled, Kind: cluster.Unguarded,
			Detail: fmt.Sprintf("its pod ran for about %s before a guest had its rules", ruled.Sub(began).Round(time.Millisecond))})
	}
}

// meetLife is what follows a start of the server: it gets the guest that shares its
// processes.
func (n *node) meetLife(s seen) {
	if alone(s.pod) != "" {
		return
	}
	ctx, cancel := context.WithTimeout(n.d.Context, metBy)
	defer cancel()
	n.Mu.Lock()
	life := n.life
	n.Mu.Unlock()
	lives := func() bool {
		n.Mu.Lock()
		defer n.Mu.Unlock()
		return n.life == life && !n.Ended()
	}
	err := n.again(ctx, lives, func(ctx context.Context) error { return n.bringProcesses(ctx, s) })
	if err != nil && n.d.Context.Err() == nil && lives() {
		n.d.Log.Warn("no guest can be brought to the server's processes", "node", n.Public.Name, "error", err)
	}
}

// watch tells what becomes of a guest, and brings another if one ended that should not
// have: the pod, or the server, goes on.
func (n *node) watch(h *hosted, ofProcesses bool) {
	for {
		select {
		case l := <-h.client.Lapses():
			n.Tell(guests.LapsedRules(l.From, l.Until))
			continue
		case <-h.client.Lost():
		case <-n.d.Context.Done():
			return
		}
		break
	}
	heard, current, held := h.client.Heard(), false, false
	h.client.Abandon()
	_ = sleepUntil(n.d.Context, time.Now().Add(endSeen)) // the cluster may tell later that the server has ended
	n.Change(func() {
		if current = n.network == h || n.processes == h; !current || n.Ended() {
			return
		}
		if ofProcesses {
			n.processes, held = nil, len(n.Paused) > 0
			clear(n.Paused)
		} else {
			n.network = nil
		}
	})
	if !current || n.IsEnded() || n.d.Context.Err() != nil {
		return
	}
	if s := n.look(); s.pod != nil && s.pod.DeletionTimestamp != nil {
		n.sayGoodbye(heard)
		return
	}
	if held || !ofProcesses && n.Rules.Wished() {
		n.Tell(guests.LapsedGuest(heard))
	}
	if ofProcesses {
		n.meetLife(n.look())
	} else {
		n.meetPod(h.of(n))
	}
}

// sayGoodbye tells for how long a server that was asked to end, with its pod, went on
// without the rules of the guest, which had been asked too.
func (n *node) sayGoodbye(heard time.Time) {
	if !n.Rules.Wished() {
		return
	}
	ctx, cancel := context.WithTimeout(n.d.Context, metBy)
	defer cancel()
	if n.Wait(ctx, func() bool { return n.life == "" }) != nil {
		return
	}
	n.Mu.Lock()
	died := n.died
	n.Mu.Unlock()
	if heard.Before(died) {
		n.Tell(cluster.Change{At: heard, Until: died, Kind: cluster.Unguarded, Detail: "its pod was being deleted, and its guest ended before its server"})
	}
}

// of is the pod that a guest is in, as a node's.
func (h *hosted) of(n *node) seen {
	s := n.look()
	s.pod = h.pod
	return s
}
