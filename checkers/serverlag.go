package checkers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// toldPrefix begins the names of the facts that this checker measures.
const toldPrefix = "lag.server."

// ToldLag tells whether a fact is of the lag that the system itself tells.
func ToldLag(fact string) bool { return strings.HasPrefix(fact, toldPrefix) }

func serverLagChecker() Checker {
	return Checker{
		Name: "server-lag",
		Facts: []Fact{
			{"lag.server.p50", Nanos, "median of the replication lag that the system itself told while measuring, over all replicas"},
			{"lag.server.p99", Nanos, "99th percentile of the replication lag that the system itself told while measuring, over all replicas"},
			{"lag.server.max", Nanos, "greatest replication lag that the system itself told while measuring, over all replicas"},
			{"lag.server.bytes.max", Bytes, "greatest replication lag in bytes that the system itself told while measuring, over all replicas"},
			{"lag.server.<node>.p50", Nanos, "median of the replication lag of this node that the system itself told while measuring"},
			{"lag.server.<node>.p99", Nanos, "99th percentile of the replication lag of this node that the system itself told while measuring"},
			{"lag.server.<node>.max", Nanos, "greatest replication lag of this node that the system itself told while measuring"},
			{"lag.server.<node>.bytes.max", Bytes, "greatest replication lag of this node in bytes that the system itself told while measuring"},
		},
		Check: checkServerLag,
	}
}

// Told is one answer of one node about one replica: how far behind it is in
// the system's own words.
type Told struct {
	Node   int    // the replica, an index of the nodes
	At     int64  // when the answer came, on the run's clock
	Source string // the system's own name of the figure
	Time   int64  // nanoseconds; -1: not told
	Bytes  int64  // -1: not told
}

// Tolds lists what the system told of its lag, by time. Of several figures for
// one replica in one answer the greatest time and the greatest number of bytes
// count: a replica that has received everything, but not yet applied it, is as
// far behind as what it has applied. Events that name no node of the log, and
// those without a figure, are left out.
func Tolds(log *history.Log) []Told {
	type answer struct {
		at   int64
		by   string
		node int
	}
	var all []Told
	places := map[answer]int{}
	for i := range log.Events {
		e := &log.Events[i]
		node := slices.Index(log.Meta.Nodes, e.Node)
		t := Told{Node: node, At: e.At, Source: e.Name, Time: figure(e.Lag), Bytes: figure(e.Bytes)}
		if e.Kind != history.EventLag || node < 0 || t.Time < 0 && t.Bytes < 0 {
			continue
		}
		key := answer{e.At, e.By, t.Node}
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
	slices.SortStableFunc(all, func(a, b Told) int { return cmp.Compare(a.At, b.At) })
	return all
}

func figure(p *int64) int64 {
	if p == nil || *p < 0 {
		return -1
	}
	return *p
}

// toldTally is what was told of one replica, or of all.
type toldTally struct {
	times []int64
	bytes int64 // the greatest; -1: never told
}

func (t *toldTally) add(told Told) {
	if told.Time >= 0 {
		t.times = append(t.times, told.Time)
	}
	t.bytes = max(t.bytes, told.Bytes)
}

// checkServerLag sums up what the system told of its own lag in the measured
// phase. A log without any such event has no values.
func checkServerLag(ctx context.Context, log *history.Log, _ Limits) Result {
	tolds := Tolds(log)
	if len(tolds) == 0 {
		return Result{}
	}
	total, nodes := toldTally{bytes: -1}, make([]toldTally, len(log.Meta.Nodes))
	for i := range nodes {
		nodes[i].bytes = -1
	}
	begin, end, ok := log.MeasureSpan()
	for _, told := range tolds {
		if ok && begin <= told.At && told.At <= end && ctx.Err() == nil {
			total.add(told)
			nodes[told.Node].add(told)
		}
	}
	values := total.values(toldPrefix, log.Torn)
	for i, node := range log.Meta.Nodes {
		values = append(values, nodes[i].values(toldPrefix+node+".", log.Torn)...)
	}
	return Result{Values: values}
}

func (t *toldTally) values(prefix string, torn bool) []Value {
	const empty = "the system told no such time while measuring"
	times := newQuantiles(t.times, 0, 0)
	most := times.value(prefix+"max", 1, empty, "")
	bytes := Value{Name: prefix + "bytes.max", Why: "the system told no such number of bytes while measuring"}
	if t.bytes >= 0 {
		bytes = Value{Name: bytes.Name, N: float64(t.bytes), Known: true}
	}
	for _, v := range []*Value{&most, &bytes} {
		if torn && v.Known {
			v.AtLeast, v.Why = true, "at least; "+tornWhy
		}
	}
	return []Value{times.value(prefix+"p50", 0.5, empty, ""), times.value(prefix+"p99", 0.99, empty, ""), most, bytes}
}
