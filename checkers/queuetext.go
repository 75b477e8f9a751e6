package checkers

import (
	"fmt"
	"strings"
)

// finding makes a finding whose drains have only the messages that matter.
func (k *messages) finding(w *words, g *group, class Class, matter []int64, positions []int32, text string, args ...any) Finding {
	ops := make([]int32, 0, len(positions))
	for _, p := range positions {
		if p != none {
			ops = append(ops, k.ops[p])
		}
	}
	return trimmedFinding(w, g, class, matter, ops, text, args...)
}

func (k *messages) lost(w *words, g *group, m *message, drains []int32, absent int) Finding {
	op := k.op(m.enq)
	var nodes []string
	for _, p := range drains {
		nodes = append(nodes, w.node(k.op(p).Node))
	}
	end := k.op(drains[len(drains)-1])
	return k.finding(w, g, LostMessage, []int64{m.v}, append([]int32{m.enq}, drains...),
		"message %d of queue %d was confirmed by %s at %s%s, and was never delivered; %s found the queue empty at %s%s", m.v, g.key,
		w.node(op.Node), clock(op.End), w.nearest(until(op)), strings.Join(nodes, ", "), clock(end.End), k.excuse(absent, "taken"))
}

// excuse tells how many of some messages the doubts may account for.
func (k *messages) excuse(of int, what string) string {
	if len(k.doubts) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s of unknown outcome may have %s as many of the %d such messages)",
		plural(len(k.doubts), "dequeue", "dequeues"), what, of)
}

func (k *messages) duplicate(w *words, g *group, m *message, first, second int32) Finding {
	a, b := k.op(first), k.op(second)
	answer := "delivered and acknowledged again"
	if m.acked < 2 {
		answer = "delivered again"
	}
	return k.finding(w, g, DuplicateMessage, []int64{m.v}, []int32{m.enq, first, second},
		"message %d of queue %d was delivered by %s at %s and acknowledged, and %s by %s at %s%s", m.v, g.key,
		w.node(a.Node), clock(a.End), answer, w.node(b.Node), clock(b.End), w.during(b.End))
}

func (k *messages) unexpected(w *words, g *group, m *message) Finding {
	see := k.op(m.first)
	switch {
	case m.fate == orphan:
		return k.finding(w, g, UnexpectedMessage, []int64{m.v}, []int32{m.first},
			"message %d of queue %d was delivered by %s at %s, and nobody enqueued it%s",
			m.v, g.key, w.node(see.Node), clock(see.End), w.during(see.End))
	case m.fate == refused:
		op := k.op(m.enq)
		return k.finding(w, g, UnexpectedMessage, []int64{m.v}, []int32{m.enq, m.first},
			"enqueueing %d in queue %d was reported failed (%s) by %s at %s, and yet %s delivered it at %s%s", m.v, g.key,
			reason(op), w.node(op.Node), clock(op.End), w.node(see.Node), clock(see.End), w.during(op.End))
	}
	see = k.op(m.early)
	return k.finding(w, g, UnexpectedMessage, []int64{m.v}, []int32{m.enq, m.early},
		"message %d of queue %d was delivered by %s at %s, %s before its enqueueing began",
		m.v, g.key, w.node(see.Node), clock(see.End), lapse(span(m.start, until(see))))
}

func (k *messages) reordered(w *words, g *group, m *message, overtaken int) Finding {
	other := &k.all[m.over]
	positions, early := []int32{m.enq, other.enq, other.ended, m.first}, k.op(other.ended)
	how := fmt.Sprintf("was delivered at %s, %s before the delivery of %d began", clock(early.End),
		lapse(span(from(k.op(m.first)), until(early))), m.v)
	if until(early) >= from(k.op(m.first)) { // both in one drain
		positions, how = []int32{m.enq, other.enq, m.first}, fmt.Sprintf("came first in the drain at %s", clock(k.op(m.first).End))
	}
	return k.finding(w, g, ReorderedMessage, []int64{m.v, other.v}, positions,
		"message %d overtook message %d of queue %d, which had been confirmed %s before its enqueueing began, and %s%s%s", other.v, m.v, g.key,
		lapse(span(other.start, m.ack)), how, w.during(from(k.op(m.first))), k.excuse(overtaken, "put back"))
}
