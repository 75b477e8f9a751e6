package queue

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// finding makes a finding whose drains have only the messages that matter.
func (k *messages) finding(w *kit.Words, g *kit.Group, class checkers.Class, matter []int64, positions []int32, text string, args ...any) checkers.Finding {
	ops := make([]int32, 0, len(positions))
	for _, p := range positions {
		if p != kit.None {
			ops = append(ops, k.ops[p])
		}
	}
	return kit.TrimmedFinding(w, g, class, matter, ops, text, args...)
}

func (k *messages) lost(w *kit.Words, g *kit.Group, m *message, drains []int32, absent int) checkers.Finding {
	enq := m.enq
	if m.twice {
		enq = k.copies[k.index[m.v]].enq
	}
	op := k.op(enq)
	var nodes []string
	for _, p := range drains {
		nodes = append(nodes, w.Node(k.op(p).Node))
	}
	end := k.op(drains[len(drains)-1])
	return k.finding(w, g, checkers.LostMessage, []int64{m.v}, append([]int32{enq}, drains...),
		"message %d of queue %d was confirmed by %s at %s%s, and was never delivered; %s found the queue empty at %s%s", m.v, g.Key,
		w.Node(op.Node), units.Instant(op.End), w.Nearest(kit.Until(op)), strings.Join(nodes, ", "), units.Instant(end.End), k.excuse(absent, "taken"))
}

// excuse tells how many of some messages the doubts may account for.
func (k *messages) excuse(of int, what string) string {
	if len(k.doubts) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s of unknown outcome may have %s as many of the %d such messages)",
		units.Plural(len(k.doubts), "dequeue", "dequeues"), what, of)
}

func (k *messages) duplicate(w *kit.Words, g *kit.Group, m *message, first, second int32) checkers.Finding {
	a, b := k.op(first), k.op(second)
	answer := "delivered and acknowledged again"
	if m.acked < 2 {
		answer = "delivered again"
	}
	return k.finding(w, g, checkers.DuplicateMessage, []int64{m.v}, []int32{m.enq, first, second},
		"message %d of queue %d was delivered by %s at %s and acknowledged, and %s by %s at %s%s", m.v, g.Key,
		w.Node(a.Node), units.Instant(a.End), answer, w.Node(b.Node), units.Instant(b.End), w.During(b.End))
}

func (k *messages) unexpected(w *kit.Words, g *kit.Group, m *message) checkers.Finding {
	see := k.op(m.first)
	switch {
	case m.fate == kit.Orphan:
		return k.finding(w, g, checkers.UnexpectedMessage, []int64{m.v}, []int32{m.first},
			"message %d of queue %d was delivered by %s at %s, and nobody enqueued it%s",
			m.v, g.Key, w.Node(see.Node), units.Instant(see.End), w.During(see.End))
	case m.fate == kit.Refused:
		op := k.op(m.enq)
		return k.finding(w, g, checkers.UnexpectedMessage, []int64{m.v}, []int32{m.enq, m.first},
			"enqueueing %d in queue %d was reported failed (%s) by %s at %s, and yet %s delivered it at %s%s", m.v, g.Key,
			kit.Reason(op), w.Node(op.Node), units.Instant(op.End), w.Node(see.Node), units.Instant(see.End), w.During(op.End))
	}
	see = k.op(m.early)
	return k.finding(w, g, checkers.UnexpectedMessage, []int64{m.v}, []int32{m.enq, m.early},
		"message %d of queue %d was delivered by %s at %s, %s before its enqueueing began",
		m.v, g.Key, w.Node(see.Node), units.Instant(see.End), units.Nanos(kit.Span(m.start, kit.Until(see))))
}

func (k *messages) reordered(w *kit.Words, g *kit.Group, m *message, overtaken int) checkers.Finding {
	other := &k.all[m.over]
	positions, early := []int32{m.enq, other.enq, other.ended, m.first}, k.op(other.ended)
	how := fmt.Sprintf("was delivered at %s, %s before the delivery of %d began", units.Instant(early.End),
		units.Nanos(kit.Span(kit.From(k.op(m.first)), kit.Until(early))), m.v)
	if kit.Until(early) >= kit.From(k.op(m.first)) { // both in one drain
		positions, how = []int32{m.enq, other.enq, m.first}, fmt.Sprintf("came first in the drain at %s", units.Instant(k.op(m.first).End))
	}
	return k.finding(w, g, checkers.ReorderedMessage, []int64{m.v, other.v}, positions,
		"message %d overtook message %d of queue %d, which had been confirmed %s before its enqueueing began, and %s%s%s", other.v, m.v, g.Key,
		units.Nanos(kit.Span(other.start, m.ack)), how, w.During(kit.From(k.op(m.first))), k.excuse(overtaken, "put back"))
}
