package queue

import (
	"cmp"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// fifoFlaw is why no order of a first-in-first-out queue explains a history.
type fifoFlaw uint8

const (
	fifoSound     fifoFlaw = iota
	fifoPhantom            // a message was delivered that nobody enqueued
	fifoRepeated           // a message was delivered twice
	fifoFuture             // a message was delivered before it was enqueued
	fifoOvertaken          // of two messages the later one was delivered first, or alone
	fifoNotEmpty           // the queue was found empty while it certainly held a message
)

// fifoProof is a flaw and the operations that show it.
type fifoProof struct {
	flaw fifoFlaw
	ops  []int32 // indexes into the log
}

// passage is one value's way through a queue. Times are those of the
// operations that took effect; what is not known lies at never.
type passage struct {
	enqueueStart, enqueueEnd int64
	dequeueStart, dequeueEnd int64
	enqueue, dequeue         int32 // indexes into the log; none
	acked                    bool
	doubt                    int64 // start of a delivery whose acknowledgement is in doubt; never
}

// fifo is a queue's history, made ready for the checks.
type fifo struct {
	log     *history.Log
	all     []passage
	empties []int32 // operations that found the queue empty
	unknown []int64 // starts of the dequeues that may have taken any message, sorted
}

// checkFIFO decides whether a first-in-first-out queue with unique messages is
// linearizable, in time n·Log(n). It is exactly if none of four patterns is in
// its history (Henzinger, Sezgin and Vafeiadis, "Aspect-oriented
// linearizability proofs", CONCUR 2013; the queue of Lee and Mathur, "Efficient
// decrease-and-conquer linearizability monitoring", OOPSLA 2025, rests on the
// same): a message out of nowhere, a message delivered twice, two messages out
// of order, and an empty answer while at every instant of it some message was
// certainly in the queue.
//
// An enqueue of unknown outcome took effect exactly if its message was
// delivered, at the latest then. A dequeue of unknown outcome may have taken
// any one message, or none: it excuses one message that others overtook, if it
// began early enough; the messages and the dequeues are matched in order of
// time, which finds a matching if there is one. It may also have emptied the
// queue, so that with such dequeues fewer empty answers are judged: then the
// answer "no contradiction" is not certain, and exact is false.
func checkFIFO(log *history.Log, ops []int32) (proof fifoProof, exact bool) {
	q := &fifo{log: log}
	if p, found := q.read(ops); found {
		return p, true
	}
	exact = len(q.unknown) == 0
	for _, m := range q.all {
		exact = exact && m.doubt == kit.Never
	}
	for _, check := range []func() (fifoProof, bool){q.overtaken, q.undelivered, q.notEmpty} {
		if p, found := check(); found {
			return p, exact
		}
	}
	return fifoProof{}, exact
}

// Read reads the operations in, and finds messages out of nowhere and messages
// delivered twice.
func (q *fifo) read(ops []int32) (fifoProof, bool) {
	index := make(map[int64]int32, len(ops)/2+1)
	for _, i := range ops {
		op := &q.log.Ops[i]
		if op.Kind != history.Enqueue || op.Outcome == history.Fail {
			continue
		}
		m := passage{enqueueStart: kit.From(op), enqueueEnd: kit.Never, dequeueStart: kit.Never, dequeueEnd: kit.Never, enqueue: i, dequeue: kit.None, doubt: kit.Never}
		if op.Outcome == history.OK {
			m.enqueueEnd, m.acked = kit.Until(op), true
		}
		index[op.Value] = int32(len(q.all))
		q.all = append(q.all, m)
	}
	for _, i := range ops {
		op := &q.log.Ops[i]
		switch op.Kind {
		case history.Dequeue:
			switch {
			case op.Outcome == history.OK && op.Value == history.Nil:
				q.empties = append(q.empties, i)
			case op.Outcome == history.OK:
				if p, found := q.deliver(index, op.Value, i); found {
					return p, true
				}
			case op.Outcome == history.Unknown && op.Value == history.Nil:
				q.unknown = append(q.unknown, kit.From(op))
			case op.Outcome == history.Unknown:
				if at, ok := index[op.Value]; ok {
					q.all[at].doubt = min(q.all[at].doubt, kit.From(op))
				}
			}
		case history.Drain:
			if p, found := q.drain(index, op, i); found {
				return p, true
			}
		}
	}
	slices.Sort(q.unknown)
	q.all = slices.DeleteFunc(q.all, func(m passage) bool { return !m.acked && m.dequeue == kit.None })
	return fifoProof{}, false
}

// Drain takes the messages of a drain, which were delivered one after the other.
func (q *fifo) drain(index map[int64]int32, op *history.Op, i int32) (fifoProof, bool) {
	newest := kit.None // the message of the latest begin of its enqueue so far
	for _, v := range op.Elements {
		if p, found := q.deliver(index, v, i); found {
			return p, true
		}
		m := index[v]
		if newest != kit.None && q.all[newest].enqueueStart > q.all[m].enqueueEnd {
			return fifoProof{fifoOvertaken, []int32{q.all[m].enqueue, q.all[newest].enqueue, i}}, true
		}
		if newest == kit.None || q.all[m].enqueueStart > q.all[newest].enqueueStart {
			newest = m
		}
	}
	switch {
	case op.Outcome == history.OK:
		q.empties = append(q.empties, i)
	case op.Outcome == history.Unknown:
		q.unknown = append(q.unknown, kit.From(op))
	}
	return fifoProof{}, false
}

func (q *fifo) deliver(index map[int64]int32, v int64, i int32) (fifoProof, bool) {
	at, ok := index[v]
	if !ok {
		return fifoProof{fifoPhantom, []int32{i}}, true
	}
	m, op := &q.all[at], &q.log.Ops[i]
	switch {
	case m.dequeue != kit.None:
		return fifoProof{fifoRepeated, []int32{m.enqueue, m.dequeue, i}}, true
	case kit.Until(op) < m.enqueueStart:
		return fifoProof{fifoFuture, []int32{m.enqueue, i}}, true
	}
	m.dequeue, m.dequeueStart, m.dequeueEnd, m.doubt = i, kit.From(op), kit.Until(op), kit.Never
	m.enqueueEnd = min(m.enqueueEnd, m.dequeueEnd)
	return fifoProof{}, false
}

// overtaken finds two delivered messages of which the one was enqueued before
// the other and delivered after it.
func (q *fifo) overtaken() (fifoProof, bool) {
	byEnd, byStart := q.sorted()
	latest, next := kit.None, 0 // of those enqueued before: the one whose delivery began last
	for _, b := range byStart {
		for ; next < len(byEnd) && q.all[byEnd[next]].enqueueEnd < q.all[b].enqueueStart; next++ {
			a := byEnd[next]
			if q.all[a].dequeue != kit.None && (latest == kit.None || q.all[a].dequeueStart > q.all[latest].dequeueStart) {
				latest = a
			}
		}
		if latest != kit.None && q.all[b].dequeueEnd < q.all[latest].dequeueStart {
			a, b := &q.all[latest], &q.all[b]
			return fifoProof{fifoOvertaken, []int32{a.enqueue, b.enqueue, b.dequeue, a.dequeue}}, true
		}
	}
	return fifoProof{}, false
}

// undelivered finds a message that was never delivered though one that was
// enqueued after it was, and that no dequeue of unknown outcome can have taken
// in time.
func (q *fifo) undelivered() (fifoProof, bool) {
	_, byStart := q.sorted()
	first := make([]int32, len(byStart)) // by place: of those enqueued from there on, the one delivered first
	for n := len(byStart) - 1; n >= 0; n-- {
		first[n] = byStart[n]
		if n+1 < len(byStart) && q.all[first[n+1]].dequeueEnd < q.all[byStart[n]].dequeueEnd {
			first[n] = first[n+1]
		}
	}
	type debt struct {
		due     int64 // it must have been taken by an operation that began by then
		message int32
		by      int32
	}
	var debts []debt
	for i := range q.all {
		a := &q.all[i]
		if a.dequeue != kit.None {
			continue
		}
		n, _ := slices.BinarySearchFunc(byStart, a.enqueueEnd, func(b int32, end int64) int {
			if q.all[b].enqueueStart <= end {
				return -1
			}
			return 1
		})
		if n == len(byStart) || q.all[first[n]].dequeueEnd == kit.Never {
			continue
		}
		due := q.all[first[n]].dequeueEnd
		if a.doubt > due {
			debts = append(debts, debt{due, int32(i), first[n]})
		}
	}
	slices.SortFunc(debts, func(a, b debt) int { return cmp.Compare(a.due, b.due) })
	for n, d := range debts {
		if n < len(q.unknown) && q.unknown[n] <= d.due {
			continue
		}
		a, b := &q.all[d.message], &q.all[d.by]
		return fifoProof{fifoOvertaken, []int32{a.enqueue, b.enqueue, b.dequeue}}, true
	}
	return fifoProof{}, false
}

// notEmpty finds an operation that found the queue empty, at every instant of
// which some message had certainly been enqueued and not yet been taken.
func (q *fifo) notEmpty() (fifoProof, bool) {
	type stay struct {
		begin, end int64
		message    int32
	}
	earliest := kit.Never // a dequeue of unknown outcome may have taken any message from then on
	if len(q.unknown) > 0 {
		earliest = q.unknown[0]
	}
	var stays []stay
	for i := range q.all {
		m := &q.all[i]
		end := m.dequeueStart
		if m.dequeue == kit.None {
			end = min(earliest, m.doubt)
		}
		if m.enqueueEnd < end {
			stays = append(stays, stay{m.enqueueEnd, end, int32(i)})
		}
	}
	slices.SortFunc(stays, func(a, b stay) int { return cmp.Compare(a.begin, b.begin) })
	slices.SortFunc(q.empties, func(a, b int32) int { return cmp.Compare(kit.From(&q.log.Ops[a]), kit.From(&q.log.Ops[b])) })
	next := 0
	var begin, end int64 = kit.Never, kit.Beginning // of the stretch in which the queue is never empty
	var chain []int32                               // messages that make it
	for _, e := range q.empties {
		op := &q.log.Ops[e]
		for ; next < len(stays) && stays[next].begin < max(kit.From(op), end); next++ {
			s := stays[next]
			switch {
			case s.begin >= end:
				begin, end, chain = s.begin, s.end, append(chain[:0], s.message)
			case s.end > end:
				end, chain = s.end, append(chain, s.message)
			}
		}
		if begin < kit.From(op) && kit.Until(op) < end {
			return fifoProof{fifoNotEmpty, q.holders(chain, op, e)}, true
		}
	}
	return fifoProof{}, false
}

// Holders are the operations of those messages of a chain that were in the
// queue while op found it empty.
func (q *fifo) holders(chain []int32, op *history.Op, e int32) []int32 {
	ops := []int32{e}
	for _, i := range chain {
		if m := &q.all[i]; m.dequeueStart > kit.From(op) && m.enqueueEnd < kit.Until(op) {
			ops = append(ops, m.enqueue, m.dequeue)
		}
	}
	return slices.DeleteFunc(ops, func(i int32) bool { return i == kit.None })
}

// sorted gives the messages in order of the ends and of the begins of their
// enqueues.
func (q *fifo) sorted() (byEnd, byStart []int32) {
	for i := range q.all {
		byEnd = append(byEnd, int32(i))
	}
	byStart = slices.Clone(byEnd)
	slices.SortFunc(byEnd, func(a, b int32) int { return cmp.Compare(q.all[a].enqueueEnd, q.all[b].enqueueEnd) })
	slices.SortFunc(byStart, func(a, b int32) int { return cmp.Compare(q.all[a].enqueueStart, q.all[b].enqueueStart) })
	return byEnd, byStart
}
