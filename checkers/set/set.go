// Package set checks grow-only sets: elements that were lost, stale, flapping, or
// there without having been added.
package set

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Checker judges grow-only sets.
func Checker() checkers.Checker {
	return checkers.Checker{
		Name:    "set",
		Objects: []history.Object{history.ObjectSet},
		Order:   true,
		Facts: append([]checkers.Fact{
			{Name: "set.acked", Unit: checkers.Number, Better: checkers.Higher, Meaning: "elements whose adding was acknowledged"},
			{Name: "set.lost", Unit: checkers.Number, Meaning: "acknowledged elements that are missing from every settled node"},
			{Name: "set.resurrected", Unit: checkers.Number, Meaning: "elements whose adding was reported failed and that were yet seen"},
			{Name: "set.phantom", Unit: checkers.Number, Meaning: "elements that were read though nobody had added them, at least not yet"},
			{Name: "set.duplicated", Unit: checkers.Number, Meaning: "elements that one answer had more than once"},
			{Name: "set.stale", Unit: checkers.Number, Meaning: "reads that lack an element acknowledged before, which a later read or a final one has"},
			{Name: "set.flapping", Unit: checkers.Number, Meaning: "elements that one node or one client saw, then did not see, then saw again"},
			{Name: "set.diverged", Unit: checkers.Number, Meaning: "sets whose final reads differ between settled nodes"},
		}, setTimeFacts()...),
		Check: checkSet,
	}
}

// tally is what is counted of one set, or of all.
type tally struct {
	acked, resurrected, phantom, early, duplicated, stale, flapping int

	reads        int // answered
	neverSeen    int // acknowledged, and missing from all answers that were asked for later
	unasked      int // acknowledged, and no later read was answered, or lost if not never seen
	nodes        map[int8]nodeTally
	stable, gone kit.Times // latencies
	finals       kit.FinalTally
	lost         []checkers.Loss
	top          *kit.TopFindings
}

// checkSet counts what happened to the elements of sets. As elements are
// unique and never removed, every loss shows at the end, and a read can be
// judged by what was acknowledged before it began.
func checkSet(ctx context.Context, in checkers.Input) checkers.Result {
	log, limits := in.Log, in.Limits
	all := kit.Groups(log, history.ObjectSet)
	found := make([]tally, len(all))
	w := kit.NewWords(log)
	kit.Parallel(ctx, limits.Workers, len(all), func(i int) {
		found[i] = tallyElements(w, &all[i], limits.Findings)
	})
	t := tally{top: kit.NewTopFindings(limits.Findings), nodes: map[int8]nodeTally{}}
	for i := range found {
		if found[i].top != nil {
			t.add(&found[i])
		}
	}
	seen := func(name string, n int) checkers.Value { return kit.Asked(name, n, t.reads, log.Torn, kit.NoRead) }
	phantoms := seen("set.phantom", t.phantom+t.early)
	if log.Torn {
		phantoms = kit.Proven("set.phantom", t.early, kit.TornWhy) // the adding may be what is missing
	}
	return checkers.Result{
		Lost:     t.lost,
		Findings: t.top.Findings(checkers.LostElement, checkers.Resurrected, checkers.Phantom, checkers.Duplicate, checkers.Flapping, checkers.StaleSet, checkers.Diverged),
		Values: append([]checkers.Value{
			kit.Recorded("set.acked", t.acked, log.Torn), t.finals.LostValue("set.lost", log.Torn),
			seen("set.resurrected", t.resurrected), phantoms, seen("set.duplicated", t.duplicated), seen("set.stale", t.stale),
			seen("set.flapping", t.flapping), t.finals.DivergedValue("set.diverged", log.Torn),
		}, t.more(log, w.Doubts)...),
	}
}

func (t *tally) add(o *tally) {
	t.acked, t.resurrected, t.phantom = t.acked+o.acked, t.resurrected+o.resurrected, t.phantom+o.phantom
	t.early, t.duplicated = t.early+o.early, t.duplicated+o.duplicated
	t.stale, t.flapping, t.reads = t.stale+o.stale, t.flapping+o.flapping, t.reads+o.reads
	t.addNodes(o)
	t.finals.Add(&o.finals)
	t.lost = append(t.lost, o.lost...)
	t.top.Merge(o.top)
}

