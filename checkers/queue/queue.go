// Package queue checks message queues: what was lost, delivered twice or out of
// order, and whether one first-in-first-out order explains it all.
package queue

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Checker judges message queues.
func Checker() checkers.Checker {
	return checkers.Checker{
		Name:    "queue",
		Objects: []history.Object{history.ObjectQueue},
		Order:   true,
		Facts: []checkers.Fact{
			{Name: "queue.enqueued", Unit: checkers.Number, Better: checkers.Higher, Meaning: "messages whose enqueueing was confirmed"},
			{Name: "queue.dequeued", Unit: checkers.Number, Better: checkers.Higher, Meaning: "deliveries that the load acknowledged"},
			{Name: "queue.drained", Unit: checkers.Number, Better: checkers.Neither, Meaning: "deliveries that the final drains acknowledged"},
			{Name: "queue.lost", Unit: checkers.Number, Meaning: "confirmed messages that were never delivered and are gone: at least those beyond as many as dequeues of unknown outcome may have taken, at most all of them"},
			{Name: "queue.undelivered", Unit: checkers.Number, Meaning: "confirmed messages that were never delivered and are not in the drained queue, whether lost or taken by a dequeue of unknown outcome"},
			{Name: "queue.excused", Unit: checkers.Number, Better: checkers.Neither, Meaning: "of the undelivered messages, as many as dequeues of unknown outcome may have taken: queue.undelivered == queue.excused says that no loss is proven"},
			{Name: "queue.duplicated", Unit: checkers.Number, Meaning: "messages that were delivered again though their delivery is known to have been acknowledged"},
			{Name: "queue.redelivered", Unit: checkers.Number, Meaning: "messages delivered more than once, but acknowledged once at most as far as is known: at-least-once delivery allows it"},
			{Name: "queue.unexpected", Unit: checkers.Number, Meaning: "messages delivered though nobody had enqueued them, at least not yet, or though their enqueueing was reported failed"},
			{Name: "queue.reordered", Unit: checkers.Number, Meaning: "messages that a message enqueued after their confirmation overtook: at least those beyond as many as dequeues of unknown outcome may have put back, at most all of them"},
			{Name: "queue.reordered_by_producer", Unit: checkers.Number, Meaning: "of these, messages that a later message of the same producer overtook: not even each producer's order was kept"},
			{Name: "queue.fifo", Unit: checkers.Boolean, Meaning: "every queue behaved as one first-in-first-out queue: one order explains all its operations, each message coming once (one that is put back behind others is out of order)"},
			{Name: "queue.residence.p50", Unit: checkers.Nanos, Meaning: "median time from a message's confirmation to its first delivery, of those that the load dequeued"},
			{Name: "queue.residence.p99", Unit: checkers.Nanos, Meaning: "99th percentile of that time"},
			{Name: "queue.residence.max", Unit: checkers.Nanos, Meaning: "greatest such time"},
		},
		Check: checkQueue,
	}
}

// tally is what is counted of one queue, or of all.
type tally struct {
	enqueued, dequeued, drained int
	lost, undelivered, excused  bound
	duplicated, redelivered     int
	unexpected, orphans         int   // orphans: of unexpected, those that nobody enqueued
	reordered, mates            bound // mates: by a message of the same producer
	undrained                   int   // queues of which messages may still be there
	doubts                      int   // operations that may have taken a message unseen
	answers                     int   // dequeues and drains that were answered, and deliveries besides
	tried                       bool
	residence                   kit.Times
	gone                        []checkers.Loss // of the undelivered those that are known
	top                         *kit.TopFindings
}

// bound is a number of which the least and the greatest value are known.
type bound struct{ least, most int }

func (b bound) plus(o bound) bound { return bound{b.least + o.least, b.most + o.most} }

// checkQueue counts what happened to the messages of queues. Messages are
// unique, so each delivery names its enqueueing, and the final drain shows
// what was never delivered. Whether a queue kept its order as a whole is
// decided apart, at the same time.
func checkQueue(ctx context.Context, in checkers.Input) checkers.Result {
	log, limits := in.Log, in.Limits
	all := kit.Groups(log, history.ObjectQueue)
	found, orders := make([]tally, len(all)), make([]order, len(all))
	w := kit.NewWords(log)
	kit.Parallel(ctx, limits.Workers, 2*len(all), func(i int) {
		if i%2 == 0 {
			found[i/2] = tallyMessages(w, &all[i/2], limits.Findings)
		} else {
			orders[i/2] = decideOrder(w, &all[i/2])
		}
	})
	t := tally{top: kit.NewTopFindings(limits.Findings)}
	for i := range found {
		if found[i].top != nil {
			t.add(&found[i])
		}
		if o := &orders[i]; o.finding != nil {
			t.top.Class(checkers.NotFIFO).Offer(-o.at, o.finding)
		}
	}
	return checkers.Result{
		Lost:     t.gone,
		Findings: t.top.Findings(checkers.LostMessage, checkers.UnexpectedMessage, checkers.DuplicateMessage, checkers.ReorderedMessage, checkers.NotFIFO),
		Values:   append(t.values(log.Torn, w.Doubts), orderValue(orders, log.Torn)),
	}
}

