package all

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/objectives"
	"github.com/aftershock-chaos/aftershock/history"
)

// faultsIn are faults at random times of a history, the primary's mostly.
func faultsIn(r *rand.Rand, log *history.Log) []history.Event {
	end := log.End() + 2
	events := []history.Event{{At: 0, Kind: history.EventRole, Node: log.Meta.Nodes[0], Epoch: 1, Detail: "primary"}}
	for i := range r.IntN(4) {
		id, at := fmt.Sprint("f", i+1), 1+r.Int64N(end)
		node := log.Meta.Nodes[r.IntN(len(log.Meta.Nodes))]
		events = append(events, history.Event{At: at, Kind: history.EventFault, Fault: id, Name: "kill", Nodes: []string{node}})
		if r.IntN(5) > 0 {
			events = append(events, history.Event{At: at + r.Int64N(20), Kind: history.EventHeal, Fault: id})
		}
		if r.IntN(2) == 0 {
			events = append(events, history.Event{At: at + r.Int64N(20), Kind: history.EventRole, Node: log.Meta.Nodes[r.IntN(len(log.Meta.Nodes))], Epoch: uint64(i + 2), Detail: "primary"})
		}
	}
	slices.SortStableFunc(events, func(a, b history.Event) int { return int(a.At - b.At) })
	return events
}

// TestDifferentialPoints: what all faults lost adds up to what was lost, and less
// evidence never brings the bounds together: neither those of what a fault lost nor
// those of when clients were served again.
func TestDifferentialPoints(t *testing.T) {
	eachWorld(t, 4_000, func(o *object, r *rand.Rand) string {
		if !slices.Contains([]string{setType, queueType, appendType, counterType}, o.workload) {
			return ""
		}
		_, log := newWorld(o, r)
		log.Events = faultsIn(r, log)
		judge := func(log *history.Log) map[string]checkers.Value {
			values := map[string]checkers.Value{}
			for _, v := range checkers.Run(context.Background(), log, checkers.Limits{Workers: 1}, []checkers.Checker{o.checker, objectives.Checker()}).Values {
				values[v.Name] = v
			}
			return values
		}
		before := judge(log)
		if wrong := addsUp(log, before); wrong != "" {
			return wrong
		}
		less, by := without(r, log)
		less.Events = log.Events
		if len(less.Ops) == 0 {
			return ""
		}
		after := judge(less)
		for name, was := range before {
			if !strings.HasPrefix(name, "rpo.") || by.cut || by.promise {
				continue
			}
			least, most := was.Bounds()
			now, nowMost := after[name].Bounds()
			if after[name].Known && now > max(least, 0) || nowMost < most {
				return fmt.Sprintf("%s was %g to %g and is %g to %g by less evidence", name, least, most, now, nowMost)
			}
		}
		return ""
	})
}

// addsUp holds the sum of all faults to what was lost in all.
func addsUp(log *history.Log, values map[string]checkers.Value) string {
	var least, most, sumLeast, sumMost float64
	for _, name := range []string{"set.lost", "queue.lost", "append.lost", "counter.lost"} {
		if v, ok := values[name]; ok {
			l, m := v.Bounds()
			least, most = least+max(l, 0), most+m
		}
	}
	faults := 0
	for _, w := range log.Windows() {
		l, m := values["rpo."+w.Fault+".ops"].Bounds()
		sumLeast, sumMost = sumLeast+max(l, 0), sumMost+m
		faults++
	}
	if faults > 0 && (sumLeast > least || sumMost < most || faults == 1 && (sumLeast != least || sumMost != most)) && !math.IsNaN(least) {
		return fmt.Sprintf("%d faults lost %g to %g, and all in all %g to %g", faults, sumLeast, sumMost, least, most)
	}
	return ""
}
