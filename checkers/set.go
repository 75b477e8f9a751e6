package checkers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

func setChecker() Checker {
	return Checker{
		Name:  "set",
		Types: []string{setType},
		Facts: append([]Fact{
			{"set.acked", Number, "elements whose adding was acknowledged"},
			{"set.lost", Number, "acknowledged elements that are missing from every settled node"},
			{"set.resurrected", Number, "elements whose adding was reported failed and that were yet seen"},
			{"set.phantom", Number, "elements that were read though nobody had added them, at least not yet"},
			{"set.duplicated", Number, "elements that one answer had more than once"},
			{"set.stale", Number, "reads that lack an element acknowledged before, which a later read or a final one has"},
			{"set.flapping", Number, "elements that one node or one client saw, then did not see, then saw again"},
			{"set.diverged", Number, "sets whose final reads differ between settled nodes"},
		}, setTimeFacts()...),
		Check: checkSet,
	}
}

// setTally is what is counted of one set, or of all.
type setTally struct {
	acked, resurrected, phantom, early, duplicated, stale, flapping int

	neverSeen    int
	nodes        map[int8]nodeTally
	stable, gone []int64 // latencies
	finals       finalTally
	shelves      *shelves
}

// checkSet counts what happened to the elements of sets. As elements are
// unique and never removed, every loss shows at the end, and a read can be
// judged by what was acknowledged before it began.
func checkSet(ctx context.Context, log *history.Log, limits Limits) Result {
	all := groups(log, setType)
	found := make([]setTally, len(all))
	w := newWords(log)
	parallel(ctx, limits.Workers, len(all), func(i int) {
		found[i] = tallySet(w, &all[i], limits.Findings)
	})
	t := setTally{shelves: newShelves(limits.Findings), nodes: map[int8]nodeTally{}}
	for i := range found {
		if found[i].shelves != nil {
			t.add(&found[i])
		}
	}
	phantoms := counted("set.phantom", t.phantom+t.early)
	if log.Torn {
		phantoms = proven("set.phantom", t.early, tornWhy) // the adding may be what is missing
	}
	return Result{
		Findings: t.shelves.findings(LostElement, Resurrected, Phantom, Duplicate, Flapping, StaleSet, Diverged),
		Values: append([]Value{
			counted("set.acked", t.acked), t.finals.lostValue("set.lost", log.Torn),
			anomalies("set.resurrected", t.resurrected, log.Torn), phantoms,
			anomalies("set.duplicated", t.duplicated, log.Torn), anomalies("set.stale", t.stale, log.Torn),
			anomalies("set.flapping", t.flapping, log.Torn), t.finals.divergedValue("set.diverged", log.Torn),
		}, t.more(log)...),
	}
}

func (t *setTally) add(o *setTally) {
	t.acked, t.resurrected, t.phantom = t.acked+o.acked, t.resurrected+o.resurrected, t.phantom+o.phantom
	t.early, t.duplicated = t.early+o.early, t.duplicated+o.duplicated
	t.stale, t.flapping = t.stale+o.stale, t.flapping+o.flapping
	t.addNodes(o)
	t.finals.add(&o.finals)
	t.shelves.take(o.shelves)
}

func tallySet(w *words, g *group, keep int) setTally {
	t := setTally{shelves: newShelves(keep), nodes: map[int8]nodeTally{}}
	k := analyseSet(w.log, g.ops)
	for _, p := range k.ops {
		if op := &w.log.Ops[p]; op.Kind == history.Add && op.Outcome == history.OK {
			t.acked++
		}
	}
	for i := range k.all {
		t.countElement(w, g, k, int32(i))
	}
	for i := range k.nodes {
		node := &k.nodes[i]
		stale := k.staleReads(node)
		t.stale += len(stale)
		t.nodes[node.node] = nodeTally{len(stale), node.flapping}
		for _, n := range stale {
			r := &k.reads[n]
			t.shelves.class(StaleSet).offer(-r.start, func() Finding { return k.staleRead(w, g, r) })
		}
	}
	lost := k.lose(w, g, &t)
	t.measure(k, lost)
	return t
}

func (t *setTally) countElement(w *words, g *group, k *elements, i int32) {
	e := &k.all[i]
	early := k.early(e)
	offer := func(class Class, n *int, write func() Finding) {
		*n++
		t.shelves.class(class).offer(-e.start, write)
	}
	if e.doubled != none {
		offer(Duplicate, &t.duplicated, func() Finding {
			op := k.op(e.doubled)
			return k.finding(w, g, Duplicate, []int32{i}, []int32{e.add, e.doubled},
				"a read of set %d at %s at %s has element %d more than once%s", g.key, w.node(op.Node), clock(op.End), e.v, w.during(op.End))
		})
	}
	if e.flapped {
		offer(Flapping, &t.flapping, func() Finding { return k.flapping(w, g, i) })
	}
	switch {
	case e.seenBy == none || e.twice:
	case e.fate == orphan:
		if w.log.Torn {
			return
		}
		offer(Phantom, &t.phantom, func() Finding {
			op := k.op(e.seenBy)
			return k.finding(w, g, Phantom, []int32{i}, []int32{e.seenBy}, "a read of set %d at %s at %s has element %d, which nobody added%s",
				g.key, w.node(op.Node), clock(op.End), e.v, w.during(op.End))
		})
	case e.fate == refused:
		offer(Resurrected, &t.resurrected, func() Finding {
			op, see := k.op(e.add), k.op(e.seenBy)
			return k.finding(w, g, Resurrected, []int32{i}, []int32{e.add, e.seenBy},
				"adding %d to set %d was reported failed (%s) by %s at %s, and yet a read at %s at %s has it%s", e.v, g.key,
				reason(op), w.node(op.Node), clock(op.End), w.node(see.Node), clock(see.End), w.during(op.End))
		})
	case early != none:
		offer(Phantom, &t.early, func() Finding {
			op := k.op(early)
			return k.finding(w, g, Phantom, []int32{i}, []int32{e.add, early},
				"a read of set %d at %s at %s has element %d, %s before its adding began", g.key, w.node(op.Node), clock(op.End), e.v,
				lapse(span(e.start, until(op))))
		})
	}
}