func (t *tally) add(o *tally) {
	t.enqueued, t.dequeued, t.drained = t.enqueued+o.enqueued, t.dequeued+o.dequeued, t.drained+o.drained
	t.lost, t.undelivered, t.excused = t.lost.plus(o.lost), t.undelivered.plus(o.undelivered), t.excused.plus(o.excused)
	t.duplicated, t.redelivered = t.duplicated+o.duplicated, t.redelivered+o.redelivered
	t.unexpected, t.orphans = t.unexpected+o.unexpected, t.orphans+o.orphans
	t.reordered, t.mates = t.reordered.plus(o.reordered), t.mates.plus(o.mates)
	t.answers += o.answers
	t.undrained, t.doubts, t.tried = t.undrained+o.undrained, t.doubts+o.doubts, t.tried || o.tried
	t.residence.Merge(&o.residence)
	t.gone = append(t.gone, o.gone...)
	t.top.Merge(o.top)
}

func (t *tally) values(torn bool, doubts *kit.Doubts) []checkers.Value {
	came := func(name string, n int) checkers.Value { return kit.Asked(name, n, t.answers, torn, kit.NoDelivery) }
	unexpected, redelivered := came("queue.unexpected", t.unexpected), came("queue.redelivered", t.redelivered)
	if torn {
		redelivered = kit.Proven("queue.redelivered", 0, kit.TornWhy)                    // that it was acknowledged, and again, may be what is missing
		unexpected = kit.Proven("queue.unexpected", t.unexpected-t.orphans, kit.TornWhy) // the enqueueing may be what is missing
	}
	residence := t.residence.Quantiles(0, 0, doubts)
	const empty = "the load dequeued no message that was confirmed while measuring"
	stay := func(name string, q float64) checkers.Value {
		return kit.OfWhole(residence.Value(name, q, empty, ""), torn, q == 1)
	}
	return []checkers.Value{
		kit.Recorded("queue.enqueued", t.enqueued, torn), kit.Recorded("queue.dequeued", t.dequeued, torn), kit.Recorded("queue.drained", t.drained, torn),
		t.missing("queue.lost", t.lost, torn), t.missing("queue.undelivered", t.undelivered, torn), t.missing("queue.excused", t.excused, torn),
		came("queue.duplicated", t.duplicated), redelivered, unexpected,
		t.disorder("queue.reordered", t.reordered, torn), t.disorder("queue.reordered_by_producer", t.mates, torn),
		stay("queue.residence.p50", 0.5), stay("queue.residence.p99", 0.99), stay("queue.residence.max", 1),
	}
}

// missing is a count of messages that did not come. Those proven are told also
// when some queues could not be judged.
func (t *tally) missing(name string, n bound, torn bool) checkers.Value {
	switch {
	case torn:
		return kit.Proven(name, n.least, kit.TornWhy)
	case t.undrained > 0 && !t.tried:
		return kit.Proven(name, n.least, checkers.NoDrain)
	case t.undrained > 0:
		return kit.Proven(name, n.least, fmt.Sprintf("%s with undelivered messages could not be drained to the end: more settle time may help",
			units.Plural(t.undrained, "queue", "queues")))
	}
	return kit.Between(name, float64(n.least), float64(n.most), t.doubt("taken", n))
}

// disorder is a count of overtaken messages. In a torn history the dequeue that
// put one back may be missing, so none is proven.
func (t *tally) disorder(name string, n bound, torn bool) checkers.Value {
	if torn || n.most == 0 {
		return kit.Asked(name, 0, t.answers, torn, kit.NoDelivery)
	}
	return kit.Between(name, float64(n.least), float64(n.most), t.doubt("put back", n))
}

// doubt tells why bounds are apart.
func (t *tally) doubt(what string, n bound) string {
	if t.doubts == 0 {
		return "messages of one content were enqueued several times: it is not known which of them came"
	}
	return fmt.Sprintf("%s of unknown outcome may have %s %d of them: longer timeouts leave fewer",
		units.Plural(t.doubts, "dequeue", "dequeues"), what, n.most-n.least)
}

