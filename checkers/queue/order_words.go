package queue

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// finding tells what a proof shows, with the messages that matter.
func (l *lane) finding(w *kit.Words, g *kit.Group, p fifoProof) checkers.Finding {
	ops := slices.Clone(p.ops)
	var matter []int64
	for _, i := range p.ops {
		if op := &l.log.Ops[i]; op.Kind == history.Enqueue {
			matter = append(matter, op.Value)
		}
	}
	var text string
	switch p.flaw {
	case fifoPhantom:
		v := l.stranger(p.ops[0])
		matter = []int64{v}
		text = l.phantom(w, p.ops[0], v)
		if e, refused := l.enqueue[v]; refused {
			ops = append(ops, e)
		}
	case fifoRepeated:
		first, second := l.at(p, 1), l.at(p, 2)
		if kit.From(second) < kit.From(first) {
			first, second = second, first
		}
		text = fmt.Sprintf("message %d was delivered by %s at %s and again by %s at %s", matter[0],
			w.Node(first.Node), units.Instant(first.End), w.Node(second.Node), units.Instant(second.End))
	case fifoFuture:
		enqueue, see := l.at(p, 0), l.at(p, 1)
		text = fmt.Sprintf("message %d was delivered by %s at %s, %s before its enqueueing began", matter[0],
			w.Node(see.Node), units.Instant(see.End), units.Nanos(kit.Span(kit.From(enqueue), kit.Until(see))))
	case fifoOvertaken:
		text = l.overtook(w, p)
	case fifoNotEmpty:
		text = l.notEmpty(w, p)
	}
	return kit.TrimmedFinding(w, g, checkers.NotFIFO, matter, ops, "queue %d is not first-in-first-out: %s", g.Key, text)
}

func (l *lane) at(p fifoProof, n int) *history.Op { return &l.log.Ops[p.ops[n]] }

// stranger is the message delivered by an operation that was not enqueued.
func (l *lane) stranger(i int32) int64 {
	op := &l.log.Ops[i]
	for v := range taken(op) {
		e, known := l.enqueue[v]
		if known && l.log.Ops[e].Outcome != history.Fail || !known && l.log.Torn {
			continue
		}
		return v
	}
	return op.Value
}

func (l *lane) phantom(w *kit.Words, i int32, v int64) string {
	see := &l.log.Ops[i]
	what := fmt.Sprintf("%s delivered message %d at %s", w.Node(see.Node), v, units.Instant(see.End))
	e, refused := l.enqueue[v]
	if !refused {
		return what + ", and nobody enqueued it" + w.During(see.End)
	}
	op := &l.log.Ops[e]
	return fmt.Sprintf("%s, though its enqueueing was reported failed (%s) by %s at %s%s", what, kit.Reason(op), w.Node(op.Node), units.Instant(op.End), w.During(op.End))
}

// overtook tells of two messages of which the later one came first, or alone.
func (l *lane) overtook(w *kit.Words, p fifoProof) string {
	a, b, see := l.at(p, 0), l.at(p, 1), l.at(p, 2)
	text := fmt.Sprintf("message %d overtook message %d, which had been confirmed %s before its enqueueing began: ", b.Value, a.Value, units.Nanos(kit.Span(kit.From(b), kit.Until(a))))
	switch {
	case len(p.ops) > 3:
		late := l.at(p, 3)
		text += fmt.Sprintf("it was delivered by %s at %s, %s before the delivery of %d began", w.Node(see.Node), units.Instant(see.End),
			units.Nanos(kit.Span(kit.From(late), kit.Until(see))), a.Value)
	case slices.Contains(see.Elements, a.Value):
		text += fmt.Sprintf("it came first in the drain by %s at %s", w.Node(see.Node), units.Instant(see.End))
	default:
		text += fmt.Sprintf("it was delivered by %s at %s, and %d never was", w.Node(see.Node), units.Instant(see.End), a.Value)
		if l.unsure > 0 {
			text += fmt.Sprintf(" (%s of unknown outcome cannot have taken, in time, all messages that were overtaken so)", units.Plural(l.unsure, "dequeue", "dequeues"))
		}
	}
	return text + w.During(kit.Until(see))
}

// notEmpty tells of an empty answer, and of the message longest in the queue
// while it was given.
func (l *lane) notEmpty(w *kit.Words, p fifoProof) string {
	empty := l.at(p, 0)
	delivered := map[int64]*history.Op{}
	var held []*history.Op // the enqueueings of those in the queue
	for n := range p.ops[1:] {
		if op := l.at(p, n+1); op.Kind == history.Enqueue {
			held = append(held, op)
			continue
		}
		for v := range taken(l.at(p, n+1)) {
			delivered[v] = l.at(p, n+1)
		}
	}
	text := fmt.Sprintf("%s found it empty at %s", w.Node(empty.Node), units.Instant(empty.End))
	first := held[0]
	for _, op := range held {
		if kit.Until(op) < kit.Until(first) {
			first = op
		}
	}
	if len(held) > 1 {
		text += fmt.Sprintf(", though at every instant of this %s at least one of %d messages was in it; of these message %d", empty.Kind, len(held), first.Value)
	} else {
		text += fmt.Sprintf(", though message %d", first.Value)
	}
	text += fmt.Sprintf(" had been confirmed by %s at %s, %s before", w.Node(first.Node), units.Instant(first.End), units.Nanos(kit.Span(kit.From(empty), kit.Until(first))))
	if see := delivered[first.Value]; see != nil {
		return text + fmt.Sprintf(", and was delivered only after %s by %s%s", units.Instant(see.Start), w.Node(see.Node), w.During(kit.Until(empty)))
	}
	return text + ", and was never delivered" + w.During(kit.Until(empty))
}
