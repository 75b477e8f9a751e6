package checkers

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/history"
)

func queueChecker() Checker {
	return Checker{
		Name:  "queue",
		Types: []string{queueType},
		Facts: []Fact{
			{"queue.enqueued", Number, "messages whose enqueueing was confirmed"},
			{"queue.dequeued", Number, "deliveries that the load acknowledged"},
			{"queue.drained", Number, "deliveries that the final drains acknowledged"},
			{"queue.lost", Number, "confirmed messages that were never delivered, beyond as many as dequeues of unknown outcome may have taken"},
			{"queue.undelivered", Number, "confirmed messages that were never delivered, those included that a dequeue of unknown outcome may have taken"},
			{"queue.duplicated", Number, "messages that were delivered again though their delivery had been acknowledged"},
			{"queue.redelivered", Number, "messages delivered more than once, but acknowledged once at most as far as is known: at-least-once delivery allows it"},
			{"queue.unexpected", Number, "messages delivered though nobody had enqueued them, at least not yet, or though their enqueueing was reported failed"},
			{"queue.reordered", Number, "messages that a message enqueued after their confirmation overtook, beyond as many as dequeues of unknown outcome may have put back"},
			{"queue.reordered_by_producer", Number, "of these, as far as is proven, messages that a later message of the same producer overtook: not even each producer's order was kept"},
			{"queue.fifo", Boolean, "every queue behaved as one first-in-first-out queue: one order explains all its operations, each message coming once (one that is put back behind others is out of order)"},
			{"queue.residence.p50", Nanos, "median time from a message's confirmation to its first delivery, of those that the load dequeued"},
			{"queue.residence.p99", Nanos, "99th percentile of that time"},
			{"queue.residence.max", Nanos, "greatest such time"},
		},
		Check: checkQueue,
	}
}

// queueTally is what is counted of one queue, or of all.
type queueTally struct {
	enqueued, dequeued, drained int
	lost, undelivered           int
	duplicated, redelivered     int
	unexpected, orphans         int // orphans: of unexpected, those that nobody enqueued
	reordered, mates            int // mates: by a message of the same producer
	undrained, incomplete       int // queues whose lost, and whose undelivered, messages cannot be judged
	tried                       bool
	residence                   []int64
	shelves                     *shelves
}

// checkQueue counts what happened to the messages of queues. Messages are
// unique, so each delivery names its enqueueing, and the final drain shows
// what was never delivered. Whether a queue kept its order as a whole is
// decided apart, at the same time.
func checkQueue(ctx context.Context, log *history.Log, limits Limits) Result {
	all := groups(log, queueType)
	found, orders := make([]queueTally, len(all)), make([]order, len(all))
	w := newWords(log)
	parallel(ctx, limits.Workers, 2*len(all), func(i int) {
		if i%2 == 0 {
			found[i/2] = tallyQueue(w, &all[i/2], limits.Findings)
		} else {
			orders[i/2] = decideOrder(w, &all[i/2])
		}
	})
	t := queueTally{shelves: newShelves(limits.Findings)}
	for i := range found {
		if found[i].shelves != nil {
			t.add(&found[i])
		}
		if o := &orders[i]; o.finding != nil {
			t.shelves.class(NotFIFO).offer(-o.at, o.finding)
		}
	}
	return Result{
		Findings: t.shelves.findings(LostMessage, UnexpectedMessage, DuplicateMessage, ReorderedMessage, NotFIFO),
		Values:   append(t.values(log.Torn), orderValue(orders, log.Torn)),
	}
}

func (t *queueTally) add(o *queueTally) {
	t.enqueued, t.dequeued, t.drained = t.enqueued+o.enqueued, t.dequeued+o.dequeued, t.drained+o.drained
	t.lost, t.undelivered = t.lost+o.lost, t.undelivered+o.undelivered
	t.duplicated, t.redelivered = t.duplicated+o.duplicated, t.redelivered+o.redelivered
	t.unexpected, t.orphans, t.reordered = t.unexpected+o.unexpected, t.orphans+o.orphans, t.reordered+o.reordered
	t.mates += o.mates
	t.undrained, t.incomplete, t.tried = t.undrained+o.undrained, t.incomplete+o.incomplete, t.tried || o.tried
	t.residence = append(t.residence, o.residence...)
	t.shelves.take(o.shelves)
}

func (t *queueTally) values(torn bool) []Value {
	unexpected := counted("queue.unexpected", t.unexpected)
	if torn {
		unexpected = proven("queue.unexpected", t.unexpected-t.orphans, tornWhy) // the enqueueing may be what is missing
	}
	residence := newQuantiles(t.residence, 0, 0)
	const empty = "the load dequeued no message that was confirmed while measuring"
	return []Value{
		counted("queue.enqueued", t.enqueued), counted("queue.dequeued", t.dequeued), counted("queue.drained", t.drained),
		t.missing("queue.lost", t.lost, t.undrained, torn), t.missing("queue.undelivered", t.undelivered, t.incomplete, torn),
		anomalies("queue.duplicated", t.duplicated, torn), anomalies("queue.redelivered", t.redelivered, torn),
		unexpected, anomalies("queue.reordered", t.reordered, torn), anomalies("queue.reordered_by_producer", t.mates, torn),
		residence.value("queue.residence.p50", 0.5, empty, ""), residence.value("queue.residence.p99", 0.99, empty, ""),
		residence.value("queue.residence.max", 1, empty, ""),
	}
}

