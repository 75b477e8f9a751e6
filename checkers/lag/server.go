package lag

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// serverLagPrefix begins the names of the facts that this checker measures.
const serverLagPrefix = "lag.server."

// IsServerLag tells whether a fact is of the lag that the system itself tells.
func IsServerLag(fact string) bool { return strings.HasPrefix(fact, serverLagPrefix) }

// Server measures the replication lag that the system itself tells.
func Server() checkers.Checker {
	return checkers.Checker{
		Name: "server-lag",
		Facts: []checkers.Fact{
			{Name: "lag.server.p50", Unit: checkers.Nanos, Meaning: "median of the replication lag that the system itself told while measuring, over all replicas"},
			{Name: "lag.server.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the replication lag that the system itself told while measuring, over all replicas"},
			{Name: "lag.server.max", Unit: checkers.Nanos, Meaning: "greatest replication lag that the system itself told while measuring, over all replicas"},
			{Name: "lag.server.bytes.max", Unit: checkers.Bytes, Meaning: "greatest replication lag in bytes that the system itself told while measuring, over all replicas"},
			{Name: "lag.server.<node>.p50", Unit: checkers.Nanos, Meaning: "median of the replication lag of this node that the system itself told while measuring"},
			{Name: "lag.server.<node>.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the replication lag of this node that the system itself told while measuring"},
			{Name: "lag.server.<node>.max", Unit: checkers.Nanos, Meaning: "greatest replication lag of this node that the system itself told while measuring"},
			{Name: "lag.server.<node>.bytes.max", Unit: checkers.Bytes, Meaning: "greatest replication lag of this node in bytes that the system itself told while measuring"},
		},
		Check: checkServerLag,
	}
}

// ServerLagAnswer is one answer of one node about one replica: how far behind it
// is in the system's own words.
type ServerLagAnswer struct {
	Node   int    // the replica, an index of the nodes
	At     int64  // when the answer came, on the run's clock
	Source string // the system's own name of the figure
	Time   int64  // nanoseconds; -1: not told
	Bytes  int64  // -1: not told
}

// ServerLagAnswers lists what the system told of its lag, by time. Of several
// figures for one replica in one answer the greatest time and the greatest number
// of bytes count: a replica that has received everything, but not yet applied it,
// is as far behind as what it has applied. Events that name no node of the log,
// and those without a figure, are left out.
func ServerLagAnswers(log *history.Log) []ServerLagAnswer {
	type answerID struct {
		at   int64
		by   string
		node int
	}
	var all []ServerLagAnswer
	places := map[answerID]int{}
	for i := range log.Events {
		e := &log.Events[i]
		node := slices.Index(log.Meta.Nodes, e.Node)
		t := ServerLagAnswer{Node: node, At: e.At, Source: e.Name, Time: figure(e.Lag), Bytes: figure(e.Bytes)}
		if e.Kind != history.EventLag || node < 0 || t.Time < 0 && t.Bytes < 0 {
			continue
		}
		key := answerID{e.At, e.By, t.Node}
		at, ok := places[key]
		if !ok {
			places[key] = len(all)
			all = append(all, t)
			continue
		}
		if t.Time > all[at].Time {
			all[at].Time, all[at].Source = t.Time, t.Source
		}
		all[at].Bytes = max(all[at].Bytes, t.Bytes)
	}
	slices.SortStableFunc(all, func(a, b ServerLagAnswer) int { return cmp.Compare(a.At, b.At) })
	return all
}

func figure(p *int64) int64 {
	if p == nil || *p < 0 {
		return -1
	}
	return *p
}

// serverTally is what was told of one replica, or of all.
type serverTally struct {
	times kit.Times
	bytes int64 // the greatest; -1: never told
}

func (t *serverTally) add(answer ServerLagAnswer, doubts *kit.Doubts) {
	if answer.Time >= 0 {
		t.times.Add(answer.Time, doubts, kit.Span(answer.At, answer.Time), answer.At)
	}
	t.bytes = max(t.bytes, answer.Bytes)
}

// checkServerLag sums up what the system told of its own lag in the measured
// phase. A log without any such event has no values.
func checkServerLag(ctx context.Context, in checkers.Input) checkers.Result {
	log := in.Log
	answers := ServerLagAnswers(log)
	if len(answers) == 0 {
		return checkers.Result{}
	}
	total, nodes := serverTally{bytes: -1}, make([]serverTally, len(log.Meta.Nodes))
	for i := range nodes {
		nodes[i].bytes = -1
	}
	doubts := kit.DoubtsOf(log)
	begin, end, ok := log.MeasureSpan()
	for _, answer := range answers {
		if ok && begin <= answer.At && answer.At <= end && ctx.Err() == nil {
			total.add(answer, doubts)
			nodes[answer.Node].add(answer, doubts)
		}
	}
	values := total.values(serverLagPrefix, log.Torn, doubts)
	for i, node := range log.Meta.Nodes {
		values = append(values, nodes[i].values(serverLagPrefix+node+".", log.Torn, doubts)...)
	}
	return checkers.Result{Values: values}
}

func (t *serverTally) values(prefix string, torn bool, doubts *kit.Doubts) []checkers.Value {
	const empty = "the system told no such time while measuring"
	times := t.times.Quantiles(0, 0, doubts)
	quantile := func(name string, q float64) checkers.Value {
		return kit.OfWhole(times.Value(prefix+name, q, empty, ""), torn, q == 1)
	}
	bytes := checkers.Value{Name: prefix + "bytes.max", Why: "the system told no such number of bytes while measuring"}
	if t.bytes >= 0 {
		bytes = checkers.Value{Name: bytes.Name, N: float64(t.bytes), Known: true}
	}
	return []checkers.Value{quantile("p50", 0.5), quantile("p99", 0.99), quantile("max", 1), kit.OfWhole(bytes, torn, true)}
}
