// Package operator is the failover operator of systems that need one.
package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/watchdog"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

const (
	operatorEvery  = 100 * time.Millisecond
	statusTimeout  = 300 * time.Millisecond
	probeTimeout   = 250 * time.Millisecond
	promoteTimeout = 5 * time.Second
	followTimeout  = 15 * time.Second // an old primary may have to rewind
)

// nobodysPort is where nodes look whether they reach each other: no server listens at it
// (tcpmux), so that the other machine's kernel refuses the connection, and that is answer
// enough. At the server's own port so many looks, ten a second for every pair of nodes, are
// a load that grows with the square of the nodes: PostgreSQL forks for each.
const nobodysPort = 1

// Operator promotes a replica when the primary is gone and re-points the rest.
// It has no network of its own: it sits with the largest group of nodes that
// reach each other (their agents probe for it) and knows only what that group
// can know; a primary on the far side of a partition is gone for it, though
// its clients may still reach it.
type Operator struct {
	system   targets.System
	operated targets.Operated
	nodes    []*cluster.Node
	clock    history.Clock
	watchdog *watchdog.Watchdog
	emit     func(history.Event)
	log      *slog.Logger
	state    *operatorState
	followed []time.Time // last Follow per node, to pace retries
	// Members says who belongs to the cluster: the operator does not know the others. Nil: all do.
	Members func(node int) bool
}

// New returns nil when the system fails over by itself, or nobody is
// to be promoted.
func New(system targets.System, nodes []*cluster.Node, f plan.Failover, seed uint64, clock history.Clock,
	watchdog *watchdog.Watchdog, emit func(history.Event), log *slog.Logger) *Operator {
	operated, ok := system.(targets.Operated)
	if !ok || f.Choose == "none" {
		return nil
	}
	random := rand.New(rand.NewPCG(seed, 0x6f70657261746f72))
	return &Operator{system: system, operated: operated, nodes: nodes, clock: clock, watchdog: watchdog, emit: emit, log: log,
		state: newOperatorState(len(nodes), f, random), followed: make([]time.Time, len(nodes))}
}

// Run looks and acts until ctx ends.
func (o *Operator) Run(ctx context.Context) {
	tick := time.NewTicker(operatorEvery)
	defer tick.Stop()
	started := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		begin := o.clock.Now()
		v := o.observe(ctx)
		v.at = time.Since(started)
		if ctx.Err() != nil {
			return
		}
		if o.watchdog.StalledSince(begin) {
			o.state.lost = -1 // whoever did not answer in time may have been kept from it by the harness
			continue
		}
		o.carryOut(ctx, o.state.decide(v))
	}
}

// observe asks every node for its status and for whom it reaches, all at once.
func (o *Operator) observe(ctx context.Context) observation {
	n := len(o.nodes)
	v := observation{alive: make([]bool, n), status: make([]targets.Status, n), reach: make([][]bool, n)}
	var wg sync.WaitGroup
	for i := range n {
		v.reach[i] = make([]bool, n)
		if !o.member(i) {
			continue
		}
		wg.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			status, err := o.system.Status(bounded, o.nodes[i])
			v.status[i], v.alive[i] = status, err == nil
		})
	}
	for i := range n {
		for j := range i {
			if !o.member(i) || !o.member(j) {
				continue
			}
			from, to := i, j // each node looks at about half of the others
			if (i+j)%2 == 0 {
				from, to = j, i
			}
			wg.Go(func() {
				err := o.nodes[from].Probe(ctx, netip.AddrPortFrom(o.nodes[to].Addr, nobodysPort), probeTimeout)
				reached := err == nil || errors.Is(err, cluster.ErrRefused)
				v.reach[i][j], v.reach[j][i] = reached, reached // the question went one way and the answer the other
			})
		}
	}
	wg.Wait()
	return v
}

func (o *Operator) member(i int) bool { return o.Members == nil || o.Members(i) }

func (o *Operator) carryOut(ctx context.Context, decided decision) {
	if decided.promote >= 0 {
		o.promote(ctx, decided)
		return
	}
	for _, i := range decided.follow {
		if time.Since(o.followed[i]) < followPause {
			continue
		}
		o.followed[i] = time.Now()
		o.follow(ctx, i, o.state.primary, decided.epoch, history.EventRejoin)
	}
}

// followPause is the least time between two attempts to re-point one node.
const followPause = 500 * time.Millisecond

func (o *Operator) promote(ctx context.Context, decided decision) {
	var others []int
	var names []string
	for _, i := range o.state.side {
		if i != decided.promote {
			others = append(others, i)
			names = append(names, o.nodes[i].Name)
		}
	}
	bounded, cancel := context.WithTimeout(ctx, promoteTimeout)
	defer cancel()
	node, since := o.nodes[decided.promote], o.clock.Now()
	if err := o.operated.Promote(bounded, o.nodes, decided.promote, others, decided.epoch); err != nil {
		o.log.Warn("promotion failed; trying again", "node", node.Name, "epoch", decided.epoch, "err", err)
		return
	}
	o.state.promoted(decided.promote, decided.epoch)
	detail := fmt.Sprintf("%s was gone; followed by %s", o.nodes[decided.gone].Name, strings.Join(names, ", "))
	o.emit(history.Event{At: o.clock.Now(), Since: since, Kind: history.EventFailover, Node: node.Name, Epoch: decided.epoch, Detail: detail})
	var wg sync.WaitGroup
	for _, i := range others {
		o.followed[i] = time.Now()
		wg.Go(func() { o.follow(ctx, i, decided.promote, decided.epoch, "") })
	}
	wg.Wait()
}

// follow re-points one node; kind, if not empty, is the event of a success.
func (o *Operator) follow(ctx context.Context, i, primary int, epoch uint64, kind history.EventKind) {
	bounded, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	since := o.clock.Now()
	if err := o.operated.Follow(bounded, o.nodes, i, primary, epoch); err != nil {
		o.log.Warn("re-pointing failed; trying again", "node", o.nodes[i].Name, "err", err)
		return
	}
	if kind != "" {
		o.emit(history.Event{At: o.clock.Now(), Since: since, Kind: kind, Node: o.nodes[i].Name, Epoch: epoch,
			Detail: "follows " + o.nodes[primary].Name})
	}
}
