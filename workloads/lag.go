package workloads

import (
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// Filter is implemented by generators most of whose operations tell nothing
// new. The harness records an operation only if Keep says so, asks once for
// each, in order, and need not make up for operations whose time has passed
// (see pace.Skip).
type Filter interface {
	Keep(op *history.Op) bool
}

// Bounds of the lag workload's times.
const (
	minEvery = time.Millisecond
	maxEvery = time.Minute
	minPoll  = 200 * time.Microsecond // a poll takes about 50 µs of a core
	maxPoll  = time.Millisecond       // so that lag is known to a millisecond
)

func lagType() entry {
	return entry{
		TypeInfo: TypeInfo{
			Name:   "lag",
			About:  "writes the markers 1, 2, 3, … through the primary and polls every node for them, to measure replication lag",
			Object: history.ObjectMarker,
			Keys: []schema.Key[Spec]{
				everyKey("10ms", "time between two markers; nodes are polled ten times as often, at least every 1ms and at most every 200µs"),
			},
		},
		implied: Spec{Keys: 1},
		build:   newLag,
	}
}

func newLag(s Spec) (Workload, error) {
	switch {
	case s.Every < minEvery || s.Every > maxEvery:
		return nil, fmt.Errorf("every is %s; use %s to %s", s.Every, minEvery, maxEvery)
	case s.Rate != 0:
		return nil, fmt.Errorf("rate is not for the lag workload; use every")
	case s.Keys != 1:
		return nil, fmt.Errorf("keys is %d; the lag workload has one marker, leave keys out", s.Keys)
	case s.Clients != 0:
		return nil, fmt.Errorf("clients is not for the lag workload, which has one writer and one poller for each node; leave it out")
	case len(s.Mix) != 0 || s.ReadFrom != "" || s.Distribution != (keys.Spec{}):
		return nil, fmt.Errorf("mix, read_from and distribution are not for the lag workload; leave them out")
	}
	return &lag{spec: s}, nil
}

// lag measures replication lag: worker 0 writes markers, worker 1+i polls node i.
type lag struct{ spec Spec }

func (w *lag) Spec() Spec             { return w.spec }
func (w *lag) Kinds() []history.Kind  { return []history.Kind{history.Mark, history.Poll} }
func (w *lag) Workers(nodes int) int  { return 1 + nodes }
func (w *lag) Measured(int) bool      { return false }
func (w *lag) Finals(int) []Request   { return nil }
func (w *lag) pollGap() time.Duration { return max(min(w.spec.Every/10, maxPoll), minPoll) }

// Worker needs no seed: nothing here is random.
func (w *lag) Worker(i, _ int, _ uint64) Generator {
	if i == 0 {
		return &marker{}
	}
	return &poller{node: uint32(i - 1)}
}

func (w *lag) Pacer(i, _ int) Pacer {
	if i == 0 {
		return pace.Every(int64(w.spec.Every))
	}
	return pace.Every(int64(w.pollGap()))
}

// marker writes 1, 2, 3, …; a marker that failed is not written again.
type marker struct{ last int64 }

func (g *marker) Next(r *Request) {
	begin(r, history.Mark, 0)
	g.last++
	r.Op.Value, r.Route = g.last, ToPrimary
}

func (g *marker) Done(*history.Op) {}

// poller reads the marker of one node.
type poller struct {
	node     uint32
	greatest int64 // marker seen; 0 before the first
	failing  bool  // the last poll was not OK
}

func (g *poller) Next(r *Request) {
	begin(r, history.Poll, 0)
	r.Route, r.Pick = ToNode, g.node
}

func (g *poller) Done(*history.Op) {}

// Keep keeps the first poll of each greater marker, which is all that lag is
// computed from, and the first failure in a row, which shows that the node
// could not be asked.
func (g *poller) Keep(op *history.Op) bool {
	if op.Outcome != history.OK {
		first := !g.failing
		g.failing = true
		return first
	}
	g.failing = false
	if op.Value <= g.greatest {
		return false
	}
	g.greatest = op.Value
	return true
}
