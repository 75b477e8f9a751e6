// Package lag checks replication lag: as clients see it by markers, and as the
// system tells it.
package lag

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Checker measures the replication lag that clients see, by markers.
func Checker() checkers.Checker {
	return checkers.Checker{
		Name:    "lag",
		Objects: []history.Object{history.ObjectMarker},
		Facts: []checkers.Fact{
			{Name: "lag.p50", Unit: checkers.Nanos, Meaning: "median time from a marker's acknowledgement to its visibility (the end of the first poll that showed it), over all replicas"},
			{Name: "lag.p90", Unit: checkers.Nanos, Meaning: "90th percentile of the time from a marker's acknowledgement to its visibility, over all replicas"},
			{Name: "lag.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the time from a marker's acknowledgement to its visibility, over all replicas"},
			{Name: "lag.max", Unit: checkers.Nanos, Meaning: "greatest time from a marker's acknowledgement to its visibility, over all replicas"},
			{Name: "lag.write_to_visible.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the time from the start of a marker's write to its visibility, over all replicas"},
			{Name: slopeFact, Unit: checkers.Ratio, Meaning: "seconds by which lag grows in a second of the measured phase, over the replica that is behind most: the 95 % interval of the Theil–Sen slope; above 0, replicas do not keep up"},
			{Name: "lag.unseen", Unit: checkers.Number, Meaning: "acknowledged markers that no answer of a replica to a later poll had, summed over the replicas; at most those too that no later poll was answered for"},
			{Name: "lag.markers", Unit: checkers.Number, Better: checkers.Neither, Meaning: "acknowledged markers"},
			{Name: "load.<phase>.lag.p50", Unit: checkers.Nanos, Meaning: "median replication lag, as lag.p50, of the markers that were written in a phase of the load"},
			{Name: "load.<phase>.lag.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the replication lag, as lag.p99, of the markers that were written in a phase of the load"},
			{Name: "load.<phase>.lag.max", Unit: checkers.Nanos, Meaning: "greatest replication lag of the markers that were written in a phase of the load"},
			{Name: "lag.<node>.p50", Unit: checkers.Nanos, Meaning: "median time from a marker's acknowledgement to its visibility on this node"},
			{Name: "lag.<node>.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the time from a marker's acknowledgement to its visibility on this node"},
			{Name: "lag.<node>.max", Unit: checkers.Nanos, Meaning: "greatest time from a marker's acknowledgement to its visibility on this node"},
			{Name: "lag.<node>.unseen", Unit: checkers.Number, Meaning: "acknowledged markers that no answer of this node to a later poll had; at most those too that no later poll was answered for"},
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
	visit(log, func(s LagSample, _ *history.Op, seen sight) {
		if seen == shown {
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
// acknowledgement. Markers that nobody asked for are left out, and of a torn log
// those that were never seen: what saw them may be missing.
func LagSpans(log *history.Log) []LagSpan {
	var spans []LagSpan
	visit(log, func(s LagSample, mark *history.Op, seen sight) {
		l := LagSpan{Node: s.Node, Acked: kit.Until(mark), Visible: kit.Never, Warmup: mark.Flags&history.Warmup != 0}
		if seen == shown {
			l.Visible = max(s.At, l.Acked)
		}
		if seen == shown || seen == unseen && !log.Torn {
			spans = append(spans, l)
		}
	})
	return spans
}

// sight is what a replica's polls tell of a marker.
type sight uint8

const (
	shown   sight = iota
	unseen        // a poll that began after its acknowledgement was answered, and none showed it
	unasked       // no such poll was answered
)

// visit tells, of every acknowledged marker and every node that it was not
// written to, when the node showed it, if ever.
func visit(log *history.Log, tell func(s LagSample, mark *history.Op, seen sight)) {
	members := kit.MembersOf(log)
	for _, g := range kit.Groups(log, history.ObjectMarker) {
		var marks []*history.Op
		polls := make([][]*history.Op, len(log.Meta.Nodes))
		for _, i := range g.Ops {
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
			asked := kit.Beginning
			for _, p := range polls[node] {
				asked = max(asked, kit.From(p))
			}
			firsts := firstPolls(polls[node])
			for _, m := range marks {
				if int(m.Node) == node {
					continue
				}
				s := LagSample{Node: int8(node), Marker: m.Value}
				i := sort.Search(len(firsts), func(i int) bool { return firsts[i].Value >= m.Value })
				if i < len(firsts) {
					s.At = kit.Until(firsts[i])
					s.AckToVisible = max(0, kit.Span(s.At, kit.Until(m)))
					s.StartToVisible = max(0, kit.Span(s.At, kit.From(m)))
				}
				until := kit.Never
				if i < len(firsts) {
					until = s.At
				}
				switch {
				case !members.Throughout(node, kit.Until(m), until): // it was not the node's to show, or not for long
				case i < len(firsts):
					tell(s, m, shown)
				case asked > kit.Until(m):
					tell(s, m, unseen)
				default:
					tell(s, m, unasked)
				}
			}
		}
	}
}

// firstPolls keeps the polls that ended with a greater marker than any before,
// in order of both.
func firstPolls(polls []*history.Op) []*history.Op {
	slices.SortStableFunc(polls, func(a, b *history.Op) int { return cmp.Compare(kit.Until(a), kit.Until(b)) })
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
	acked, started kit.Times
	unseen         int
	unasked        int
}

func (t *lagTally) add(s LagSample, mark *history.Op, seen sight, doubts *kit.Doubts) {
	switch seen {
	case unseen:
		t.unseen++
		return
	case unasked:
		t.unasked++
		return
	}
	t.acked.Add(s.AckToVisible, doubts, kit.From(mark), s.At)
	t.started.Add(s.StartToVisible, doubts, kit.From(mark), s.At)
}

// checkLag measures replication lag as clients see it. Markers of the warm-up
// do not count. Where so many markers were never seen that a percentile is one
// of them, it is unknown.
func checkLag(ctx context.Context, in checkers.Input) checkers.Result {
	log, doubts := in.Log, kit.DoubtsOf(in.Log)
	total, nodes, trend := lagTally{}, make([]lagTally, len(log.Meta.Nodes)), newSlopes()
	phases := kit.LoadPhases(log)
	ofPhases := make([]lagTally, len(phases))
	visit(log, func(s LagSample, mark *history.Op, seen sight) {
		if mark.Flags&history.Warmup == 0 && ctx.Err() == nil {
			total.add(s, mark, seen, doubts)
			nodes[s.Node].add(s, mark, seen, doubts)
			trend.add(s, mark, seen, doubts)
			for i := range phases {
				if phases[i].Has(mark.Intended) {
					ofPhases[i].add(s, mark, seen, doubts)
				}
			}
		}
	})
	markers, lags := 0, log.WorkloadIndex(history.ObjectMarker)
	for i := range log.Ops {
		op := &log.Ops[i]
		if op.Kind == history.Mark && op.Outcome == history.OK && op.Flags&history.Warmup == 0 && slices.Contains(lags, int(op.Workload)) {
			markers++
		}
	}
	values := []checkers.Value{kit.Recorded("lag.markers", markers, log.Torn)}
	values = append(values, total.values("lag.", log.Torn, true, doubts)...)
	values = append(values, trend.value(log.Torn))
	for i, node := range log.Meta.Nodes {
		values = append(values, nodes[i].values("lag."+node+".", log.Torn, false, doubts)...)
	}
	for i := range phases {
		for _, v := range ofPhases[i].values("load."+phases[i].Name+".lag.", log.Torn, false, doubts) {
			if !strings.HasSuffix(v.Name, ".unseen") {
				values = append(values, v)
			}
		}
	}
	return checkers.Result{Values: values}
}

func (t *lagTally) values(prefix string, torn, all bool, doubts *kit.Doubts) []checkers.Value {
	const empty = "no acknowledged marker was for this replica to show"
	const unmeasured = "markers were never seen, or not asked for, so it is not known"
	acked, started := t.acked.Quantiles(0, t.unseen, doubts), t.started.Quantiles(0, t.unseen, doubts)
	quantile := func(of kit.Quantiles, name string, q float64) checkers.Value {
		v := of.With(t.unasked, prefix+name, q, empty, unmeasured)
		if n := len(t.acked.Sure); !v.Known && q == 1 && n > 0 { // of the greatest those that were measured are a bound
			v = checkers.Value{Name: v.Name, N: float64(t.acked.Sure[n-1]), Known: true, AtLeast: true, Why: "at least; " + v.Why}
		}
		return kit.OfWhole(v, torn, q == 1)
	}
	values := []checkers.Value{quantile(acked, "p50", 0.5)}
	if all {
		values = append(values, quantile(acked, "p90", 0.9), quantile(started, "write_to_visible.p99", 0.99))
	}
	never := kit.Between(prefix+"unseen", float64(t.unseen), float64(t.unseen+t.unasked),
		fmt.Sprintf("of %s it is not known: no poll that began later was answered", units.Plural(t.unasked, "marker", "markers")))
	if torn {
		never = checkers.Value{Name: prefix + "unseen", Why: kit.TornWhy}
	}
	return append(values, quantile(acked, "p99", 0.99), quantile(acked, "max", 1), never)
}
