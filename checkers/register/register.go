// Package register checks registers: linearizability, lost and stale values,
// session guarantees. One pass decides most (package watch); what it cannot
// decide is analysed register by register.
package register

import (
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Checker judges registers: whether they are linearizable, what was lost
// of them or stale, and which session guarantees broke.
func Checker() checkers.Checker {
	return checkers.Checker{
		Name:    "register",
		Objects: []history.Object{history.ObjectRegister},
		Order:   true,
		Facts:   registerFacts(),
		Check:   checkRegisters,
		Follow:  follow,
	}
}

func registerFacts() []checkers.Fact {
	return slices.Concat(writeAndReadFacts(), linearizableFacts(), sessionFacts())
}

// checkRegisters judges each register once, for all facts.
func checkRegisters(ctx context.Context, in checkers.Input) checkers.Result {
	reigns := reign.Read(in.Log)
	found := judgeRegisters(ctx, in.Log, reigns, in.Limits)
	line := kit.NewTimeline(in.Log)
	return registersResult(in, line, reigns, found, countReads(ctx, in.Log, line, in.Limits.Workers))
}

// registersResult is what the registers come to, given how many reads of them
// were answered.
func registersResult(in checkers.Input, line *kit.Timeline, reigns *reign.Reigns, found []judged, reads *readCounts) checkers.Result {
	r := writesAndReads(in, line, reigns, found, reads)
	checkers.Merge(&r, linearizability(in, found))
	checkers.Merge(&r, sessionGuarantees(in, found))
	return r
}

func writeAndReadFacts() []checkers.Fact {
	return []checkers.Fact{
		{Name: "writes.acked", Unit: checkers.Number, Better: checkers.Higher, Meaning: "writes and compare-and-sets of registers that were acknowledged"},
		{Name: "writes.unknown", Unit: checkers.Number, Meaning: "writes of registers whose outcome is unknown"},
		{Name: "writes.failed", Unit: checkers.Number, Meaning: "writes of registers that certainly had no effect (comparisons that failed are not counted)"},
		{Name: "writes.lost", Unit: checkers.Number, Meaning: "acknowledged writes that are missing from every settled node, though nothing newer is there, or were lost, then overwritten; a range where some are undecided"},
		{Name: "writes.undecided", Unit: checkers.Number, Meaning: "acknowledged writes that may have been lost in a failover and were overwritten before anyone read them"},
		{Name: "writes.resurrected", Unit: checkers.Number, Meaning: "writes that were reported failed and yet seen"},
		{Name: "writes.lost_updates", Unit: checkers.Number, Meaning: "compare-and-sets that went through although the value that they replaced was not there any more"},
		{Name: "reads.ok", Unit: checkers.Number, Better: checkers.Higher, Meaning: "reads of registers that were answered (final reads aside)"},
		{Name: "reads.phantom", Unit: checkers.Number, Meaning: "reads that returned a value nobody wrote"},
		{Name: "reads.future", Unit: checkers.Number, Meaning: "reads that returned a value before its write began"},
		{Name: "reads.stale", Unit: checkers.Number, Meaning: "reads that returned a value older than one known to be there before the read began"},
		{Name: "reads.stale_ratio", Unit: checkers.Ratio, Meaning: "share of the reads that were stale"},
		{Name: "reads.staleness.p50", Unit: checkers.Nanos, Meaning: "median time by which reads were stale; fresh reads count as 0"},
		{Name: "reads.staleness.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the time by which reads were stale; fresh reads count as 0"},
		{Name: "reads.staleness.max", Unit: checkers.Nanos, Meaning: "greatest time by which a read was stale"},
		{Name: "reads.staleness.before.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the time by which reads that ended before the first fault were stale"},
		{Name: "reads.staleness.during.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the time by which reads under way while a fault was in force were stale"},
		{Name: "reads.staleness.after.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the time by which reads that no fault touched, after the first fault, were stale"},
		{Name: "reads.version_lag.p50", Unit: checkers.Number, Meaning: "median number of newer values known to be there before a read began; a lower bound for each read, 0 for fresh ones"},
		{Name: "reads.version_lag.p99", Unit: checkers.Number, Meaning: "99th percentile of the number of newer values known to be there before a read began"},
		{Name: "reads.version_lag.max", Unit: checkers.Number, Meaning: "greatest number of newer values known to be there before a read began"},
		{Name: "reads.<node>.stale", Unit: checkers.Number, Meaning: "reads of this node that returned a value older than one known to be there before the read began"},
		{Name: "reads.<node>.staleness.p50", Unit: checkers.Nanos, Meaning: "median time by which reads of this node were stale; fresh reads count as 0"},
		{Name: "reads.<node>.staleness.p99", Unit: checkers.Nanos, Meaning: "99th percentile of the time by which reads of this node were stale; fresh reads count as 0"},
		{Name: "reads.<node>.staleness.max", Unit: checkers.Nanos, Meaning: "greatest time by which a read of this node was stale"},
		{Name: "replicas.diverged", Unit: checkers.Number, Meaning: "registers whose final reads differ between settled nodes"},
	}
}

// registerTally is what is counted of one register, or of all.
type registerTally struct {
	registerCounts
	resurrected     int
	lostUpdates     int
	phantom, future int
	stale           []checkers.StaleSample
	finals          kit.FinalTally
	danger          danger
	lost            []checkers.Loss
	top             *kit.TopFindings // nil: nothing was found
}

// writesAndReads counts what happened to the writes and reads of registers.
//
// A read's staleness is the time by which the value that it returned had
// certainly been superseded when it began: see supersession. Final reads are
// not among the reads, for they are sent to every replica on purpose; they
// decide what is lost, see countLost and undecide.
func writesAndReads(in checkers.Input, line *kit.Timeline, reigns *reign.Reigns, found []judged, reads *readCounts) checkers.Result {
	total := registerTally{danger: newDanger(), top: kit.NewTopFindings(in.Limits.Findings)}
	for i := range found {
		total.add(&found[i].register)
	}
	classes := []checkers.Class{checkers.LostWrite, checkers.LostUpdate, checkers.Resurrected, checkers.Phantom, checkers.Future, checkers.StaleRead, checkers.Diverged}
	stale := total.staleness(in.Log, line, reads)
	return checkers.Result{
		Findings: total.top.Findings(classes...), Values: append(total.values(in.Log, reigns), stale.values(in.Log)...),
		Stale: total.stale, Staleness: stale.rows(in.Log), Lost: total.lost,
	}
}

func (t *registerTally) add(o *registerTally) {
	t.registerCounts.add(&o.registerCounts)
	t.resurrected += o.resurrected
	t.lostUpdates += o.lostUpdates
	t.phantom, t.future = t.phantom+o.phantom, t.future+o.future
	t.stale = append(t.stale, o.stale...)
	t.finals.Add(&o.finals)
	t.danger.add(&o.danger)
	t.lost = append(t.lost, o.lost...)
	t.top.Merge(o.top)
}

func (t *registerTally) values(log *history.Log, r *reign.Reigns) []checkers.Value {
	torn := log.Torn
	phantom := checkers.Value{Name: "reads.phantom", Why: kit.TornWhy} // the write may be what is missing
	if !torn {
		phantom = kit.Counted("reads.phantom", t.phantom)
	}
	stale := len(t.stale)
	share := kit.Ratio("reads.stale_ratio", stale, t.reads, noReads)
	if torn {
		share.Known, share.Why = false, kit.TornWhy
	}
	return []checkers.Value{
		kit.Counted("writes.acked", t.acked), kit.Counted("writes.unknown", t.unknown), kit.Counted("writes.failed", t.failed),
		t.lostValue("writes.lost", torn, r), t.undecidedValue("writes.undecided", torn, r),
		kit.Anomalies("writes.resurrected", t.resurrected, torn),
		kit.Anomalies("writes.lost_updates", t.lostUpdates, torn),
		kit.Counted("reads.ok", t.reads), phantom,
		kit.Anomalies("reads.future", t.future, torn), kit.Anomalies("reads.stale", stale, torn), share,
		t.finals.DivergedValue("replicas.diverged", torn),
	}
}

// tallyRegister counts one register by its analysis with final reads.
func tallyRegister(w *kit.Words, g *kit.Group, r *reign.Reigns, keep int, k *values) registerTally {
	t := registerTally{top: kit.NewTopFindings(keep)}
	k.supersede()
	for p := range int32(len(k.ops)) {
		t.count(k.op(p))
		if k.read[p] != kit.None {
			t.countRead(w, g, k, p)
		}
	}
	for i := range k.all {
		if v := &k.all[i]; v.fate == kit.Refused && v.seen && !v.twice {
			t.resurrected++
			t.top.Class(checkers.Resurrected).Offer(-v.start, func() checkers.Finding { return resurrected(w, g, k, int32(i)) })
		}
	}
	t.updates(w, g, k)
	k.countVersions(t.stale)
	finals, gone := k.countLost(w, g, t.top)
	t.finals = finals
	for i := range k.all {
		if v := &k.all[i]; finals.Lost > 0 && gone.has(v) {
			t.lost = append(t.lost, checkers.Loss{Start: v.start, Acked: v.end, Certain: true})
		}
	}
	t.undecide(w, g, r, k, gone)
	return t
}

// countRead counts a read, final ones and failed compare-and-sets that told
// the value included where these show an impossible value.
func (t *registerTally) countRead(w *kit.Words, g *kit.Group, k *values, p int32) {
	op, i := k.op(p), k.read[p]
	v := &k.all[i]
	switch {
	case v.twice:
	case v.fate == kit.Orphan:
		t.phantom++
		if !w.Log.Torn {
			t.top.Class(checkers.Phantom).Offer(-kit.From(op), func() checkers.Finding { return phantom(w, g, k, p) })
		}
	case kit.Until(op) < v.start:
		t.future++
		t.top.Class(checkers.Future).Offer(-kit.From(op), func() checkers.Finding { return future(w, g, k, p) })
	}
	if op.Kind != history.Read || op.Final() {
		return
	}
	if gap := k.staleness(p); gap > 0 {
		t.stale = append(t.stale, checkers.StaleSample{Staleness: gap, Op: k.at(p)})
		if s := t.top.Class(checkers.StaleRead); s.Wants(gap) {
			s.Offer(gap, func() checkers.Finding { return stale(w, g, k, p) })
		}
	}
}

func resurrected(w *kit.Words, g *kit.Group, k *values, i int32) checkers.Finding {
	v := &k.all[i]
	write, by := k.op(v.write), k.sighting(i)
	ops := k.logged(k.withSightings([]int32{v.write, by}))
	see := k.op(by)
	return kit.NewFinding(w, g, checkers.Resurrected, kit.Until(see), ops,
		"%s of %d to key %d was reported failed (%s) by %s at %s, and yet a %s at %s saw it at %s%s", kit.KindWord(write.Kind), v.v, g.Key,
		kit.Reason(write), w.Node(write.Node), units.Instant(write.End), kit.KindWord(see.Kind), w.Node(see.Node), units.Instant(see.End), w.During(write.End))
}

func phantom(w *kit.Words, g *kit.Group, k *values, p int32) checkers.Finding {
	op := k.op(p)
	return kit.NewFinding(w, g, checkers.Phantom, kit.Until(op), k.logged([]int32{p}),
		"a %s of key %d at %s returned %s at %s, which nobody wrote%s", kit.KindWord(op.Kind), g.Key, w.Node(op.Node),
		kit.Content(k.all[k.read[p]].v), units.Instant(op.End), w.During(op.End))
}

func future(w *kit.Words, g *kit.Group, k *values, p int32) checkers.Finding {
	op, v := k.op(p), &k.all[k.read[p]]
	return kit.NewFinding(w, g, checkers.Future, kit.Until(op), k.logged([]int32{v.write, p}),
		"a %s of key %d at %s returned %d at %s, %s before its write began%s", kit.KindWord(op.Kind), g.Key, w.Node(op.Node), v.v,
		units.Instant(op.End), units.Nanos(kit.Span(v.start, kit.Until(op))), w.During(op.End))
}

func stale(w *kit.Words, g *kit.Group, k *values, p int32) checkers.Finding {
	op, i := k.op(p), k.read[p]
	v, newer := &k.all[i], &k.all[k.superseded.by[i]]
	gap := k.staleness(p)
	how := "had been acknowledged"
	if newer.fOp != newer.write {
		how = "had been read"
	}
	f := kit.NewFinding(w, g, checkers.StaleRead, kit.From(op), k.logged(slices.Concat(k.proofOf(i), k.proofOf(k.superseded.by[i]), []int32{p})),
		"read of key %d at %s returned %s at %s, though the newer %d %s %s before the read began%s", g.Key, w.Node(op.Node),
		kit.Content(v.v), units.Instant(op.End), newer.v, how, units.Nanos(gap), w.During(kit.From(op)))
	f.Gap = gap
	return f
}
