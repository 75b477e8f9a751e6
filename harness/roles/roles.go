// Package roles asks the nodes of a run what they are: their roles as clients see them, and
// their replication lag as they tell it.
package roles

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
	pollEvery   = 25 * time.Millisecond
	pollTimeout = 400 * time.Millisecond
)

// said is what one node last said of itself over the clients' network.
type said struct {
	role  targets.Role // empty: it did not answer
	epoch uint64
}

// Roles is the clients' view of who is the primary: every node is asked on the
// clients' network, so that a client that cannot reach a node does not know
// its role either. Workers read it without a lock, and only when they connect.
type Roles struct {
	system  targets.System
	Nodes   []*cluster.Node
	clock   history.Clock
	emit    func(history.Event)
	said    []atomic.Pointer[said]
	Changes atomic.Uint64   // how many roles have changed
	asked   []atomic.Uint64 // how many answers of each node have been taken in
	emitted []toldRole      // the last event of each node; each entry has one writer
	// Members says who belongs to the cluster: who does not is not asked, and has no role. Nil: all do.
	Members func(node int) bool
}

// toldRole is the role of a node's last event, and when the node was last asked
// and still told it.
type toldRole struct {
	said
	asked int64
}

func New(system targets.System, nodes []*cluster.Node, clock history.Clock, emit func(history.Event)) *Roles {
	r := &Roles{system: system, Nodes: nodes, clock: clock, emit: emit,
		said: make([]atomic.Pointer[said], len(nodes)), asked: make([]atomic.Uint64, len(nodes)), emitted: make([]toldRole, len(nodes))}
	for i := range r.said {
		r.said[i].Store(&said{})
	}
	return r
}

// Refresh asks every node once and waits for the answers.
func (r *Roles) Refresh(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range r.Nodes {
		wg.Go(func() { r.ask(ctx, i) })
	}
	wg.Wait()
}

// Watch asks every node again and again until ctx ends.
func (r *Roles) Watch(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range r.Nodes {
		wg.Go(func() {
			tick := time.NewTicker(pollEvery)
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
func (r *Roles) ask(ctx context.Context, i int) {
	defer r.asked[i].Add(1)
	if told := &r.emitted[i]; !r.member(i) {
		r.said[i].Store(&said{})
		if told.role != "" { // who held on to it is to look around; what it is when it comes back is told anew
			*told = toldRole{}
			r.Changes.Add(1)
		}
		return
	}
	bounded, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	asked := r.clock.Now()
	status, err := r.system.ClientStatus(bounded, r.Nodes[i])
	if ctx.Err() != nil {
		return
	}
	now := said{}
	if err == nil {
		now = said{role: status.Role, epoch: status.Epoch}
	}
	at, told := r.clock.Now(), &r.emitted[i]
	r.said[i].Store(&now)
	switch {
	case now.role == "":
	case now == told.said:
		told.asked = asked
	default:
		r.Changes.Add(1)
		r.emit(history.Event{At: at, Since: told.asked, Kind: history.EventRole, Node: r.Nodes[i].Name, Epoch: now.epoch, Detail: string(now.role)})
		*told = toldRole{now, asked}
	}
}

func (r *Roles) member(i int) bool { return r.Members == nil || r.Members(i) }

// Renew waits until every node has been asked afresh, while watch asks: what has
// changed before it is called is then among the events. It returns when ctx ends.
func (r *Roles) Renew(ctx context.Context) {
	for i := range r.asked {
		// The answer under way may be older, the next one is not.
		for wanted := r.asked[i].Load() + 2; r.asked[i].Load() < wanted; {
			pause := time.NewTimer(pollEvery)
			select {
			case <-ctx.Done():
				pause.Stop()
				return
			case <-pause.C:
			}
		}
	}
}

// Primary is the node that says it is the primary in the greatest epoch, -1 if
// none does; among peers it is the first.
func (r *Roles) Primary() int {
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

// Replica tells whether a node says that it is a replica.
func (r *Roles) Replica(node int) bool { return r.said[node].Load().role == targets.Replica }

// Serving is the primary, or every peer, as soon as there is one; nobody if ctx
// ends before.
func (r *Roles) Serving(ctx context.Context) []int {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		first := r.Primary()
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

// View is what faults choose their victims from. The primary is the one of the
// greatest epoch; an older one counts as a replica, and so do all peers but the first.
func (r *Roles) View() faults.View {
	v := faults.View{Nodes: make([]faults.NodeView, len(r.Nodes))}
	primary := r.Primary()
	for i, n := range r.Nodes {
		said := r.said[i].Load()
		role := said.role
		switch {
		case i == primary:
			role = targets.Primary
		case role != "":
			role = targets.Replica
		}
		v.Nodes[i] = faults.NodeView{Name: n.Name, Role: string(role), Epoch: said.epoch, Alive: role != "", Away: !r.member(i)}
	}
	return v
}
