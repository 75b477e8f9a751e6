package set

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// setTimeFacts are the facts of sets by node and by time. Stable and lost
// latency are those of Jepsen's set-full checker.
func setTimeFacts() []checkers.Fact {
	return []checkers.Fact{
		{Name: "set.never_seen", Unit: checkers.Number, Meaning: "acknowledged elements that no answer to a later read had, those aside that are lost; at most those too that no later read was answered for"},
		{Name: "set.stable_latency.p50", Unit: checkers.Nanos, Meaning: "median time from an element's acknowledgement to the begin of the last read that still lacked it, 0 if none did; of elements added while measuring and neither lost nor never seen"},
		{Name: "set.stable_latency.p99", Unit: checkers.Nanos, Meaning: "99th percentile of that time"},
		{Name: "set.stable_latency.max", Unit: checkers.Nanos, Meaning: "greatest such time"},
		{Name: "set.lost_latency.p50", Unit: checkers.Nanos, Meaning: "median time from a lost element's acknowledgement to the end of the last read that had it, 0 if none had; of elements added while measuring"},
		{Name: "set.lost_latency.p99", Unit: checkers.Nanos, Meaning: "99th percentile of that time"},
		{Name: "set.lost_latency.max", Unit: checkers.Nanos, Meaning: "greatest such time"},
		{Name: "set.<node>.stale", Unit: checkers.Number, Meaning: "stale reads of this node"},
		{Name: "set.<node>.flapping", Unit: checkers.Number, Meaning: "elements that this node showed, then did not show, then showed again"},
	}
}

// nodeTally is what is counted of one node.
type nodeTally struct{ reads, stale, flapping int }

func (t *tally) addNodes(o *tally) {
	t.neverSeen, t.unasked = t.neverSeen+o.neverSeen, t.unasked+o.unasked
	t.stable.Merge(&o.stable)
	t.gone.Merge(&o.gone)
	for node, n := range o.nodes {
		sum := t.nodes[node]
		t.nodes[node] = nodeTally{sum.reads + n.reads, sum.stale + n.stale, sum.flapping + n.flapping}
	}
}

// measure takes the times of one set's elements.
func (t *tally) measure(k *elements, doubts *kit.Doubts) {
	for i := range k.all {
		e := &k.all[i]
		if !e.judged() {
			continue
		}
		gone, warm := e.loss == lost, k.op(e.add).Flags&history.Warmup != 0
		switch {
		case gone || e.last > e.ack:
		case e.loss == kept && k.asked(e):
			t.neverSeen++
			continue
		default:
			t.unasked++
			continue
		}
		switch {
		case warm:
		case gone && e.last > kit.Beginning:
			t.gone.Add(max(kit.Span(e.lastEnd, e.ack), 0), doubts, e.start, e.lastEnd)
		case gone:
			t.gone.Add(0, doubts, e.start, e.ack)
		case e.absent > e.ack:
			t.stable.Add(kit.Span(e.absent, e.ack), doubts, e.start, e.absent)
		default:
			t.stable.Add(0, doubts, e.start, e.ack)
		}
	}
}

// more are the values of setTimeFacts. In a torn history the reads that would
// tell may be missing.
func (t *tally) more(log *history.Log, doubts *kit.Doubts) []checkers.Value {
	never := kit.Between("set.never_seen", float64(t.neverSeen), float64(t.neverSeen+t.unasked),
		fmt.Sprintf("of %s it is not known: no read that began after the acknowledgement was answered, or not by every node that was asked at the end; more settle time may help",
			units.Plural(t.unasked, "acknowledged element", "acknowledged elements")))
	stable, gone := t.stable.Quantiles(0, 0, doubts), t.gone.Quantiles(0, 0, doubts)
	noneSeen, noneLost := "no acknowledged element was seen by a later read", "no element is known to be lost"
	if open := t.finals.Undecided + t.finals.Unjudged; open > 0 {
		gone, noneLost = kit.Quantiles{}, "it is not known what is lost: see set.lost"
	}
	if t.reads == 0 {
		never = checkers.Value{Name: never.Name, Why: kit.NoRead}
	}
	if log.Torn {
		never = checkers.Value{Name: never.Name, Why: kit.TornWhy}
		stable, noneSeen = kit.Quantiles{}, kit.TornWhy
		gone, noneLost = kit.Quantiles{}, kit.TornWhy
	}
	values := []checkers.Value{never}
	for _, q := range []struct {
		name string
		of   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"max", 1}} {
		values = append(values, stable.Value("set.stable_latency."+q.name, q.of, noneSeen, ""), gone.Value("set.lost_latency."+q.name, q.of, noneLost, ""))
	}
	for i, node := range log.Meta.Nodes {
		n := t.nodes[int8(i)]
		values = append(values, kit.Asked("set."+node+".stale", n.stale, n.reads, log.Torn, kit.NoRead),
			kit.Asked("set."+node+".flapping", n.flapping, n.reads, log.Torn, kit.NoRead))
	}
	return values
}
