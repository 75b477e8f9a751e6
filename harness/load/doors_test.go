package load

import (
	"context"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// proxied is a system behind a proxy, which leads where leads says.
type proxied struct {
	targets.Attached
	scripted
	leads   func(d targets.Door) int
	entered int
}

func (p *proxied) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	return p.scripted.Connect(ctx, n, o)
}

func (p *proxied) Enter(_ context.Context, d targets.Door, _ []*cluster.Node, _ targets.ClientOptions) (targets.Client, int, error) {
	p.entered++
	node := p.leads(d)
	return &scriptedClient{system: &p.scripted, node: node}, node, nil
}

// TestWorkerComesInThroughDoors: an operation is of the node that the door led to,
// and a door that leads to a demoted primary, or to one that nobody confirms, is tried anew.
func TestWorkerComesInThroughDoors(t *testing.T) {
	first, calls := 0, 0
	system := &proxied{leads: func(d targets.Door) int {
		if d.Role == targets.Replica {
			return -1
		}
		return first
	}}
	system.answer = func(node int, op *history.Op) {
		if calls++; node == 0 && calls > 2 { // demoted; the proxy has noticed
			first = 1
			op.Outcome, op.Error = history.Fail, history.ErrNotPrimary
			return
		}
		if op.Outcome = history.OK; calls == 6 { // cut off, and not yet demoted
			first = 0
			op.Outcome, op.Error = history.Unknown, history.ErrNoQuorum
		}
	}
	p := &plan.Plan{Target: plan.Target{Connect: attach.Connect{Primary: "postgres://h:1/x", Replicas: []string{"postgres://h:2/x"}}}}
	k := &kept{}
	w := newWorker(Clients{System: system, Doors: (&attached.Visit{System: system}).Doors(p), Nodes: []*cluster.Node{{Name: "n1"}, {Name: "n2", Index: 1}},
		Clock: history.NewClock(), Primary: func() int { return 0 }, Options: targets.ClientOptions{ConnectTimeout: time.Second}}, k)
	w.generator, w.timer = &writes{}, time.NewTimer(time.Hour)
	defer w.timer.Stop()
	do := func(kind history.Kind, route workloads.Route) history.Op {
		r := workloads.Request{Op: history.Op{Kind: kind}, Route: route}
		w.do(t.Context(), &r)
		return k.ops[len(k.ops)-1]
	}
	for i, want := range []struct {
		kind    history.Kind
		route   workloads.Route
		node    int8
		outcome history.Outcome
		entered int
	}{
		{history.Write, workloads.ToPrimary, 0, history.OK, 1},
		{history.Write, workloads.ToPrimary, 0, history.OK, 1},
		{history.Write, workloads.ToPrimary, 0, history.Fail, 1},
		{history.Write, workloads.ToPrimary, 1, history.OK, 2},
		{history.Read, workloads.ToReplica, -1, history.OK, 3},
		{history.Write, workloads.ToPrimary, 1, history.Unknown, 3},
		{history.Write, workloads.ToPrimary, 0, history.Fail, 4}, // and demoted by now
		{history.Read, workloads.ToNode, 0, history.Fail, 4},     // straight
	} {
		op := do(want.kind, want.route)
		primary := op.Flags&history.FromPrimary != 0
		if op.Node != want.node || op.Outcome != want.outcome || system.entered != want.entered || primary != (want.route == workloads.ToPrimary) {
			t.Errorf("%d: node %d, outcome %v, primary %v, %d connections", i, op.Node, op.Outcome, primary, system.entered)
		}
	}
}
