package roles

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// serverLagTimeout bounds one node's answer; while it is awaited, the node is
// not asked again.
const serverLagTimeout = 400 * time.Millisecond

// LagAsker records what the nodes of a system say of its replication lag, as a
// series beside the lag that clients see. A node that does not answer leaves a
// gap: there is no event for it.
type LagAsker struct {
	teller targets.LagTeller
	nodes  []*cluster.Node
	clock  history.Clock
	record func(history.Event) error
	every  time.Duration
}

// NewLagAsker returns nil when the system tells nothing of its lag.
func NewLagAsker(system targets.System, nodes []*cluster.Node, clock history.Clock, record func(history.Event) error) *LagAsker {
	teller, ok := system.(targets.LagTeller)
	if !ok {
		return nil
	}
	return &LagAsker{teller: teller, nodes: nodes, clock: clock, record: record, every: history.ServerLagEvery}
}

// Run asks every node again and again, each on its own, until ctx ends. It
// returns the first error of recording.
func (a *LagAsker) Run(ctx context.Context) error {
	var asking errgroup.Group // without a context: one node's failure does not end the others'
	for i := range a.nodes {
		asking.Go(func() error { return a.watch(ctx, i) })
	}
	return asking.Wait()
}

// watch asks one node at every tick.
func (a *LagAsker) watch(ctx context.Context, i int) error {
	tick := time.NewTicker(a.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.ask(ctx, i); err != nil {
			return err
		}
	}
}

func (a *LagAsker) ask(ctx context.Context, i int) error {
	bounded, cancel := context.WithTimeout(ctx, serverLagTimeout)
	defer cancel()
	lags, err := a.teller.ServerLag(bounded, a.nodes, i)
	if err != nil || ctx.Err() != nil {
		return nil // a gap in the series tells it
	}
	at := a.clock.Now()
	for _, lag := range lags {
		event, ok := lagEvent(lag, a.nodes, i, at)
		if !ok {
			continue
		}
		if err := a.record(event); err != nil {
			return err
		}
	}
	return nil
}

// lagEvent is the event for one figure; false for one that says nothing, or of
// no node.
func lagEvent(lag targets.Lag, nodes []*cluster.Node, by int, at int64) (history.Event, bool) {
	if lag.Node < 0 || lag.Node >= len(nodes) || lag.Time < 0 && lag.Bytes < 0 {
		return history.Event{}, false
	}
	e := history.Event{At: at, Kind: history.EventLag, Name: lag.Source, Node: nodes[lag.Node].Name, By: nodes[by].Name}
	if lag.Time >= 0 {
		ns := int64(lag.Time)
		e.Lag = &ns
	}
	if lag.Bytes >= 0 {
		bytes := lag.Bytes
		e.Bytes = &bytes
	}
	return e, true
}
