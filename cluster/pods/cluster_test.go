package pods

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

func dialFor(n *cluster.Node, limit time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", at(n).String(), limit)
}

const probeTimeout = 400 * time.Millisecond

// partition cuts a node from another, both ways at both.
func partition(t *testing.T, x, y *cluster.Node) {
	t.Helper()
	do(t, x, cluster.Action{Kind: cluster.Block, ID: "cut", Rules: []cluster.Rule{{Peer: y.At(), In: true, Out: true}}})
	do(t, y, cluster.Action{Kind: cluster.Block, ID: "cut", Rules: []cluster.Rule{{Peer: x.At(), In: true, Out: true}}})
}

func heal(t *testing.T, nodes ...*cluster.Node) {
	t.Helper()
	for _, n := range nodes {
		do(t, n, cluster.Action{Kind: cluster.Unblock, ID: "cut"})
	}
}

func cut(t *testing.T, from, to *cluster.Node) bool {
	t.Helper()
	return from.Probe(t.Context(), at(to), probeTimeout) != nil
}

func TestFaultsInPods(t *testing.T) {
	a := namespace(t, "privileged")
	statefulSet(t, a, 2, template("privileged"))
	d := attached(t, a, agentImage, true)
	x, y := d.Nodes()[0], d.Nodes()[1]
	for _, kind := range []cluster.ActionKind{cluster.Block, cluster.Reset, cluster.Pause, cluster.Crash, cluster.Delete, cluster.Drain, cluster.Cordon} {
		if err := d.Can(t.Context(), kind); err != nil {
			t.Error(err)
		}
	}
	if err := d.Can(t.Context(), cluster.Kill); err == nil {
		t.Error("a kill that stays down is possible")
	}
	t.Run("partition", func(t *testing.T) {
		if cut(t, x, y) {
			t.Fatal("they are cut already")
		}
		partition(t, x, y)
		if !cut(t, x, y) || !cut(t, y, x) {
			t.Error("they reach each other")
		}
		if !answers(x) {
			t.Error("clients are cut, too")
		}
		heal(t, x, y)
		if cut(t, x, y) {
			t.Error("they are cut still")
		}
	})
	t.Run("cut off from clients", func(t *testing.T) {
		do(t, x, cluster.Action{Kind: cluster.Block, ID: "clients", Rules: []cluster.Rule{{Peer: d.HarnessAddr(), In: true, Out: true}}})
		if answers(x) {
			t.Error("clients reach it")
		}
		do(t, x, cluster.Action{Kind: cluster.Pause}) // the control channels are not cut
		do(t, x, cluster.Action{Kind: cluster.Resume})
		do(t, x, cluster.Action{Kind: cluster.Unblock, ID: "clients"})
		if !answers(x) {
			t.Error("clients are cut still")
		}
	})
	t.Run("pause", func(t *testing.T) {
		do(t, x, cluster.Action{Kind: cluster.Pause})
		if answers(x) {
			t.Error("it answers")
		}
		do(t, x, cluster.Action{Kind: cluster.Resume})
		if !answers(x) {
			t.Error("it does not go on")
		}
	})
	t.Run("crash", func(t *testing.T) { checkCrash(t, d, x, y) })
	t.Run("delete", func(t *testing.T) { checkDelete(t, d, x, y) })
	t.Run("drain and cordon", func(t *testing.T) { checkDrain(t, a, d, x) })
	t.Run("end", func(t *testing.T) { checkEnd(t, a, d, x, y) })
}

// checkCrash: the container starts again in the same network, so that the rules stay;
// pauses are a new guest's.
func checkCrash(t *testing.T, d cluster.Deployment, x, y *cluster.Node) {
	partition(t, x, y)
	began := time.Now()
	effect := do(t, x, cluster.Action{Kind: cluster.Crash, ID: "f7", At: began.Add(200 * time.Millisecond)})
	if late := effect.At.Sub(began) - 200*time.Millisecond; late < -10*time.Millisecond || late > 500*time.Millisecond {
		t.Errorf("late by %s", late)
	}
	if e := exit(t, x); !e.Planned || e.By != "f7" || e.Signal != "killed" || e.At.Sub(effect.At).Abs() > 100*time.Millisecond {
		t.Errorf("%+v, and the crash was at %s", e, effect.At)
	}
	change(t, d, x.Index, cluster.Restarted)
	if !cut(t, y, x) {
		t.Error("the rules went with the server")
	}
	do(t, x, cluster.Action{Kind: cluster.Pause})
	do(t, x, cluster.Action{Kind: cluster.Resume})
	heal(t, x, y)
	if cut(t, y, x) || !answers(x) {
		t.Error("it is cut still, or does not go on")
	}
}

