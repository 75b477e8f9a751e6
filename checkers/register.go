package checkers

import (
	"context"
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

func registerChecker() Checker {
	return Checker{
		Name:  "register",
		Types: []string{registerType},
		Facts: []Fact{
			{"writes.acked", Number, "writes and compare-and-sets of registers that were acknowledged"},
			{"writes.unknown", Number, "writes of registers whose outcome is unknown"},
			{"writes.failed", Number, "writes of registers that certainly had no effect (comparisons that failed are not counted)"},
			{"writes.lost", Number, "acknowledged writes that are missing from every settled node, though nothing newer is there"},
			{"writes.resurrected", Number, "writes that were reported failed and yet seen"},
			{"writes.lost_updates", Number, "compare-and-sets that went through although the value that they replaced was not there any more"},
			{"reads.ok", Number, "reads of registers that were answered (final reads aside)"},
			{"reads.phantom", Number, "reads that returned a value nobody wrote"},
			{"reads.future", Number, "reads that returned a value before its write began"},
			{"reads.stale", Number, "reads that returned a value older than one known to be there before the read began"},
			{"reads.stale_ratio", Ratio, "share of the reads that were stale"},
			{"reads.staleness.p50", Nanos, "median time by which reads were stale; fresh reads count as 0"},
			{"reads.staleness.p99", Nanos, "99th percentile of the time by which reads were stale; fresh reads count as 0"},
			{"reads.staleness.max", Nanos, "greatest time by which a read was stale"},
			{"reads.staleness.before.p99", Nanos, "99th percentile of the time by which reads that ended before the first fault were stale"},
			{"reads.staleness.during.p99", Nanos, "99th percentile of the time by which reads under way while a fault was in force were stale"},
			{"reads.staleness.after.p99", Nanos, "99th percentile of the time by which reads that no fault touched, after the first fault, were stale"},
			{"reads.version_lag.p50", Number, "median number of newer values known to be there before a read began; a lower bound for each read, 0 for fresh ones"},
			{"reads.version_lag.p99", Number, "99th percentile of the number of newer values known to be there before a read began"},
			{"reads.version_lag.max", Number, "greatest number of newer values known to be there before a read began"},
			{"reads.<node>.stale", Number, "reads of this node that returned a value older than one known to be there before the read began"},
			{"reads.<node>.staleness.p50", Nanos, "median time by which reads of this node were stale; fresh reads count as 0"},
			{"reads.<node>.staleness.p99", Nanos, "99th percentile of the time by which reads of this node were stale; fresh reads count as 0"},
			{"reads.<node>.staleness.max", Nanos, "greatest time by which a read of this node was stale"},
			{"replicas.diverged", Number, "registers whose final reads differ between settled nodes"},
		},
		Check: checkRegister,
	}
}

// registerTally is what is counted of one register, or of all.
type registerTally struct {
	registerCounts
	resurrected     int
	lostUpdates     int
	phantom, future int
	stale           []StaleSample
	finals          finalTally
	shelves         *shelves // nil: nothing was found
}

// checkRegister counts what happened to the writes and reads of registers.
//
// A read's staleness is the time by which the value that it returned had
// certainly been superseded when it began: see supersession. Final reads are
// not among the reads, for they are sent to every replica on purpose; they
// decide what is lost, see lose.
func checkRegister(ctx context.Context, log *history.Log, limits Limits) Result {
	total := registerTally{shelves: newShelves(limits.Findings)}
	found := registers(ctx, log, limits)
	for i := range found {
		total.add(&found[i].register)
	}
	classes := []Class{LostWrite, LostUpdate, Resurrected, Phantom, Future, StaleRead, Diverged}
	line := newTimeline(log)
	stale := total.staleness(log, line, readsOf(ctx, log, limits))
	return Result{
		Findings: total.shelves.findings(classes...), Values: append(total.values(log), stale.values(log)...),
		Stale: total.stale, Staleness: stale.rows(log),
	}
}

func (t *registerTally) add(o *registerTally) {
	t.registerCounts.add(&o.registerCounts)
	t.resurrected += o.resurrected
	t.lostUpdates += o.lostUpdates
	t.phantom, t.future = t.phantom+o.phantom, t.future+o.future
	t.stale = append(t.stale, o.stale...)
	t.finals.add(&o.finals)
	t.shelves.take(o.shelves)
}

func (t *registerTally) values(log *history.Log) []Value {
	torn := log.Torn
	phantom := Value{Name: "reads.phantom", Why: tornWhy} // the write may be what is missing
	if !torn {
		phantom = counted("reads.phantom", t.phantom)
	}
	stale := len(t.stale)
	share := ratio("reads.stale_ratio", stale, t.reads, noReads)
	if torn {
		share.Known, share.Why = false, tornWhy
	}
	return []Value{
		counted("writes.acked", t.acked), counted("writes.unknown", t.unknown), counted("writes.failed", t.failed),
		t.finals.lostValue("writes.lost", torn),
		anomalies("writes.resurrected", t.resurrected, torn),
		anomalies("writes.lost_updates", t.lostUpdates, torn),
		counted("reads.ok", t.reads), phantom,
		anomalies("reads.future", t.future, torn), anomalies("reads.stale", stale, torn), share,
		t.finals.divergedValue("replicas.diverged", torn),
	}
}

// tallyRegister counts one register by its analysis with final reads.
func tallyRegister(w *words, g *group, keep int, k *values) registerTally {
	t := registerTally{shelves: newShelves(keep)}
	k.supersede()
	for p := range int32(len(k.ops)) {
		t.count(k.op(p))
		if k.read[p] != none {
			t.countRead(w, g, k, p)
		}
	}
	for i := range k.all {
		if v := &k.all[i]; v.fate == refused && v.seen && !v.twice {
			t.resurrected++
			t.shelves.class(Resurrected).offer(-v.start, func() Finding { return resurrected(w, g, k, int32(i)) })
		}
	}
	t.updates(w, g, k)
	k.countVersions(t.stale)
	t.finals = k.lose(w, g, t.shelves)
	return t
}

// countRead counts a read, final ones and failed compare-and-sets that told
// the value included where these show an impossible value.
func (t *registerTally) countRead(w *words, g *group, k *values, p int32) {
	op, i := k.op(p), k.read[p]
	v := &k.all[i]
	switch {
	case v.twice:
	case v.fate == orphan:
		t.phantom++
		if !w.log.Torn {
			t.shelves.class(Phantom).offer(-from(op), func() Finding { return phantom(w, g, k, p) })
		}
	case until(op) < v.start:
		t.future++
		t.shelves.class(Future).offer(-from(op), func() Finding { return future(w, g, k, p) })
	}
	if op.Kind != history.Read || op.Final() {
		return
	}
	if gap := k.staleness(p); gap > 0 {
		t.stale = append(t.stale, StaleSample{Staleness: gap, Op: k.at(p)})
		if s := t.shelves.class(StaleRead); s.wants(gap) {
			s.offer(gap, func() Finding { return stale(w, g, k, p) })
		}
	}
}

// newFinding fills in what all findings have.
func newFinding(w *words, g *group, class Class, at int64, ops []int32, text string, args ...any) Finding {
	return Finding{Class: class, Workload: w.workload(g.workload), Key: g.key, At: at,
		Evidence: evidence(w.log, ops...), Text: fmt.Sprintf(text, args...)}
}

func resurrected(w *words, g *group, k *values, i int32) Finding {
	v := &k.all[i]
	write, by := k.op(v.write), k.sighting(i)
	ops := k.logged(k.withSightings([]int32{v.write, by}))
	see := k.op(by)
	return newFinding(w, g, Resurrected, until(see), ops,
		"%s of %d to key %d was reported failed (%s) by %s at %s, and yet a %s at %s saw it at %s%s", kindWord(write.Kind), v.v, g.key,
		reason(write), w.node(write.Node), clock(write.End), kindWord(see.Kind), w.node(see.Node), clock(see.End), w.during(write.End))
}

func reason(op *history.Op) string {
	if op.Error == history.ErrNone {
		return "without a reason"
	}
	return op.Error.String()
}

func phantom(w *words, g *group, k *values, p int32) Finding {
	op := k.op(p)
	return newFinding(w, g, Phantom, until(op), k.logged([]int32{p}),
		"a %s of key %d at %s returned %s at %s, which nobody wrote%s", kindWord(op.Kind), g.key, w.node(op.Node),
		content(k.all[k.read[p]].v), clock(op.End), w.during(op.End))
}

func future(w *words, g *group, k *values, p int32) Finding {
	op, v := k.op(p), &k.all[k.read[p]]
	return newFinding(w, g, Future, until(op), k.logged([]int32{v.write, p}),
		"a %s of key %d at %s returned %d at %s, %s before its write began%s", kindWord(op.Kind), g.key, w.node(op.Node), v.v,
		clock(op.End), lapse(span(v.start, until(op))), w.during(op.End))
}

func stale(w *words, g *group, k *values, p int32) Finding {
	op, i := k.op(p), k.read[p]
	v, newer := &k.all[i], &k.all[k.superseded.by[i]]
	gap := k.staleness(p)
	how := "had been acknowledged"
	if newer.fOp != newer.write {
		how = "had been read"
	}
	f := newFinding(w, g, StaleRead, from(op), k.logged(slices.Concat(k.proofOf(i), k.proofOf(k.superseded.by[i]), []int32{p})),
		"read of key %d at %s returned %s at %s, though the newer %d %s %s before the read began%s", g.key, w.node(op.Node),
		content(v.v), clock(op.End), newer.v, how, lapse(gap), w.during(from(op)))
	f.Gap = gap
	return f
}
