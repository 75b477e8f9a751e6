package aftershock

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
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

// operator promotes a replica when the primary is gone and re-points the rest.
// It has no network of its own: it sits with the largest group of nodes that
// reach each other (their agents probe for it) and knows only what that group
// can know; a primary on the far side of a partition is gone for it, though
// its clients may still reach it.
type operator struct {
	system   targets.System
	operated targets.Operated
	nodes    []*cluster.Node
	clock    history.Clock
	emit     func(history.Event)
	log      *slog.Logger
	state    *operatorState
	followed []time.Time // last Follow per node, to pace retries
}

// newOperator returns nil when the system fails over by itself.
func newOperator(system targets.System, nodes []*cluster.Node, f Failover, seed uint64, clock history.Clock,
	emit func(history.Event), log *slog.Logger) *operator {
	operated, ok := system.(targets.Operated)
	if !ok {
		return nil
	}
	random := rand.New(rand.NewPCG(seed, 0x6f70657261746f72))
	return &operator{system: system, operated: operated, nodes: nodes, clock: clock, emit: emit, log: log,
		state: newOperatorState(len(nodes), f, random), followed: make([]time.Time, len(nodes))}
}

// run looks and acts until ctx ends.
func (o *operator) run(ctx context.Context) {
	tick := time.NewTicker(operatorEvery)
	defer tick.Stop()
	started := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		v := o.see(ctx)
		v.at = time.Since(started)
		if ctx.Err() != nil {
			return
		}
		o.obey(ctx, o.state.look(v))
	}
}

// see asks every node for its status and for whom it reaches, all at once.
func (o *operator) see(ctx context.Context) sight {
	n := len(o.nodes)
	v := sight{alive: make([]bool, n), status: make([]targets.Status, n), reach: make([][]bool, n)}
	var wg sync.WaitGroup
	for i := range n {
		v.reach[i] = make([]bool, n)
		wg.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			status, err := o.system.Status(bounded, o.nodes[i])
			v.status[i], v.alive[i] = status, err == nil
		})
		for j := range n {
			if i == j {
				continue
			}
			wg.Go(func() {
				addr := netip.AddrPortFrom(o.nodes[j].Addr, uint16(o.operated.Port()))
				v.reach[i][j] = o.nodes[i].Probe(ctx, addr, probeTimeout) == nil
			})
		}
	}
	wg.Wait()
	return v
}

func (o *operator) obey(ctx context.Context, order order) {
	if order.promote >= 0 {
		o.promote(ctx, order)
		return
	}
	for _, i := range order.follow {
		if time.Since(o.followed[i]) < followPause {
			continue
		}
		o.followed[i] = time.Now()
		o.follow(ctx, i, o.state.primary, order.epoch, history.EventRejoin)
	}
}

// followPause is the least time between two attempts to re-point one node.
const followPause = 500 * time.Millisecond

func (o *operator) promote(ctx context.Context, order order) {
	var others []int
	var names []string
	for _, i := range o.state.seat {
		if i != order.promote {
			others = append(others, i)
			names = append(names, o.nodes[i].Name)
		}
	}
	bounded, cancel := context.WithTimeout(ctx, promoteTimeout)
	defer cancel()
	node := o.nodes[order.promote]
	if err := o.operated.Promote(bounded, o.nodes, order.promote, others, order.epoch); err != nil {
		o.log.Warn("promotion failed; trying again", "node", node.Name, "epoch", order.epoch, "err", err)
		return
	}
	o.state.promoted(order.promote, order.epoch)
	detail := fmt.Sprintf("%s was gone; followed by %s", o.nodes[order.gone].Name, strings.Join(names, ", "))
	o.emit(history.Event{At: o.clock.Now(), Kind: history.EventFailover, Node: node.Name, Epoch: order.epoch, Detail: detail})
	var wg sync.WaitGroup
	for _, i := range others {
		o.followed[i] = time.Now()
		wg.Go(func() { o.follow(ctx, i, order.promote, order.epoch, "") })
	}
	wg.Wait()
}

// follow re-points one node; kind, if not empty, is the event of a success.
func (o *operator) follow(ctx context.Context, i, primary int, epoch uint64, kind history.EventKind) {
	bounded, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	if err := o.operated.Follow(bounded, o.nodes, i, primary, epoch); err != nil {
		o.log.Warn("re-pointing failed; trying again", "node", o.nodes[i].Name, "err", err)
		return
	}
	if kind != "" {
		o.emit(history.Event{At: o.clock.Now(), Kind: kind, Node: o.nodes[i].Name, Epoch: epoch,
			Detail: "follows " + o.nodes[primary].Name})
	}
}

// healthy asks every node and says what is still missing for a settled
// cluster: one primary in the newest epoch, every other node following it and
// caught up. Empty means settled.
func healthy(ctx context.Context, system targets.System, nodes []*cluster.Node) string {
	n := len(nodes)
	status := make([]targets.Status, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			status[i], errs[i] = system.Status(bounded, nodes[i])
		})
	}
	wg.Wait()
	var epoch, position uint64
	primary, peers := -1, false
	for i, s := range status {
		if errs[i] != nil {
			return fmt.Sprintf("%s does not answer: %v", nodes[i].Name, errs[i])
		}
		peers = peers || s.Role == targets.Peer
		epoch = max(epoch, s.Epoch)
		if s.Role == targets.Primary {
			if primary >= 0 {
				return fmt.Sprintf("both %s and %s are primary", nodes[primary].Name, nodes[i].Name)
			}
			primary, position = i, s.Position
		}
	}
	if primary < 0 && !peers {
		return "no node is primary"
	}
	for i, s := range status {
		if !s.Healthy || s.Epoch != epoch || s.Position < position {
			return fmt.Sprintf("%s is not caught up: %s", nodes[i].Name, s.Detail)
		}
	}
	return ""
}