func tallyElements(w *kit.Words, g *kit.Group, keep int) tally {
	t := tally{top: kit.NewTopFindings(keep), nodes: map[int8]nodeTally{}}
	k := analyseSet(w.Log, g.Ops)
	for _, p := range k.ops {
		if op := &w.Log.Ops[p]; op.Kind == history.Add && op.Outcome == history.OK {
			t.acked++
		}
	}
	for i := range k.all {
		t.countElement(w, g, k, int32(i))
	}
	t.reads = len(k.reads)
	for i := range k.nodes {
		node := &k.nodes[i]
		stale := k.staleReads(node)
		t.stale += len(stale)
		t.nodes[node.node] = nodeTally{len(node.reads), len(stale), node.flapping}
		for _, n := range stale {
			r := &k.reads[n]
			t.top.Class(checkers.StaleSet).Offer(-r.start, func() checkers.Finding { return k.staleRead(w, g, r) })
		}
	}
	k.countLost(w, g, &t)
	t.measure(k, w.Doubts)
	return t
}

func (t *tally) countElement(w *kit.Words, g *kit.Group, k *elements, i int32) {
	e := &k.all[i]
	early := k.early(e)
	offer := func(class checkers.Class, n *int, write func() checkers.Finding) {
		*n++
		t.top.Class(class).Offer(-e.start, write)
	}
	if e.doubled != kit.None {
		offer(checkers.Duplicate, &t.duplicated, func() checkers.Finding {
			op := k.op(e.doubled)
			return k.finding(w, g, checkers.Duplicate, []int32{i}, []int32{e.add, e.doubled},
				"a read of set %d at %s at %s has element %d more than once%s", g.Key, w.Node(op.Node), units.Instant(op.End), e.v, w.During(op.End))
		})
	}
	if e.flapped {
		offer(checkers.Flapping, &t.flapping, func() checkers.Finding { return k.flapping(w, g, i) })
	}
	switch {
	case e.seenBy == kit.None:
	case e.fate == kit.Orphan:
		if w.Log.Torn {
			return
		}
		offer(checkers.Phantom, &t.phantom, func() checkers.Finding {
			op := k.op(e.seenBy)
			return k.finding(w, g, checkers.Phantom, []int32{i}, []int32{e.seenBy}, "a read of set %d at %s at %s has element %d, which nobody added%s",
				g.Key, w.Node(op.Node), units.Instant(op.End), e.v, w.During(op.End))
		})
	case e.fate == kit.Refused:
		offer(checkers.Resurrected, &t.resurrected, func() checkers.Finding {
			op, see := k.op(e.add), k.op(e.seenBy)
			return k.finding(w, g, checkers.Resurrected, []int32{i}, []int32{e.add, e.seenBy},
				"adding %d to set %d was reported failed (%s) by %s at %s, and yet a read at %s at %s has it%s", e.v, g.Key,
				kit.Reason(op), w.Node(op.Node), units.Instant(op.End), w.Node(see.Node), units.Instant(see.End), w.During(op.End))
		})
	case early != kit.None:
		offer(checkers.Phantom, &t.early, func() checkers.Finding {
			op := k.op(early)
			return k.finding(w, g, checkers.Phantom, []int32{i}, []int32{e.add, early},
				"a read of set %d at %s at %s has element %d, %s before its adding began", g.Key, w.Node(op.Node), units.Instant(op.End), e.v,
				units.Nanos(kit.Span(e.start, kit.Until(op))))
		})
	}
}

// countLost judges by the final reads: an acknowledged element is lost if no
// node that was asked has it. It may be lost if a node did not answer, or if it
// was acknowledged only when a final read had begun.
func (k *elements) countLost(w *kit.Words, g *kit.Group, t *tally) {
	all := kit.FinalsOf(w.Log, k.ops, history.ReadSet)
	finals := all.Last
	certain := t.finals.Judge(w.Log, &all, slices.ContainsFunc(k.all, func(e element) bool { return e.fate == kit.Acked }))
	began, has, sizes := kit.Never, make([]int, len(k.all)), make([]int, len(finals))
	for n, p := range finals {
		began = min(began, kit.From(k.op(p)))
		shown := k.has(p)
		sizes[n] = len(shown)
		for i := range shown {
			has[i]++
		}
	}
	var missing []int32
	moving := false
	for i := range k.all {
		e := &k.all[i]
		switch {
		case has[i] > 0 && has[i] < len(finals) && (k.settled(e, began) || k.settled(e, k.lackedAt(e, finals))):
			missing = append(missing, int32(i))
		case has[i] > 0 && has[i] < len(finals):
			moving = true
		case has[i] > 0 || !e.judged() || len(finals) == 0:
		case e.ack >= began:
			e.loss = mayBeLost
			t.lost = append(t.lost, checkers.Loss{Start: e.start, Acked: e.ack})
			t.finals.Undecide(1, kit.LateWhy)
		case !certain:
			e.loss = mayBeLost
			t.lost = append(t.lost, checkers.Loss{Start: e.start, Acked: e.ack})
			t.finals.Undecide(1, kit.SilentWhy)
		default:
			e.loss = lost
			t.lost = append(t.lost, checkers.Loss{Start: e.start, Acked: e.ack, Certain: true})
			t.finals.Lost++
			t.top.Class(checkers.LostElement).Offer(-e.start, func() checkers.Finding {
				op := k.op(e.add)
				return k.finding(w, g, checkers.LostElement, []int32{int32(i)}, append([]int32{e.add}, finals...),
					"element %d of set %d was acknowledged by %s at %s%s and is missing from %s at the end", e.v, g.Key,
					w.Node(op.Node), units.Instant(op.End), w.Nearest(kit.Until(op)), kit.AllNodes(len(finals)))
			})
		}
	}
	switch {
	case len(missing) > 0:
		t.finals.Diverged = 1
		t.top.Class(checkers.Diverged).Offer(0, func() checkers.Finding { return k.diverged(w, g, finals, sizes, missing) })
	case moving:
		t.finals.Unsettle()
	}
}