// checkDelete: the pod made anew has another address, and everybody's rules follow.
func checkDelete(t *testing.T, d cluster.Deployment, x, y *cluster.Node) {
	partition(t, x, y)
	before := x.At()
	do(t, x, cluster.Action{Kind: cluster.Delete, ID: "f8", Grace: time.Second})
	if e := exit(t, x); !e.Planned || e.By != "f8" {
		t.Errorf("%+v", e)
	}
	if c := change(t, d, x.Index, cluster.Moved); c.Addr == before || x.At() != c.Addr {
		t.Errorf("it had %s, has %s, and is told to have %s", before, x.At(), c.Addr)
	}
	change(t, d, x.Index, cluster.Restarted)
	if c := change(t, d, x.Index, cluster.Unguarded); c.Until.Before(c.At) || c.Until.Sub(c.At) > 20*time.Second {
		t.Errorf("unguarded from %s to %s", c.At, c.Until)
	}
	if !cut(t, x, y) || !cut(t, y, x) {
		t.Error("the rules did not follow")
	}
	do(t, x, cluster.Action{Kind: cluster.Pause})
	do(t, x, cluster.Action{Kind: cluster.Resume})
	heal(t, x)
	if !cut(t, y, x) {
		t.Error("the other's rules do not name the new address")
	}
	heal(t, y)
	if cut(t, x, y) || !answers(x) {
		t.Error("it is cut still, or does not go on")
	}
}

// checkDrain: a drained machine's pod comes back on another, and takes pods again when
// the last fault that wanted it so has ended, or nothing is heard of its harness.
func checkDrain(t *testing.T, a *api.API, d cluster.Deployment, x *cluster.Node) {
	before := machineOf(t, a, x)
	do(t, x, cluster.Action{Kind: cluster.Cordon, ID: "f9"})
	if effect := do(t, x, cluster.Action{Kind: cluster.Drain, ID: "f10", Grace: time.Second}); !effect.Changed {
		t.Error("the drain changed nothing")
	}
	if e := exit(t, x); !e.Planned || e.By != "f10" {
		t.Errorf("%+v", e)
	}
	change(t, d, x.Index, cluster.Moved)
	change(t, d, x.Index, cluster.Restarted)
	do(t, x, cluster.Action{Kind: cluster.Pause}) // its guest has been met
	do(t, x, cluster.Action{Kind: cluster.Resume})
	after := machineOf(t, a, x)
	if after == before {
		t.Errorf("its pod is on %s again, which is drained", after)
	}
	do(t, x, cluster.Action{Kind: cluster.Uncordon, ID: "f10"})
	if !cordoned(t, a, before) {
		t.Error("the end of one fault ended the other's cordon")
	}
	do(t, x, cluster.Action{Kind: cluster.Uncordon, ID: "f9"})
	if cordoned(t, a, before) {
		t.Error("the machine takes no pods still")
	}

	do(t, x, cluster.Action{Kind: cluster.Cordon, ID: "f11"})
	if machines, err := a.UncordonDead(t.Context()); len(machines) > 0 || err != nil {
		t.Errorf("of a living harness: %v, %v", machines, err)
	}
	long := map[string]any{"metadata": map[string]any{"annotations": map[string]any{"aftershock.dev/cordoned-at": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}}}
	if _, err := a.Nodes.Patch(t.Context(), after, long); err != nil {
		t.Fatal(err)
	}
	if machines, err := Clean(t.Context()); len(machines) != 1 || err != nil || cordoned(t, a, after) {
		t.Errorf("of a dead harness: %v, %v", machines, err)
	}
	if effect, err := x.Do(t.Context(), cluster.Action{Kind: cluster.Uncordon, ID: "f11"}); err != nil {
		t.Error(effect, err) // there is nothing to do
	}

	t.Cleanup(func() {
		_, _ = a.Nodes.Patch(context.Background(), after, map[string]any{"spec": map[string]any{"unschedulable": nil}})
	})
	if _, err := a.Nodes.Patch(t.Context(), after, map[string]any{"spec": map[string]any{"unschedulable": true}}); err != nil {
		t.Fatal(err)
	}
	if effect, err := x.Do(t.Context(), cluster.Action{Kind: cluster.Cordon, ID: "f12"}); effect.Changed || err != nil {
		t.Error("a machine that somebody else has cordoned was cordoned", err)
	}
	if _, err := x.Do(t.Context(), cluster.Action{Kind: cluster.Uncordon, ID: "f12"}); err != nil {
		t.Error(err)
	}
	if !cordoned(t, a, after) {
		t.Error("somebody else's cordon was undone")
	}
	if _, err := a.Nodes.Patch(t.Context(), after, map[string]any{"spec": map[string]any{"unschedulable": nil}}); err != nil {
		t.Fatal(err)
	}
	do(t, x, cluster.Action{Kind: cluster.Cordon, ID: "f13"}) // until Close
}

