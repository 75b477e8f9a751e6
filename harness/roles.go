package harness

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
	system  targets.System
	nodes   []*cluster.Node
	clock   history.Clock
	emit    func(history.Event)
	said    []atomic.Pointer[nodeRole]
	changes atomic.Uint64   // how many roles have changed
	asked   []atomic.Uint64 // how many answers of each node have been taken in
	emitted []toldRole      // the last event of each node; each entry has one writer
}

// toldRole is the role of a node's last event, and when the node was last asked
// and still told it.
type toldRole struct {
	nodeRole
	asked int64
}

func newRoles(system targets.System, nodes []*cluster.Node, clock history.Clock, emit func(history.Event)) *roles {
	r := &roles{system: system, nodes: nodes, clock: clock, emit: emit,
		said: make([]atomic.Pointer[nodeRole], len(nodes)), asked: make([]atomic.Uint64, len(nodes)), emitted: make([]toldRole, len(nodes))}
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

// ask asks a node. A change of role is stamped before the workers can act on it:
// what they then send to a new primary is sent after the event.
func (r *roles) ask(ctx context.Context, i int) {
	defer r.asked[i].Add(1)
	bounded, cancel := context.WithTimeout(ctx, rolePollTimeout)
	defer cancel()
	asked := r.clock.Now()
	status, err := r.system.ClientStatus(bounded, r.nodes[i])
	if ctx.Err() != nil {
		return
	}
	now := nodeRole{}
	if err == nil {
		now = nodeRole{role: status.Role, epoch: status.Epoch}
	}
	at, told := r.clock.Now(), &r.emitted[i]
	r.said[i].Store(&now)
	switch {
	case now.role == "":
	case now == told.nodeRole:
		told.asked = asked
	default:
		r.changes.Add(1)
		r.emit(history.Event{At: at, Since: told.asked, Kind: history.EventRole, Node: r.nodes[i].Name, Epoch: now.epoch, Detail: string(now.role)})
		*told = toldRole{now, asked}
	}
}

// renew waits until every node has been asked afresh, while watch asks: what has
// changed before it is called is then among the events. It returns when ctx ends.
func (r *roles) renew(ctx context.Context) {
	for i := range r.asked {
		// The answer under way may be older, the next one is not.
		for wanted := r.asked[i].Load() + 2; r.asked[i].Load() < wanted; {
			if !sleepUntil(ctx, r.clock, r.clock.Now()+int64(rolePollEvery)) {
				return
			}
		}
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

// replica tells whether a node says that it is a replica.
func (r *roles) replica(node int) bool { return r.said[node].Load().role == targets.Replica }

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
