package aftershock

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

const (
	rolePollEvery   = 25 * time.Millisecond
	rolePollTimeout = 400 * time.Millisecond
)

// nodeRole is what one node last said of itself over the clients' network.
type nodeRole struct {
	role  targets.Role // empty: it did not answer
	epoch uint64
}

// roles is the clients' view of who is the primary: every node is asked on the
// clients' network, so that a client that cannot reach a node does not know
// its role either. Workers read it without a lock, and only when they connect.
type roles struct {
	system targets.System
	nodes  []*cluster.Node
	clock  history.Clock
	emit   func(history.Event)
	said   []atomic.Pointer[nodeRole]
	told   []nodeRole // last emitted, per node; each entry has one writer
}

func newRoles(system targets.System, nodes []*cluster.Node, clock history.Clock, emit func(history.Event)) *roles {
	r := &roles{system: system, nodes: nodes, clock: clock, emit: emit,
		said: make([]atomic.Pointer[nodeRole], len(nodes)), told: make([]nodeRole, len(nodes))}
	for i := range r.said {
		r.said[i].Store(&nodeRole{})
	}
	return r
}

// refresh asks every node once and waits for the answers.
func (r *roles) refresh(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range r.nodes {
		wg.Go(func() { r.ask(ctx, i) })
	}
	wg.Wait()
}

// watch asks every node again and again until ctx ends.
func (r *roles) watch(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range r.nodes {
		wg.Go(func() {
			tick := time.NewTicker(rolePollEvery)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					r.ask(ctx, i)
				}
			}
		})
	}
	wg.Wait()
}

func (r *roles) ask(ctx context.Context, i int) {
	bounded, cancel := context.WithTimeout(ctx, rolePollTimeout)
	defer cancel()
	status, err := r.system.ClientStatus(bounded, r.nodes[i])
	if ctx.Err() != nil {
		return
	}
	now := nodeRole{}
	if err == nil {
		now = nodeRole{role: status.Role, epoch: status.Epoch}
	}
	r.said[i].Store(&now)
	if now.role != "" && now != r.told[i] {
		r.told[i] = now
		r.emit(history.Event{At: r.clock.Now(), Kind: history.EventRole, Node: r.nodes[i].Name,
			Epoch: now.epoch, Detail: string(now.role)})
	}
}

// primary is the node that says it is the primary in the greatest epoch, -1 if
// none does; among peers it is the first.
func (r *roles) primary() int {
	best, epoch := -1, uint64(0)
	for i := range r.said {
		said := r.said[i].Load()
		if said.role == targets.Primary && (best < 0 || said.epoch > epoch) {
			best, epoch = i, said.epoch
		}
	}
	for i := 0; best < 0 && i < len(r.said); i++ {
		if r.said[i].Load().role == targets.Peer {
			best = i
		}
	}
	return best
}

// serving is the primary, or every peer, as soon as there is one; nobody if ctx
// ends before.
func (r *roles) serving(ctx context.Context) []int {
	tick := time.NewTicker(rolePollEvery)
	defer tick.Stop()
	for {
		first := r.primary()
		var all []int
		for i := range r.said {
			if i == first || first >= 0 && r.said[i].Load().role == targets.Peer {
				all = append(all, i)
			}
		}
		if len(all) > 0 {
			return all
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// view is what faults choose their victims from. The primary is the one of the
// greatest epoch; an older one counts as a replica, and so do all peers but the first.
func (r *roles) view() faults.View {
	v := faults.View{Nodes: make([]faults.NodeView, len(r.nodes))}
	primary := r.primary()
	for i, n := range r.nodes {
		said := r.said[i].Load()
		role := said.role
		switch {
		case i == primary:
			role = targets.Primary
		case role != "":
			role = targets.Replica
		}
		v.Nodes[i] = faults.NodeView{Name: n.Name, Role: string(role), Epoch: said.epoch, Alive: role != ""}
	}
	return v
}