// lose judges by the final reads, and tells what is lost: an acknowledged element is lost if no node
// that answered has it. Elements whose adding had not been acknowledged when a
// final read began are not judged.
func (k *elements) lose(w *words, g *group, t *setTally) (lost []int32) {
	finals := finalReads(w.log, k.ops, history.ReadSet)
	judged := t.finals.count(w.log, finals, slices.ContainsFunc(k.all, func(e element) bool { return e.fate == acked }))
	began, has, sizes := never, make([]int, len(k.all)), make([]int, len(finals))
	for n, p := range finals {
		began = min(began, from(k.op(p)))
		shown := k.has(p)
		sizes[n] = len(shown)
		for i := range shown {
			has[i]++
		}
	}
	var missing []int32
	for i := range k.all {
		e := &k.all[i]
		if has[i] > 0 && has[i] < len(finals) {
			missing = append(missing, int32(i))
		}
		if !judged || has[i] > 0 || !e.judged() || e.ack >= began {
			continue
		}
		lost = append(lost, int32(i))
		t.shelves.class(LostElement).offer(-e.start, func() Finding {
			op := k.op(e.add)
			return k.finding(w, g, LostElement, []int32{int32(i)}, append([]int32{e.add}, finals...),
				"element %d of set %d was acknowledged by %s at %s%s and is missing from %s at the end", e.v, g.key,
				w.node(op.Node), clock(op.End), w.nearest(until(op)), allNodes(len(finals)))
		})
	}
	t.finals.lost = len(lost)
	if len(missing) > 0 {
		t.finals.diverged = 1
		t.shelves.class(Diverged).offer(0, func() Finding { return k.diverged(w, g, finals, sizes, missing) })
	}
	return lost
}

// finding makes a finding whose evidence has of the elements only those that
// matter.
func (k *elements) finding(w *words, g *group, class Class, matter, positions []int32, text string, args ...any) Finding {
	ops := make([]int32, 0, len(positions))
	for _, p := range positions {
		if p != none {
			ops = append(ops, k.ops[p])
		}
	}
	values := make([]int64, len(matter))
	for n, i := range matter {
		values[n] = k.all[i].v
	}
	return trimmedFinding(w, g, class, values, ops, text, args...)
}

// trimmedFinding makes a finding of logged operations that shows when the last
// of them ended. Sets read and queues drained have of their elements only those
// that matter: there may be a hundred thousand.
func trimmedFinding(w *words, g *group, class Class, matter []int64, ops []int32, text string, args ...any) Finding {
	f := newFinding(w, g, class, 0, ops, text, args...)
	for n := range f.Evidence {
		op := &f.Evidence[n]
		f.At = max(f.At, until(op))
		if op.Kind == history.ReadSet || op.Kind == history.Drain {
			op.Elements = slices.DeleteFunc(slices.Clone(op.Elements), func(v int64) bool { return !slices.Contains(matter, v) })
		}
	}
	return f
}

func (k *elements) staleRead(w *words, g *group, r *setRead) Finding {
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
	f := k.finding(w, g, StaleSet, []int32{i}, []int32{e.add, r.position, later},
		"a read of set %d at %s at %s lacks element %d, which had been acknowledged %s before the read began; a read at %s at %s has it%s",
		g.key, w.node(op.Node), clock(op.Start), e.v, lapse(span(r.start, e.ack)), w.node(see.Node), clock(see.End), w.during(r.start))
	f.At, f.Gap = r.start, span(r.start, e.ack)
	return f
}

// flapping finds three reads of one node, or of one process, that show it.
func (k *elements) flapping(w *words, g *group, i int32) Finding {
	e := &k.all[i]
	first, gone, again := e.flap[0], e.flap[1], e.flap[2]
	a, b, c := k.op(first), k.op(gone), k.op(again)
	who := fmt.Sprintf("process %d was shown", a.Process)
	if e.byNode {
		who = w.node(a.Node) + " showed"
	}
	return k.finding(w, g, Flapping, []int32{i}, []int32{e.add, first, gone, again},
		"%s element %d of set %d at %s, no more at %s, and again at %s%s", who, e.v, g.key,
		clock(a.End), clock(b.End), clock(c.End), w.during(from(b)))
}

// shownElements is how many elements a text tells.
const shownElements = 5

func (k *elements) diverged(w *words, g *group, finals []int32, sizes []int, missing []int32) Finding {
	var told []string
	for n, p := range finals {
		told = append(told, fmt.Sprintf("%s has %s", w.node(k.op(p).Node), plural(sizes[n], "element", "elements")))
	}
	shown := missing[:min(len(missing), shownElements)]
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
	return k.finding(w, g, Diverged, shown, positions, "the nodes differ in set %d at the end: %s; they differ in %s%s", g.key,
		strings.Join(told, ", "), strings.Join(differ, ", "), more)
}
