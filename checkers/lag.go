package checkers

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/history"
)

func lagChecker() Checker {
	return Checker{
		Name:  "lag",
		Types: []string{lagType},
		Facts: []Fact{
			{"lag.p50", Nanos, "median time from a marker's acknowledgement to its visibility, over all replicas"},
			{"lag.p90", Nanos, "90th percentile of the time from a marker's acknowledgement to its visibility, over all replicas"},
			{"lag.p99", Nanos, "99th percentile of the time from a marker's acknowledgement to its visibility, over all replicas"},
			{"lag.max", Nanos, "greatest time from a marker's acknowledgement to its visibility, over all replicas"},
			{"lag.write_to_visible.p99", Nanos, "99th percentile of the time from the start of a marker's write to its visibility, over all replicas"},
			{"lag.unseen", Number, "acknowledged markers that a replica never showed, summed over the replicas"},
			{"lag.markers", Number, "acknowledged markers"},
			{"lag.<node>.p50", Nanos, "median time from a marker's acknowledgement to its visibility on this node"},
			{"lag.<node>.p99", Nanos, "99th percentile of the time from a marker's acknowledgement to its visibility on this node"},
			{"lag.<node>.max", Nanos, "greatest time from a marker's acknowledgement to its visibility on this node"},
			{"lag.<node>.unseen", Number, "acknowledged markers that this node never showed"},
		},
		Check: checkLag,
	}
}

// LagSample is one acknowledged marker becoming visible on one replica. Times
// are nanoseconds.
type LagSample struct {
	Node           int8 // the replica
	Marker         int64
	At             int64 // when it was visible: the end of the first poll with this marker or a later one
	AckToVisible   int64 // from the acknowledgement of its write; 0 if it was visible before
	StartToVisible int64 // from the start of its write; 0 if it was visible before
}

// LagSamples lists every acknowledged marker and each replica that showed it,
// by node, then marker. The node that the marker was written to is no replica.
// Markers of the warm-up are in it too.
func LagSamples(log *history.Log) []LagSample {
	var samples []LagSample
	visit(log, func(s LagSample, _ *history.Op, seen bool) {
		if seen {
			samples = append(samples, s)
		}
	})
	return samples
}

// LagSpan is the time in which a replica did not show an acknowledged marker,
// in nanoseconds of the run's clock.
type LagSpan struct {
	Node    int8 // the replica
	Acked   int64
	Visible int64 // math.MaxInt64: never
	Warmup  bool  // the marker was written in the warm-up
}

// LagSpans lists such a span for every acknowledged marker and every replica,
// by node, then marker; it is empty where the marker was visible before its
// acknowledgement. Of a torn log, markers that were never seen are left out:
// what saw them may be missing.
func LagSpans(log *history.Log) []LagSpan {
	var spans []LagSpan
	visit(log, func(s LagSample, mark *history.Op, seen bool) {
		l := LagSpan{Node: s.Node, Acked: until(mark), Visible: never, Warmup: mark.Flags&history.Warmup != 0}
		if seen {
			l.Visible = max(s.At, l.Acked)
		}
		if seen || !log.Torn {
			spans = append(spans, l)
		}
	})
	return spans
}

// visit tells, of every acknowledged marker and every node that it was not
// written to, when the node showed it, if ever.
func visit(log *history.Log, tell func(s LagSample, mark *history.Op, seen bool)) {
	for _, g := range groups(log, lagType) {
		var marks []*history.Op
		polls := make([][]*history.Op, len(log.Meta.Nodes))
		for _, i := range g.ops {
			op := &log.Ops[i]
			switch {
			case op.Outcome != history.OK:
			case op.Kind == history.Mark:
				marks = append(marks, op)
			case op.Kind == history.Poll && op.Node >= 0 && int(op.Node) < len(polls):
				polls[op.Node] = append(polls[op.Node], op)
			}
		}
		slices.SortStableFunc(marks, func(a, b *history.Op) int { return cmp.Compare(a.Value, b.Value) })
		for node := range polls {
			firsts := firstPolls(polls[node])
			for _, m := range marks {
				if int(m.Node) == node {
					continue
				}
				s := LagSample{Node: int8(node), Marker: m.Value}
				i := sort.Search(len(firsts), func(i int) bool { return firsts[i].Value >= m.Value })
				if i < len(firsts) {
					s.At = until(firsts[i])
					s.AckToVisible = max(0, span(s.At, until(m)))
					s.StartToVisible = max(0, span(s.At, from(m)))
				}
				tell(s, m, i < len(firsts))
			}
		}
	}
}

// firstPolls keeps the polls that ended with a greater marker than any before,
// in order of both.
func firstPolls(polls []*history.Op) []*history.Op {
	slices.SortStableFunc(polls, func(a, b *history.Op) int { return cmp.Compare(until(a), until(b)) })
	firsts := polls[:0]
	for _, p := range polls {
		if len(firsts) == 0 || p.Value > firsts[len(firsts)-1].Value {
			firsts = append(firsts, p)
		}
	}
	return firsts
}

// lagTally is the lag of one replica, or of all.
type lagTally struct {
	acked, started []int64
	unseen         int
}

func (t *lagTally) add(s LagSample, seen bool) {
	if !seen {
		t.unseen++
		return
	}
	t.acked = append(t.acked, s.AckToVisible)
	t.started = append(t.started, s.StartToVisible)
}

// checkLag measures replication lag as clients see it. Markers of the warm-up
// do not count. Where so many markers were never seen that a percentile is one
// of them, it is unknown.
func checkLag(ctx context.Context, log *history.Log, _ Limits) Result {
	total, nodes := lagTally{}, make([]lagTally, len(log.Meta.Nodes))
	visit(log, func(s LagSample, mark *history.Op, seen bool) {
		if mark.Flags&history.Warmup == 0 && ctx.Err() == nil {
			total.add(s, seen)
			nodes[s.Node].add(s, seen)
		}
	})
	markers, lags := 0, log.WorkloadIndex(lagType)
	for i := range log.Ops {
		op := &log.Ops[i]
		if op.Kind == history.Mark && op.Outcome == history.OK && op.Flags&history.Warmup == 0 && slices.Contains(lags, int(op.Workload)) {
			markers++
		}
	}
	values := []Value{counted("lag.markers", markers)}
	values = append(values, total.values("lag.", log.Torn, true)...)
	for i, node := range log.Meta.Nodes {
		values = append(values, nodes[i].values("lag."+node+".", log.Torn, false)...)
	}
	return Result{Values: values}
}

func (t *lagTally) values(prefix string, torn, all bool) []Value {
	const empty = "no acknowledged marker was for this replica to show"
	const unmeasured = "markers were never seen, so it is not known"
	above := t.unseen
	if torn {
		above = 0 // the polls that saw them may be missing
	}
	acked := newQuantiles(t.acked, 0, above)
	values := []Value{acked.value(prefix+"p50", 0.5, empty, unmeasured)}
	if all {
		started := newQuantiles(t.started, 0, above)
		values = append(values, acked.value(prefix+"p90", 0.9, empty, unmeasured),
			started.value(prefix+"write_to_visible.p99", 0.99, empty, unmeasured))
	}
	unseen := Value{Name: prefix + "unseen", Why: tornWhy}
	if !torn {
		unseen = Value{Name: prefix + "unseen", N: float64(t.unseen), Known: true}
	}
	return append(values, acked.value(prefix+"p99", 0.99, empty, unmeasured),
		acked.value(prefix+"max", 1, empty, unmeasured), unseen)
}
