package clock_test

import (
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/clock"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

// wrongBy is by how much the clock of a node's server is wrong.
func wrongBy(t *testing.T, n *cluster.Node) time.Duration {
	t.Helper()
	answer, err := nodetest.Ask(t, n, "time")
	if err != nil {
		t.Fatal(err)
	}
	ns, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(time.Unix(0, ns)).Round(time.Minute)
}

func TestSkewOfNode(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("there is no hook for this processor that has run")
	}
	nodes := nodetest.Launch(t, 2).Nodes()
	nodetest.Serve(t, nodes...)
	n := nodes[0]
	if err := n.Control.(cluster.Able).Can(t.Context(), cluster.Skew); err != nil {
		t.Fatal(err)
	}
	e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Skew, ID: "f1", Clock: &cluster.Clock{By: -time.Hour}})
	if !e.Changed || time.Since(e.At).Abs() > time.Minute {
		t.Errorf("%+v: the agent tells of it by its own clock, which is not shifted", e)
	}
	if a, b := wrongBy(t, n), wrongBy(t, nodes[1]); a != -time.Hour || b != 0 {
		t.Errorf("wrong by %s and %s, want an hour on the first node alone", a, b)
	}
	if nodetest.CanSwitchUsers() { // a server of another user's
		nodetest.Do(t, n, cluster.Action{Kind: cluster.Kill})
		other := nodetest.ServerSpec
		other.User = "65534:65534"
		if err := n.Start(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		nodetest.WaitAnswers(t, n)
		if d := wrongBy(t, n); d != -time.Hour {
			t.Errorf("another user's server is wrong by %s", d)
		}
	}
	e = nodetest.Do(t, n, cluster.Action{Kind: cluster.Unskew, ID: "f1"})
	if d := wrongBy(t, n); d != 0 || e.Counts[clock.Shifted] == 0 {
		t.Errorf("wrong by %s after the end; %+v", d, e)
	}
}

// An action takes effect at its instant, as it is prepared before.
func TestPrecision(t *testing.T) {
	n := nodetest.Launch(t, 1).Nodes()[0]
	nodetest.Serve(t, n)
	var late []time.Duration
	for range 9 {
		at := time.Now().Add(200 * time.Millisecond)
		e := nodetest.Do(t, n, cluster.Action{Kind: cluster.Skew, ID: "f1", At: at, Clock: &cluster.Clock{By: time.Hour}})
		late = append(late, e.At.Sub(at))
		nodetest.Do(t, n, cluster.Action{Kind: cluster.Unskew, ID: "f1"})
	}
	slices.Sort(late)
	t.Log("late by", late)
	if late[len(late)/2] > 20*time.Millisecond {
		t.Errorf("late by %s, want 20 ms at most", late)
	}
}

// BenchmarkClock: what a look at the clock costs a node's server, right and wrong.
func BenchmarkClock(b *testing.B) {
	n := nodetest.Launch(b, 1).Nodes()[0]
	nodetest.Serve(b, n)
	const looks = 1_000_000
	run := func(b *testing.B) {
		var all float64
		for b.Loop() {
			answer, err := nodetest.Ask(b, n, "times "+strconv.Itoa(looks))
			if err != nil {
				b.Fatal(err)
			}
			ns, err := strconv.ParseFloat(answer, 64)
			if err != nil {
				b.Fatal(err)
			}
			all += ns
		}
		b.ReportMetric(all/float64(b.N)/looks, "ns/look")
	}
	b.Run("right", run)
	nodetest.Do(b, n, cluster.Action{Kind: cluster.Skew, ID: "f1", Clock: &cluster.Clock{By: time.Hour}})
	b.Run("wrong", run)
	nodetest.Do(b, n, cluster.Action{Kind: cluster.Unskew, ID: "f1"})
	b.Run("right-again", run)
}