func tallyMessages(w *kit.Words, g *kit.Group, keep int) tally {
	t := tally{top: kit.NewTopFindings(keep)}
	k := analyseQueue(w.Log, g.Ops)
	k.overtake()
	t.dequeued, t.drained, t.tried, t.doubts = k.dequeue, k.drained, len(k.drains) > 0, len(k.doubts)
	for p := range k.ops {
		if op := k.op(int32(p)); op.Kind == history.Enqueue && op.Outcome == history.OK {
			t.enqueued++
		}
	}
	t.answers = k.answers
	for i := range k.all {
		m := &k.all[i]
		t.countDeliveries(w, g, k, m)
		t.countUnexpected(w, g, k, m)
		if m.fate == kit.Acked && !m.twice && m.delivered() {
			t.stay(k, m, w.Doubts)
		}
	}
	t.countLost(w, g, k)
	t.reorder(w, g, k)
	return t
}

// stay measures how long a message stayed in the queue: from its confirmation
// while measuring to its first delivery by the load.
func (t *tally) stay(k *messages, m *message, doubts *kit.Doubts) {
	first := k.op(m.ended)
	enqueued := k.op(m.enq)
	if first.Kind == history.Dequeue && enqueued.Flags&history.Warmup == 0 {
		t.residence.Add(max(kit.Span(kit.Until(first), m.ack), 0), doubts, kit.From(enqueued), kit.Until(first))
	}
}

func (t *tally) countDeliveries(w *kit.Words, g *kit.Group, k *messages, m *message) {
	first, second, yes := k.duplicated(m)
	switch {
	case yes:
		t.duplicated++
		t.top.Class(checkers.DuplicateMessage).Offer(-rank(m), func() checkers.Finding { return k.duplicate(w, g, m, first, second) })
	case m.acked+m.unsure > 1 && !k.asOften(m):
		t.redelivered++
	}
}

func (t *tally) countUnexpected(w *kit.Words, g *kit.Group, k *messages, m *message) {
	if !m.delivered() || m.twice || m.fate != kit.Orphan && m.fate != kit.Refused && m.early == kit.None {
		return
	}
	t.unexpected++
	if m.fate == kit.Orphan {
		t.orphans++
		if w.Log.Torn {
			return
		}
	}
	t.top.Class(checkers.UnexpectedMessage).Offer(-rank(m), func() checkers.Finding { return k.unexpected(w, g, m) })
}

// rank puts the earliest messages first.
func rank(m *message) int64 { return max(m.start, kit.Beginning+1) }

// countLost judges by the drains what is lost: confirmed before they began, and
// never delivered. Each operation that may have taken a message unseen accounts
// for one of these, perhaps.
func (t *tally) countLost(w *kit.Words, g *kit.Group, k *messages) {
	drains, begin, complete := k.complete()
	var absent []*message
	open := false
	for i := range k.all {
		m := &k.all[i]
		n, ack := k.absent(int32(i))
		switch {
		case n.most == 0:
		case !complete || ack >= begin:
			open = true
		default:
			t.undelivered = t.undelivered.plus(n)
			t.gone = append(t.gone, checkers.Loss{Start: m.start, Acked: ack, Certain: n.least > 0})
			if n.least > 0 {
				absent = append(absent, m)
			}
		}
	}
	if open {
		t.undrained = 1
	}
	t.excused = bound{k.excused(t.undelivered.least), k.excused(t.undelivered.most)}
	for i := range t.gone {
		t.gone[i].Certain = t.gone[i].Certain && t.excused.most == 0 // else another may be what was taken
	}
	t.lost = bound{t.undelivered.least - t.excused.least, t.undelivered.most}
	if t.lost.least == 0 {
		return
	}
	for _, m := range absent {
		t.top.Class(checkers.LostMessage).Offer(-rank(m), func() checkers.Finding { return k.lost(w, g, m, drains, t.undelivered.least) })
	}
}

// reorder counts the overtaken messages. An operation that may have taken a
// message unseen may also have put it back behind others, by losing its
// connection: each accounts for one.
func (t *tally) reorder(w *kit.Words, g *kit.Group, k *messages) {
	overtaken, mates := 0, 0
	for i := range k.all {
		if k.all[i].over != kit.None {
			overtaken++
		}
		if k.all[i].mate {
			mates++
		}
	}
	t.reordered, t.mates = bound{overtaken - k.excused(overtaken), overtaken}, bound{mates - k.excused(mates), mates}
	if t.reordered.least == 0 || w.Log.Torn {
		return
	}
	for i := range k.all {
		if m := &k.all[i]; m.over != kit.None {
			t.top.Class(checkers.ReorderedMessage).Offer(-rank(m), func() checkers.Finding { return k.reordered(w, g, m, overtaken) })
		}
	}
}
