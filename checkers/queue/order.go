package queue

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// order is what is known of one queue's order.
type order struct {
	truth   checkers.Truth
	why     string // it is unknown
	ops     int    // operations that were acknowledged
	finding func() checkers.Finding
	at      int64 // when the finding shows
}

// orderValue is the fact of every queue's order together.
func orderValue(found []order, torn bool) checkers.Value {
	v, ops, why := checkers.Value{Name: "queue.fifo"}, 0, ""
	for i := range found {
		o := &found[i]
		ops += o.ops
		switch {
		case o.truth == checkers.False:
			return checkers.Value{Name: "queue.fifo", Known: true}
		case o.truth == checkers.Unknown && why == "":
			why = o.why
		}
	}
	switch {
	case torn:
		v.Why = kit.TornWhy
	case why != "":
		v.Why = why
	case ops == 0:
		v.Why = "no operation was acknowledged"
	default:
		v.N, v.Known = 1, true
	}
	return v
}

// decideOrder decides whether one queue behaved as a first-in-first-out queue:
// whether one order explains all its operations, the drains too.
//
// A message that an operation of unknown outcome received was delivered, though
// it may not have been taken: it proves as much as any delivery that a message
// came out of nowhere or came again, and it proves no order. So no queue with
// such an operation is known to be in order.
func decideOrder(w *kit.Words, g *kit.Group) order {
	l := &lane{log: w.Log, ops: g.Ops, enqueue: make(map[int64]int32, len(g.Ops)/2+1)}
	o := order{ops: l.read()}
	if l.twice != kit.None {
		o.why = fmt.Sprintf("queue %d: message %d was enqueued twice", g.Key, l.log.Ops[l.twice].Value)
		return o
	}
	proof, exact := l.check()
	if proof.flaw == fifoSound {
		proof = l.received()
	}
	switch {
	case proof.flaw != fifoSound:
		o.truth = checkers.False
		for _, i := range proof.ops {
			o.at = max(o.at, kit.Until(&l.log.Ops[i]))
		}
		o.finding = func() checkers.Finding { return l.finding(w, g, proof) }
	case !exact || l.unsure > 0:
		o.why = fmt.Sprintf("queue %d: no contradiction was found, but %s of unknown outcome may have taken a message or left it",
			g.Key, units.Plural(l.unsure, "dequeue", "dequeues"))
	default:
		o.truth = checkers.True
	}
	return o
}

// lane is one queue's operations, by index into the log.
type lane struct {
	log     *history.Log
	ops     []int32
	enqueue map[int64]int32 // by message: its enqueueing, a refused one only if there is no other
	twice   int32           // an enqueueing of a message that has two; none
	unsure  int             // dequeues and drains of unknown outcome
}

// Read takes the enqueueings in and counts the operations acknowledged.
func (l *lane) read() (acked int) {
	l.twice = kit.None
	for _, i := range l.ops {
		op := &l.log.Ops[i]
		if op.Outcome == history.OK {
			acked++
		}
		if op.Kind != history.Enqueue {
			if op.Outcome == history.Unknown {
				l.unsure++
			}
			continue
		}
		before, again := l.enqueue[op.Value]
		switch {
		case !again || l.log.Ops[before].Outcome == history.Fail:
			l.enqueue[op.Value] = i
		case op.Outcome != history.Fail:
			l.twice = i
		}
	}
	return acked
}

// Check decides by the operations' outcomes. Of a torn history it judges those
// messages only of which the log has both the enqueueing and the delivery: to
// take all others out of an order that explains the whole leaves an order that
// explains the rest, and what is missing can only be of the others.
func (l *lane) check() (fifoProof, bool) {
	if !l.log.Torn {
		return checkFIFO(l.log, l.ops)
	}
	delivered := map[int64]bool{}
	for _, i := range l.ops {
		for v := range taken(&l.log.Ops[i]) {
			delivered[v] = true
		}
	}
	whole, kept := &history.Log{Meta: l.log.Meta}, []int32{}
	for _, i := range l.ops {
		op := l.log.Ops[i]
		switch _, known := l.enqueue[op.Value]; {
		case op.Kind == history.Enqueue && !delivered[op.Value], op.Kind == history.Dequeue && op.Value != history.Nil && !known:
			continue
		case op.Kind == history.Drain:
			op.Elements = slices.DeleteFunc(slices.Clone(op.Elements), func(v int64) bool { _, known := l.enqueue[v]; return !known })
		}
		whole.Ops, kept = append(whole.Ops, op), append(kept, i)
	}
	ops := make([]int32, len(kept))
	for n := range ops {
		ops[n] = int32(n)
	}
	proof, exact := checkFIFO(whole, ops)
	for n, i := range proof.ops {
		proof.ops[n] = kept[i]
	}
	return proof, exact
}

// taken are the messages whose delivery an operation acknowledged.
func taken(op *history.Op) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		switch {
		case op.Kind == history.Dequeue && op.Outcome == history.OK && op.Value != history.Nil:
			yield(op.Value)
		case op.Kind == history.Drain:
			slices.Values(op.Elements)(yield)
		}
	}
}

// received judges the messages that operations of unknown outcome received:
// whether they came out of nowhere, or after their delivery was acknowledged.
func (l *lane) received() fifoProof {
	acked := map[int64]int32{} // of those received: the acknowledged delivery, none
	var unsure []int32
	for _, i := range l.ops {
		op := &l.log.Ops[i]
		if (op.Kind == history.Dequeue || op.Kind == history.Drain) && op.Outcome == history.Unknown && op.Value != history.Nil {
			unsure = append(unsure, i)
			acked[op.Value] = kit.None
		}
	}
	if len(unsure) == 0 {
		return fifoProof{}
	}
	for _, i := range l.ops {
		for v := range taken(&l.log.Ops[i]) {
			if _, received := acked[v]; received {
				acked[v] = i
			}
		}
	}
	for _, i := range unsure {
		op := &l.log.Ops[i]
		enqueue, known := l.enqueue[op.Value]
		first := acked[op.Value]
		switch {
		case !known && l.log.Torn: // its enqueueing may be what is missing
		case !known || l.log.Ops[enqueue].Outcome == history.Fail:
			return fifoProof{fifoPhantom, []int32{i}}
		case kit.Until(op) < kit.From(&l.log.Ops[enqueue]):
			return fifoProof{fifoFuture, []int32{enqueue, i}}
		case first != kit.None && kit.Until(&l.log.Ops[first]) < kit.From(op):
			return fifoProof{fifoRepeated, []int32{enqueue, first, i}}
		}
	}
	return fifoProof{}
}
