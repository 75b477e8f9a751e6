package checkers

import "github.com/aftershock-chaos/aftershock/history"

// setTimeFacts are the facts of sets by node and by time. Stable and lost
// latency are those of Jepsen's set-full checker.
func setTimeFacts() []Fact {
	return []Fact{
		{"set.never_seen", Number, "acknowledged elements that no read that began later ever had, those aside that are lost by the final reads"},
		{"set.stable_latency.p50", Nanos, "median time from an element's acknowledgement to the begin of the last read that still lacked it, 0 if none did; of elements added while measuring and neither lost nor never seen"},
		{"set.stable_latency.p99", Nanos, "99th percentile of that time"},
		{"set.stable_latency.max", Nanos, "greatest such time"},
		{"set.lost_latency.p50", Nanos, "median time from a lost element's acknowledgement to the end of the last read that had it, 0 if none had; of elements added while measuring"},
		{"set.lost_latency.p99", Nanos, "99th percentile of that time"},
		{"set.lost_latency.max", Nanos, "greatest such time"},
		{"set.<node>.stale", Number, "stale reads of this node"},
		{"set.<node>.flapping", Number, "elements that this node showed, then did not show, then showed again"},
	}
}

// nodeTally is what is counted of one node.
type nodeTally struct{ stale, flapping int }

func (t *setTally) addNodes(o *setTally) {
	t.neverSeen += o.neverSeen
	t.stable, t.gone = append(t.stable, o.stable...), append(t.gone, o.gone...)
	for node, n := range o.nodes {
		sum := t.nodes[node]
		t.nodes[node] = nodeTally{sum.stale + n.stale, sum.flapping + n.flapping}
	}
}

// measure takes the times of one set's elements, of which some are lost, given
// in order.
func (t *setTally) measure(k *elements, lost []int32) {
	for i := range k.all {
		e := &k.all[i]
		gone := len(lost) > 0 && lost[0] == int32(i)
		if gone {
			lost = lost[1:]
		}
		if !e.judged() {
			continue
		}
		warm := k.op(e.add).Flags&history.Warmup != 0
		switch {
		case !gone && e.last <= e.ack:
			t.neverSeen++
		case warm:
		case gone && e.last > beginning:
			t.gone = append(t.gone, max(span(e.lastEnd, e.ack), 0))
		case gone:
			t.gone = append(t.gone, 0)
		case e.absent > e.ack:
			t.stable = append(t.stable, span(e.absent, e.ack))
		default:
			t.stable = append(t.stable, 0)
		}
	}
}

// more are the values of setTimeFacts. In a torn history the reads that would
// tell may be missing.
func (t *setTally) more(log *history.Log) []Value {
	never := counted("set.never_seen", t.neverSeen)
	stable, gone := newQuantiles(t.stable, 0, 0), newQuantiles(t.gone, 0, 0)
	noneSeen, noneLost := "no acknowledged element was seen by a later read", "no element is known to be lost"
	if log.Torn {
		never = Value{Name: never.Name, Why: tornWhy}
		stable, noneSeen = quantiles{}, tornWhy
		gone, noneLost = quantiles{}, tornWhy
	}
	values := []Value{never}
	for _, q := range []struct {
		name string
		of   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"max", 1}} {
		values = append(values, stable.value("set.stable_latency."+q.name, q.of, noneSeen, ""), gone.value("set.lost_latency."+q.name, q.of, noneLost, ""))
	}
	for i, node := range log.Meta.Nodes {
		n := t.nodes[int8(i)]
		values = append(values, anomalies("set."+node+".stale", n.stale, log.Torn), anomalies("set."+node+".flapping", n.flapping, log.Torn))
	}
	return values
}