func machineOf(t *testing.T, a *api.API, n *cluster.Node) string {
	t.Helper()
	p, err := a.Pods.Get(t.Context(), n.Name)
	if err != nil {
		t.Fatal(err)
	}
	return p.Spec.NodeName
}

func cordoned(t *testing.T, a *api.API, machine string) bool {
	t.Helper()
	n, err := a.Nodes.Get(t.Context(), machine)
	if err != nil {
		t.Fatal(err)
	}
	return n.Spec.Unschedulable
}

// checkEnd: nothing is at work any more after Close, and what was held is let go.
func checkEnd(t *testing.T, a *api.API, d cluster.Deployment, x, y *cluster.Node) {
	do(t, x, cluster.Action{Kind: cluster.Block, ID: "clients", Rules: []cluster.Rule{{Peer: d.HarnessAddr(), In: true, Out: true}}})
	do(t, y, cluster.Action{Kind: cluster.Pause})
	if err := d.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !answers(x) || !answers(y) {
		t.Error("what was held is held still")
	}
	eventually(t, 10*time.Second, func() error { return guestsEnded(a) })
	if machine := machineOf(t, a, x); cordoned(t, a, machine) {
		t.Errorf("%s takes no pods still", machine)
	}
}

type stillThere string

func (s stillThere) Error() string { return string(s) + " is there still" }

func guestsEnded(a *api.API) error {
	var pods corev1.PodList
	if err := a.Pods.List(context.Background(), "app=db", &pods); err != nil {
		return err
	}
	for _, p := range pods.Items {
		for _, s := range p.Status.EphemeralContainerStatuses {
			if s.State.Terminated == nil {
				return stillThere(p.Name + "/" + s.Name)
			}
		}
	}
	return nil
}

// TestLostHarness: what nobody asks to end ends by itself.
func TestLostHarness(t *testing.T) {
	a := namespace(t, "privileged")
	statefulSet(t, a, 2, template("privileged"))
	d := attached(t, a, agentImage, true).(*deployment)
	x, y := d.nodes[0], d.nodes[1]
	do(t, x.Public, cluster.Action{Kind: cluster.Block, ID: "clients", Rules: []cluster.Rule{{Peer: d.HarnessAddr(), In: true, Out: true}}})
	do(t, y.Public, cluster.Action{Kind: cluster.Pause})
	d.Stop() // nobody brings others
	began := time.Now()
	for _, n := range d.nodes {
		for _, h := range []*hosted{n.processes, n.network} {
			h.client.Abandon()
		}
	}
	eventually(t, 2*testLease, func() error {
		if !answers(x.Public) || !answers(y.Public) {
			return stillThere("what the guests held")
		}
		return nil
	})
	t.Logf("healed after %s, with a lease of %s", time.Since(began), testLease)
	eventually(t, 10*time.Second, func() error { return guestsEnded(a) })
}

// TestBaseline: without NET_ADMIN there are no partitions, which is said before; the rest
// works.
func TestBaseline(t *testing.T) {
	for _, level := range []string{"baseline", "restricted"} {
		t.Run(level, func(t *testing.T) {
			a := namespace(t, level)
			statefulSet(t, a, 2, template(level))
			d := attached(t, a, agentImage, false)
			err := d.Can(t.Context(), cluster.Block)
			if err == nil || !strings.Contains(err.Error(), `violates PodSecurity "`+level) || !strings.Contains(err.Error(), "NET_ADMIN") {
				t.Errorf("a partition is not refused in the admission's words: %v", err)
			}
			t.Log(err)
			if err := d.Can(t.Context(), cluster.Crash); err != nil {
				t.Error(err)
			}
			if err := d.Invite(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := d.Can(t.Context(), cluster.Crash); err != nil {
				t.Fatal(err)
			}
			x := d.Nodes()[0]
			do(t, x, cluster.Action{Kind: cluster.Pause})
			if answers(x) {
				t.Error("it answers")
			}
			do(t, x, cluster.Action{Kind: cluster.Resume})
			do(t, x, cluster.Action{Kind: cluster.Crash})
			change(t, d, x.Index, cluster.Restarted)
		})
	}
}

// TestBinaryBroughtIntoImage: without an image of ours guests are of the server's.
func TestBinaryBroughtIntoImage(t *testing.T) {
	a := namespace(t, "restricted")
	statefulSet(t, a, 2, template("restricted"))
	d := attached(t, a, "", true)
	x := d.Nodes()[0]
	do(t, x, cluster.Action{Kind: cluster.Pause})
	if answers(x) {
		t.Error("it answers")
	}
	do(t, x, cluster.Action{Kind: cluster.Resume})
	out, err := x.Run(t.Context(), cluster.ServerSpec{Command: []string{"redis-cli", "ping"}})
	if err != nil || strings.TrimSpace(string(out)) != "PONG" {
		t.Errorf("%q, %v", out, err)
	}
}
