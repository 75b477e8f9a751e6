// Package wan puts the nodes of a run, and its clients, as far from each other as the
// plan says.
package wan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
)

// id is what the agents tell its links by; no fault of a schedule is called so.
const id = "wan"

// timeout bounds what all agents do at once.
const timeout = 10 * time.Second

// Distances are the plan's distances in force.
type Distances struct {
	nodes []*cluster.Node
	emit  func(history.Event)
	clock history.Clock
}

// Put puts the plan's distances between nodes and clients, and tells them; nil where
// the plan has none. They last until Lift: links that faults make bad are worse than
// that, and no fault's end takes them away. clients are the addresses of clients, at least one.
func Put(ctx context.Context, p *plan.Plan, nodes []*cluster.Node, clients []netip.Addr, clock history.Clock, emit func(history.Event)) (*Distances, error) {
	if len(p.WAN) == 0 {
		return nil, nil
	}
	w, wrong := faults.ParseWAN(p.WAN, p.NodeNames())
	if len(wrong) > 0 {
		return nil, errors.New(wrong[0].Message)
	}
	c := faults.Cluster{Names: p.NodeNames(), Clients: clients[0]}
	for _, n := range nodes {
		c.Addrs = append(c.Addrs, n.At())
	}
	d := &Distances{nodes: nodes, emit: emit, clock: clock}
	links := w.Links(c)
	_, err := d.each(ctx, func(i int) cluster.Action {
		return faults.Spread(cluster.Action{Kind: cluster.Shape, ID: id, Links: links[i], Seed: p.Seed}, clients[0], clients[1:])
	})
	if err != nil {
		return nil, fmt.Errorf("put the nodes as far from each other as wan says: %w", err)
	}
	emit(history.Event{At: clock.Now(), Kind: history.EventNote, Detail: "wan, round trips: " + w.Describe(c.Names)})
	return d, nil
}

// Lift takes the distances away and tells how many packets were held for them. That
// none was, or that they were not in force for a time, is a gate that was not met.
func (d *Distances) Lift(ctx context.Context) {
	if d == nil {
		return
	}
	effects, err := d.each(ctx, func(int) cluster.Action { return cluster.Action{Kind: cluster.Unshape, ID: id} })
	held, lapsed := uint64(0), time.Duration(0)
	for _, e := range effects {
		held += e.Counts["packets held"]
		lapsed = max(lapsed, e.Lapsed)
	}
	event := history.Event{At: d.clock.Now(), Kind: history.EventGateFailed}
	switch {
	case err != nil:
		event.Detail = "the distances of wan could not be taken away, so that nobody knows whether they were in force: " + err.Error() + "; see harness.log in the run's folder, and make the run again"
	case lapsed > 0:
		event.Detail = fmt.Sprintf("the distances of wan were not in force for %s, as the harness was not heard of; make the run again", lapsed)
	case held == 0:
		event.Detail = "no packet was held for the distances of wan, so that nobody can have noticed them; put nodes and clients into different regions"
	default:
		event.Kind, event.Detail = history.EventNote, fmt.Sprintf("wan: %d packets were held", held)
	}
	d.emit(event)
}

// each has every node's agent do something, all at once.
func (d *Distances) each(ctx context.Context, action func(i int) cluster.Action) ([]cluster.Effect, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	effects, errs := make([]cluster.Effect, len(d.nodes)), make([]error, len(d.nodes))
	var doing sync.WaitGroup
	for i, n := range d.nodes {
		doing.Go(func() {
			if effects[i], errs[i] = n.Do(ctx, action(i)); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", n.Name, errs[i])
			}
		})
	}
	doing.Wait()
	return effects, errors.Join(errs...)
}