// lackedAt is when the last of some reads began that lack an element.
func (k *elements) lackedAt(e *element, reads []int32) int64 {
	at := kit.Beginning
	for _, p := range reads {
		if op := k.op(p); kit.From(op) > at && !slices.Contains(op.Elements, e.v) {
			at = kit.From(op)
		}
	}
	return at
}

// settled tells whether nothing was under way any more at a time that could
// add an element to one node before another.
func (k *elements) settled(e *element, at int64) bool {
	switch e.fate {
	case kit.Acked:
		return e.ack < at
	case kit.Unsure:
		return kit.Until(k.op(e.add)) < at
	case kit.Orphan:
		return !k.log.Torn // its adding may be what is missing
	}
	return true
}

// finding makes a finding whose evidence has of the elements only those that
// matter.
func (k *elements) finding(w *kit.Words, g *kit.Group, class checkers.Class, matter, positions []int32, text string, args ...any) checkers.Finding {
	ops := make([]int32, 0, len(positions))
	for _, p := range positions {
		if p != kit.None {
			ops = append(ops, k.ops[p])
		}
	}
	values := make([]int64, len(matter))
	for n, i := range matter {
		values[n] = k.all[i].v
	}
	return kit.TrimmedFinding(w, g, class, values, ops, text, args...)
}

func (k *elements) staleRead(w *kit.Words, g *kit.Group, r *setRead) checkers.Finding {
	i := k.longestDue(r)
	e, op := &k.all[i], k.op(r.position)
	later := e.seenBy
	for n := range k.reads {
		if k.reads[n].start == e.last && slices.Contains(k.op(k.reads[n].position).Elements, e.v) {
			later = k.reads[n].position
			break
		}
	}
	see := k.op(later)
	f := k.finding(w, g, checkers.StaleSet, []int32{i}, []int32{e.add, r.position, later},
		"a read of set %d at %s at %s lacks element %d, which had been acknowledged %s before the read began; a read at %s at %s has it%s",
		g.Key, w.Node(op.Node), units.Instant(op.Start), e.v, units.Nanos(kit.Span(r.start, e.ack)), w.Node(see.Node), units.Instant(see.End), w.During(r.start))
	f.At, f.Gap = r.start, kit.Span(r.start, e.ack)
	return f
}

// flapping finds three reads of one node, or of one process, that show it.
func (k *elements) flapping(w *kit.Words, g *kit.Group, i int32) checkers.Finding {
	e := &k.all[i]
	first, gone, again := e.flap[0], e.flap[1], e.flap[2]
	a, b, c := k.op(first), k.op(gone), k.op(again)
	who := fmt.Sprintf("process %d was shown", a.Process)
	if e.byNode {
		who = w.Node(a.Node) + " showed"
	}
	return k.finding(w, g, checkers.Flapping, []int32{i}, []int32{e.add, first, gone, again},
		"%s element %d of set %d at %s, no more at %s, and again at %s%s", who, e.v, g.Key,
		units.Instant(a.End), units.Instant(b.End), units.Instant(c.End), w.During(kit.From(b)))
}

func (k *elements) diverged(w *kit.Words, g *kit.Group, finals []int32, sizes []int, missing []int32) checkers.Finding {
	var counts []string
	for n, p := range finals {
		counts = append(counts, fmt.Sprintf("%s has %s", w.Node(k.op(p).Node), units.Plural(sizes[n], "element", "elements")))
	}
	shown := missing[:min(len(missing), kit.ShownElements)]
	var differ []string
	for _, i := range shown {
		differ = append(differ, fmt.Sprint(k.all[i].v))
	}
	more := ""
	if n := len(missing) - len(shown); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	positions := slices.Clone(finals)
	for _, i := range shown {
		positions = append(positions, k.all[i].add)
	}
	return k.finding(w, g, checkers.Diverged, shown, positions, "the nodes differ in set %d at the end: %s; they differ in %s%s", g.Key,
		strings.Join(counts, ", "), strings.Join(differ, ", "), more)
}