// missing is a count of messages that did not come. Those proven are told also
// when some queues could not be judged.
func (t *queueTally) missing(name string, n, unjudged int, torn bool) Value {
	why := ""
	switch {
	case torn:
		why = tornWhy
	case unjudged > 0 && !t.tried:
		why = "no queue was drained: the cluster did not settle, or the run ended before"
	case unjudged > 0:
		why = fmt.Sprintf("%s with undelivered messages could not be drained to the end: more settle time may help",
			plural(unjudged, "queue", "queues"))
	}
	return proven(name, n, why)
}

func tallyQueue(w *words, g *group, keep int) queueTally {
	t := queueTally{shelves: newShelves(keep)}
	k := analyseQueue(w.log, g.ops)
	k.overtake()
	t.dequeued, t.drained, t.tried = k.dequeue, k.drained, len(k.drains) > 0
	for p := range k.ops {
		if op := k.op(int32(p)); op.Kind == history.Enqueue && op.Outcome == history.OK {
			t.enqueued++
		}
	}
	for i := range k.all {
		m := &k.all[i]
		t.countDeliveries(w, g, k, m)
		t.countUnexpected(w, g, k, m)
		if m.fate == acked && !m.twice && m.delivered() {
			t.stay(k, m)
		}
	}
	t.lose(w, g, k)
	t.reorder(w, g, k)
	return t
}

// stay measures how long a message stayed in the queue: from its confirmation
// while measuring to its first delivery by the load.
func (t *queueTally) stay(k *messages, m *message) {
	first := k.op(m.ended)
	if first.Kind == history.Dequeue && k.op(m.enq).Flags&history.Warmup == 0 {
		t.residence = append(t.residence, max(span(until(first), m.ack), 0))
	}
}

func (t *queueTally) countDeliveries(w *words, g *group, k *messages, m *message) {
	first, second, yes := k.duplicated(m)
	switch {
	case yes:
		t.duplicated++
		t.shelves.class(DuplicateMessage).offer(-rank(m), func() Finding { return k.duplicate(w, g, m, first, second) })
	case m.acked+m.unsure > 1:
		t.redelivered++
	}
}

func (t *queueTally) countUnexpected(w *words, g *group, k *messages, m *message) {
	if !m.delivered() || m.twice || m.fate != orphan && m.fate != refused && m.early == none {
		return
	}
	t.unexpected++
	if m.fate == orphan {
		t.orphans++
		if w.log.Torn {
			return
		}
	}
	t.shelves.class(UnexpectedMessage).offer(-rank(m), func() Finding { return k.unexpected(w, g, m) })
}

// rank puts the earliest messages first.
func rank(m *message) int64 { return max(m.start, beginning+1) }

// lose judges by the drains what is lost: confirmed before they began, and
// never delivered. Each operation that may have taken a message unseen accounts
// for one of these.
func (t *queueTally) lose(w *words, g *group, k *messages) {
	drains, begin, complete := k.complete()
	var absent []*message
	late := 0
	for i := range k.all {
		switch m := &k.all[i]; {
		case m.fate != acked || m.twice || m.delivered():
		case complete && m.ack >= begin:
			late++
		default:
			absent = append(absent, m)
		}
	}
	excused := len(k.doubts)
	switch {
	case len(absent)+late == 0:
		return
	case !complete || late > 0:
		t.incomplete = 1
		if len(absent)+late > excused {
			t.undrained = 1
		}
		if !complete {
			return
		}
	}
	t.undelivered, t.lost = len(absent), max(len(absent)-excused, 0)
	if t.lost == 0 {
		return
	}
	for _, m := range absent {
		t.shelves.class(LostMessage).offer(-rank(m), func() Finding { return k.lost(w, g, m, drains, len(absent)) })
	}
}

// reorder counts the overtaken messages. An operation that may have taken a
// message unseen may also have put it back behind others, by losing its
// connection: each accounts for one.
func (t *queueTally) reorder(w *words, g *group, k *messages) {
	overtaken, mates := 0, 0
	for i := range k.all {
		if k.all[i].over != none {
			overtaken++
		}
		if k.all[i].mate {
			mates++
		}
	}
	t.reordered, t.mates = max(overtaken-len(k.doubts), 0), max(mates-len(k.doubts), 0)
	if t.reordered == 0 {
		return
	}
	for i := range k.all {
		if m := &k.all[i]; m.over != none {
			t.shelves.class(ReorderedMessage).offer(-rank(m), func() Finding { return k.reordered(w, g, m, overtaken) })
		}
	}
}
