package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNode is an agent without a node: it waits for an action's instant and
// keeps what state the action would bring about.
type fakeNode struct {
	slowStop time.Duration // how long a graceful stop takes
	lapsed   time.Duration // for how long rules were not in force

	mu      sync.Mutex
	running bool
	frozen  bool
	rules   map[string][]cluster.Rule
	done    []doneAction
	fail    map[cluster.ActionKind]int // how often the next actions of a kind fail
}

type doneAction struct {
	kind cluster.ActionKind
	at   time.Time
}

func (f *fakeNode) Do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	if err := rest(ctx, time.Until(a.At)); err != nil {
		return cluster.Effect{}, err
	}
	if a.Kind == cluster.Stop {
		if err := rest(ctx, f.slowStop); err != nil {
			return cluster.Effect{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail[a.Kind] > 0 {
		f.fail[a.Kind]--
		return cluster.Effect{}, errors.New("out of order")
	}
	f.done = append(f.done, doneAction{a.Kind, time.Now()})
	effect := cluster.Effect{At: time.Now()}
	switch a.Kind {
	case cluster.Kill, cluster.Stop:
		effect.Changed = f.running
		f.running, f.frozen = false, false
	case cluster.Restart:
		effect.Changed = !f.running
		f.running = true
	case cluster.Pause:
		effect.Changed = f.running && !f.frozen
		f.frozen = f.running
	case cluster.Resume:
		effect.Changed = f.frozen
		f.frozen = false
	case cluster.Block:
		effect.Changed = true
		f.rules[a.ID] = a.Rules
	case cluster.Unblock:
		if _, effect.Changed = f.rules[a.ID]; effect.Changed {
			effect.Dropped, effect.Lapsed = 10, f.lapsed
		}
		delete(f.rules, a.ID)
	}
	return effect, nil
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// state is what a node is like at one moment.
type state struct {
	Running, Frozen bool
	Rules           string // the ids
}

func (f *fakeNode) state() state {
	f.mu.Lock()
	defer f.mu.Unlock()
	return state{f.running, f.frozen, fmt.Sprint(slices.Sorted(maps.Keys(f.rules)))}
}

func (f *fakeNode) Start(context.Context, cluster.ServerSpec) error            { return nil }
func (f *fakeNode) Probe(context.Context, netip.AddrPort, time.Duration) error { return nil }
func (f *fakeNode) DialServer(context.Context, int) (net.Conn, error)          { return nil, nil }
func (f *fakeNode) Exits() <-chan cluster.Exit                                 { return nil }
func (f *fakeNode) CopyOutput(context.Context, io.Writer) error                { return nil }
func (f *fakeNode) Run(context.Context, cluster.ServerSpec) ([]byte, error)    { return nil, nil }
func (f *fakeNode) Close() error                                               { return nil }

// bench is an engine over fake nodes n1, n2, …; the primary is the first that
// runs and is not paused.
type bench struct {
	*Engine
	fakes []*fakeNode

	mu     sync.Mutex
	events []history.Event
}

func newBench(nodes int) *bench {
	b := &bench{Engine: &Engine{Clock: history.NewClock(), Harness: netip.MustParseAddr("10.0.0.1")}}
	b.Base = int64(200 * time.Millisecond)
	for i := range nodes {
		f := &fakeNode{running: true, rules: map[string][]cluster.Rule{}, fail: map[cluster.ActionKind]int{}}
		b.fakes = append(b.fakes, f)
		b.Nodes = append(b.Nodes, &cluster.Node{Name: fmt.Sprintf("n%d", i+1), Index: i,
			Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + i)}), Control: f})
	}
	b.View = b.view
	b.Emit = func(e history.Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, e)
	}
	return b
}

func (b *bench) view() faults.View {
	v := faults.View{}
	primary := false
	for i, f := range b.fakes {
		s := f.state()
		node := faults.NodeView{Name: b.Nodes[i].Name, Alive: s.Running && !s.Frozen}
		if node.Alive {
			node.Role = faults.Replica
			if !primary {
				node.Role, primary = faults.Primary, true
			}
		}
		v.Nodes = append(v.Nodes, node)
	}
	return v
}

func (b *bench) states() (all []state) {
	for _, f := range b.fakes {
		all = append(all, f.state())
	}
	return all
}

// whole is the state of every node that no fault touches.
func whole(nodes int) []state { return slices.Repeat([]state{{Running: true, Rules: "[]"}}, nodes) }

// find is the only event of a kind and a fault.
func (b *bench) find(t *testing.T, kind history.EventKind, fault string) history.Event {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []history.Event
	for _, e := range b.events {
		if e.Kind == kind && e.Fault == fault {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d events %s of %s in %+v", len(found), kind, fault, b.events)
	}
	return found[0]
}
