package agent_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

// ahead is how far ahead the harness sends its actions here.
const ahead = 15 * time.Millisecond

// measurePrecision puts an action into effect at planned instants on three nodes
// at once and reports how late it took effect, and how far apart the nodes were.
// undo follows each time.
func measurePrecision(b *testing.B, action, undo cluster.Action) {
	nodes := nodetest.Launch(b, 3).Nodes()
	nodetest.Serve(b, nodes...)
	action.Rules = []cluster.Rule{{Peer: nodes[2].Addr, In: true, Out: true}}
	var late, spread, bound []time.Duration
	for b.Loop() {
		action.At = time.Now().Add(ahead)
		effects := make([]cluster.Effect, len(nodes))
		errs := make(chan error, len(nodes))
		for i, n := range nodes {
			go func() {
				var err error
				effects[i], err = n.Do(b.Context(), action)
				errs <- err
			}()
		}
		for range nodes {
			if err := <-errs; err != nil {
				b.Fatal(err)
			}
		}
		var each []time.Duration
		for _, e := range effects {
			if !e.Changed {
				b.Fatalf("%s changed nothing", action.Kind)
			}
			each = append(each, e.At.Sub(action.At))
			bound = append(bound, e.Error)
		}
		late = append(late, each...)
		spread = append(spread, slices.Max(each)-slices.Min(each))
		for _, n := range nodes {
			if undo.Kind != "" {
				nodetest.Do(b, n, undo)
			}
			if action.Kind == cluster.Kill {
				nodetest.WaitAnswers(b, n)
			}
		}
	}
	report := func(name string, values []time.Duration) {
		slices.Sort(values)
		for _, p := range []int{50, 99, 100} {
			v := values[(len(values)-1)*p/100]
			b.ReportMetric(float64(v)/float64(time.Millisecond), fmt.Sprintf("ms-%s-p%d", name, p))
		}
	}
	report("late", late)
	report("spread", spread)
	report("clock", bound)
}

func BenchmarkKillPrecision(b *testing.B) {
	measurePrecision(b, cluster.Action{Kind: cluster.Kill}, cluster.Action{Kind: cluster.Restart})
}

func BenchmarkPausePrecision(b *testing.B) {
	measurePrecision(b, cluster.Action{Kind: cluster.Pause}, cluster.Action{Kind: cluster.Resume})
}

func BenchmarkBlockPrecision(b *testing.B) {
	measurePrecision(b, cluster.Action{Kind: cluster.Block, ID: "f1"}, cluster.Action{Kind: cluster.Unblock, ID: "f1"})
}
