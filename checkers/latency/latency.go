// Package latency measures how long acknowledged operations took.
package latency

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// Kinds are the kinds of operations whose latency is measured; they stand for
// <kind> in the names of facts.
var Kinds = [...]history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Enqueue, history.Dequeue,
	history.Txn, history.Increment, history.Generate, history.Transfer, history.Balances, history.Scan}

var percentiles = [...]struct {
	name    string
	percent float64
	meaning string
}{
	{"p50", 50, "median"},
	{"p90", 90, "90th percentile"},
	{"p99", 99, "99th percentile"},
	{"p999", 99.9, "99.9th percentile"},
	{"max", 100, "greatest"},
}

// Checker measures latency from an operation's intended start to its answer: so
// an answer that comes late counts for all that had to wait behind it
// (coordinated omission). An operation that was intended and never sent took at
// least until the load was over; of one that waited or was under way while the
// harness or a node did not run as it should, only bounds are known. Whatever a
// log's workloads act on has a latency, but the markers of lag.
func Checker() checkers.Checker {
	return checkers.Checker{Name: "latency", Facts: facts(), Check: checkers.CheckBy(follow), Follow: follow}
}

func facts() []checkers.Fact {
	var facts []checkers.Fact
	add := func(name, meaning string) {
		facts = append(facts, checkers.Fact{Name: name, Unit: checkers.Nanos, Meaning: meaning})
	}
	for _, p := range percentiles {
		add("latency.<kind>."+p.name, p.meaning+" of intended start to answer of the acknowledged operations of a kind")
	}
	for _, p := range percentiles {
		add("latency."+p.name, p.meaning+" of intended start to answer of all acknowledged operations, and of those that were never sent as far as they waited")
	}
	add("latency.<kind>.before.p99", "99th percentile of the operations that ended before the first fault")
	add("latency.<kind>.during.p99", "99th percentile of the operations that waited or were under way while a fault was in force")
	add("latency.<kind>.after.p99", "99th percentile of the operations that no fault touched, after the first fault")
	for _, p := range percentiles {
		add("service.<kind>."+p.name, p.meaning+" of actual start to answer of the acknowledged operations of a kind")
	}
	for _, p := range percentiles {
		add("service."+p.name, p.meaning+" of actual start to answer of all acknowledged operations: what the same load without its waiting for a free client would have shown")
	}
	add("ops.late.p99", "99th percentile of intended to actual start before the first fault: how far the load generator itself fell behind")
	return facts
}

// latencies are those of the acknowledged operations of the measured phase. It
// is a checkers.Follower.
type latencies struct {
	line   *kit.Timeline
	doubts *kit.Doubts
	demand kit.Demand
	load   bool // the log has other workloads than that of lag
	cells  [history.Kinds][len(checkers.MeasuredPhases)]kit.Bounded
	tried  [history.Kinds]bool // some operation of the kind was measured
	late   kit.Distribution

	service [history.Kinds]kit.Bounded
}

func follow(in checkers.Input) checkers.Follower {
	l := &latencies{line: kit.NewTimeline(in.Log), doubts: kit.DoubtsOf(in.Log), demand: kit.DemandOf(in.Log)}
	for _, w := range in.Log.Meta.Workloads {
		l.load = l.load || w.ActsOn() != history.ObjectMarker
	}
	return l
}

// Add implements checkers.Follower.
func (l *latencies) Add(op *history.Op) {
	if !op.Load() {
		return
	}
	least, doubted := l.doubts.Op(op)
	phase := l.line.Phase(op)
	if !phase.Measured() {
		return
	}
	if phase == checkers.PhaseBefore {
		l.late.Record(kit.Span(op.Start, op.Intended))
	}
	l.tried[op.Kind] = true
	l.cells[op.Kind][place(phase)].Add(op, kit.Span(op.End, op.Intended), least, doubted)
	l.served(op)
}

// place is a measured phase's index in checkers.MeasuredPhases.
func place(p checkers.Phase) int {
	switch p {
	case checkers.PhaseBefore:
		return 0
	case checkers.PhaseDuring:
		return 1
	}
	return 2
}

// Choose implements checkers.Follower: nothing has to be looked at again.
func (l *latencies) Choose(func(history.Size) bool) func(*history.Op) bool { return nil }

// Judge implements checkers.Follower.
func (l *latencies) Judge(context.Context) checkers.Result {
	if !l.load {
		return checkers.Result{}
	}
	return checkers.Result{Values: l.values(), Latency: l.rows()}
}

// anyPhase and anyKind stand for all of them.
const (
	anyPhase checkers.Phase = ""
	anyKind                 = history.Kind(history.Kinds)
)

// of are the latencies of a kind, or all, in a phase, or all measured ones. What
// was never sent counts as waiting until the load was over.
func (l *latencies) of(kind history.Kind, phase checkers.Phase) *kit.Bounded {
	all := &kit.Bounded{}
	for _, k := range Kinds {
		for i, p := range checkers.MeasuredPhases {
			if (kind == anyKind || k == kind) && (phase == anyPhase || p == phase) {
				all.Merge(&l.cells[k][i])
			}
		}
	}
	for i := range l.demand.Unsent {
		u := &l.demand.Unsent[i]
		p := l.line.Phase(&u.Op)
		if !p.Measured() || phase != anyPhase && p != phase || kind != anyKind && !u.May(kind) {
			continue
		}
		if u.Untold || kind != anyKind && !u.Must(kind) {
			all.Any += u.Count
		} else {
			all.Waiting.RecordMany(l.doubts.Sure(u.Op.Intended, u.Op.End), u.Count)
		}
	}
	return all
}

// rows lists each measured kind, then its phases. They leave out what is in doubt
// and what was never sent.
func (l *latencies) rows() []checkers.LatencyRow {
	var rows []checkers.LatencyRow
	for _, k := range Kinds {
		for _, phase := range append([]checkers.Phase{anyPhase}, checkers.MeasuredPhases[:]...) {
			if b := l.of(k, phase); b.Sure.Count() > 0 {
				r := row(k, phase, b)
				if s := &l.service[k].Sure; phase == anyPhase && s.Count() > 0 {
					r.Service = &checkers.ServiceTimes{P50: s.At(50), P90: s.At(90), P99: s.At(99), P999: s.At(99.9), Max: s.At(100)}
				}
				rows = append(rows, r)
			}
		}
	}
	return rows
}

func row(k history.Kind, phase checkers.Phase, b *kit.Bounded) checkers.LatencyRow {
	d := &b.Sure
	return checkers.LatencyRow{
		Kind: k.String(), Phase: phase, Count: d.Count(), Doubted: b.Doubted.Count(),
		P50: d.At(50), P90: d.At(90), P99: d.At(99), P999: d.At(99.9), Max: d.At(100),
	}
}

// values are the facts of every kind that was measured.
func (l *latencies) values() []checkers.Value {
	var values []checkers.Value
	why := l.demand.Why(l.line, l.doubts)
	for _, k := range Kinds {
		if !l.tried[k] {
			continue
		}
		all := l.of(k, anyPhase)
		for _, p := range percentiles {
			values = append(values, all.Value(fmt.Sprintf("latency.%s.%s", k, p.name), p.percent,
				fmt.Sprintf("no measured %s was acknowledged", k), why))
		}
		for i, phase := range checkers.MeasuredPhases {
			values = append(values, l.of(k, phase).Value(fmt.Sprintf("latency.%s.%s.p99", k, phase), 99,
				fmt.Sprintf("no %s %s was acknowledged", k, [...]string{"that ended before the first fault", "that a fault touched", "after the faults"}[i]), why))
		}
	}
	total := l.of(anyKind, anyPhase)
	for _, p := range percentiles {
		values = append(values, total.Value("latency."+p.name, p.percent, "no measured operation was acknowledged", why))
	}
	late := checkers.Value{Name: "ops.late.p99", Why: "no operation was measured before the first fault"}
	if l.late.Count() > 0 {
		late = checkers.Value{Name: late.Name, N: float64(l.late.At(99)), Known: true}
	}
	return append(append(values, late), l.serviceValues()...)
}
