package queue

import (
	"cmp"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// message is what the history tells of one message of one queue. Operations
// are named by position, an index into messages.ops, or none.
type message struct {
	v     int64
	fate  kit.Fate
	twice bool // enqueued more than once: messages.copies tells how often, and only its number of deliveries is judged
	enq   int32
	start int64 // of its enqueueing
	ack   int64 // end of its enqueueing if that was confirmed, else never

	acked  int      // deliveries that were acknowledged
	unsure int      // deliveries whose acknowledgement may not have arrived
	taken  [2]int32 // the first two acknowledged deliveries
	first  int32    // the delivery of the least begin
	ended  int32    // the delivery of the least end
	done   int32    // the acknowledged delivery of the least end
	again  int32    // the unacknowledged delivery of the greatest begin
	early  int32    // a delivery that ended before the enqueueing began
	over   int32    // index of a message that overtook it
	mate   bool     // a later message of its own producer overtook it
}

// delivered tells whether anybody received the message.
func (m *message) delivered() bool { return m.acked+m.unsure > 0 }

// placed tells whether the message has a place in the queue's order, from its
// enqueueing's start on.
func (m *message) placed() bool { return !m.twice && m.fate != kit.Orphan && m.fate != kit.Refused }

// messages is the analysed history of one queue.
type messages struct {
	log     *history.Log
	ops     []int32
	all     []message
	index   map[int64]int32   // by value, of all
	copies  map[int32]*copies // of the messages that were enqueued more than once
	doubts  []int32           // operations that may have taken one message which nobody was shown
	swept   bool              // one of them may have taken any number
	drains  []int32           // every Drain
	dequeue int               // deliveries that Dequeues acknowledged
	drained int               // deliveries that Drains acknowledged
	answers int               // Dequeues and Drains that were answered, and deliveries besides
}

// copies counts how often one message was enqueued.
type copies struct {
	acked, unsure int
	ack           int64 // the last acknowledged end
	enq           int32 // the first that was acknowledged, none
}

func (c *copies) add(p int32, op *history.Op) {
	switch op.Outcome {
	case history.OK:
		if c.enq == kit.None {
			c.enq = p
		}
		c.acked, c.ack = c.acked+1, max(c.ack, kit.Until(op))
	case history.Unknown:
		c.unsure++
	}
}

// analyseQueue reads the history of one queue, in linear time.
func analyseQueue(log *history.Log, ops []int32) *messages {
	k := &messages{log: log, ops: ops}
	n := 0
	for p := range int32(len(ops)) {
		if k.op(p).Kind == history.Enqueue {
			n++
		}
	}
	k.all, k.index = make([]message, 0, n), make(map[int64]int32, n)
	for p := range int32(len(ops)) {
		if op := k.op(p); op.Kind == history.Enqueue {
			k.enqueue(p, op)
		}
	}
	for p := range int32(len(ops)) {
		switch op := k.op(p); op.Kind {
		case history.Dequeue:
			k.receive(p, op)
		case history.Drain:
			k.drains = append(k.drains, p)
			k.drained += len(op.Elements)
			k.answers += len(op.Elements)
			if op.Outcome == history.OK {
				k.answers++
			}
			for _, v := range op.Elements {
				k.deliver(p, v, true)
			}
			k.doubt(p, op)
		}
	}
	return k
}

func (k *messages) op(position int32) *history.Op { return &k.log.Ops[k.ops[position]] }

func (k *messages) add(m message) int32 {
	m.taken, m.first, m.ended, m.done, m.again, m.early, m.over = [2]int32{kit.None, kit.None}, kit.None, kit.None, kit.None, kit.None, kit.None, kit.None
	i := int32(len(k.all))
	k.index[m.v] = i
	k.all = append(k.all, m)
	return i
}

func (k *messages) enqueue(p int32, op *history.Op) {
	if i, ok := k.index[op.Value]; ok {
		m := &k.all[i]
		if !m.twice {
			m.twice = true
			if k.copies == nil {
				k.copies = map[int32]*copies{}
			}
			k.copies[i] = &copies{ack: kit.Beginning, enq: kit.None}
			k.copies[i].add(m.enq, k.op(m.enq))
		}
		k.copies[i].add(p, op)
		return
	}
	m := message{v: op.Value, fate: kit.Unsure, enq: p, start: kit.From(op), ack: kit.Never}
	switch op.Outcome {
	case history.OK:
		m.fate, m.ack = kit.Acked, kit.Until(op)
	case history.Fail:
		m.fate = kit.Refused
	}
	k.add(m)
}

func (k *messages) receive(p int32, op *history.Op) {
	if op.Outcome == history.OK {
		k.answers++
	}
	switch {
	case op.Outcome != history.OK:
		k.doubt(p, op)
	case op.Value != history.Nil:
		k.dequeue++
		k.deliver(p, op.Value, true)
	}
}

// doubt notes what an operation of unknown outcome may have taken: one message,
// but for a drain that is not one of ours, which are called at the end and tell
// what they took until they broke off.
func (k *messages) doubt(p int32, op *history.Op) {
	switch {
	case op.Outcome != history.Unknown:
	case op.Value == history.Nil:
		k.doubts = append(k.doubts, p)
		k.swept = k.swept || op.Kind == history.Drain && !op.Final()
	default:
		k.answers++
		k.deliver(p, op.Value, false)
	}
}

func (k *messages) deliver(p int32, v int64, acknowledged bool) {
	i, ok := k.index[v]
	if !ok {
		i = k.add(message{v: v, fate: kit.Orphan, enq: kit.None, start: kit.Beginning, ack: kit.Never})
	}
	m, op := &k.all[i], k.op(p)
	if m.first == kit.None || kit.From(op) < kit.From(k.op(m.first)) {
		m.first = p
	}
	if m.ended == kit.None || kit.Until(op) < kit.Until(k.op(m.ended)) {
		m.ended = p
	}
	if kit.Until(op) < m.start && m.early == kit.None {
		m.early = p
	}
	if !acknowledged {
		m.unsure++
		if m.again == kit.None || kit.From(op) > kit.From(k.op(m.again)) {
			m.again = p
		}
		return
	}
	if m.acked < len(m.taken) {
		m.taken[m.acked] = p
	}
	m.acked++
	if m.done == kit.None || kit.Until(op) < kit.Until(k.op(m.done)) {
		m.done = p
	}
}

// duplicated tells whether a message was delivered though it had been
// acknowledged before, and gives the two deliveries that show it: either two
// that were acknowledged, or one and a later one that was not. A message that
// was enqueued several times may come as often.
func (k *messages) duplicated(m *message) (first, second int32, yes bool) {
	if m.twice {
		c := k.copies[k.index[m.v]]
		return m.taken[0], m.taken[1], m.acked > max(c.acked+c.unsure, 1)
	}
	switch {
	case m.acked >= 2:
		return m.taken[0], m.taken[1], true
	case m.acked == 1 && m.unsure > 0 && kit.Until(k.op(m.done)) < kit.From(k.op(m.again)):
		return m.done, m.again, true
	}
	return kit.None, kit.None, false
}

// asOften tells whether a message came no more often than it may have been
// enqueued, several times.
func (k *messages) asOften(m *message) bool {
	if !m.twice {
		return false
	}
	c := k.copies[k.index[m.v]]
	return m.acked+m.unsure <= c.acked+c.unsure
}

// absent tells how many of the confirmed copies of a message were never
// delivered, and when the last was confirmed. Of several copies one that came
// may stand for all, where the system drops what it has seen already.
func (k *messages) absent(i int32) (n bound, ack int64) {
	m := &k.all[i]
	if !m.twice {
		if m.fate != kit.Acked || m.delivered() {
			return bound{}, kit.Never
		}
		return bound{1, 1}, m.ack
	}
	c := k.copies[i]
	came := m.acked + m.unsure
	n.most = min(c.acked, max(c.acked+c.unsure-came, 0))
	if came == 0 {
		n.least = min(c.acked, 1)
	}
	return n, c.ack
}

// excused is how many of so many messages the doubts may account for.
func (k *messages) excused(of int) int {
	if k.swept {
		return of
	}
	return min(of, len(k.doubts))
}

// overtake marks every message a that another message b overtook: a's
// enqueueing was confirmed before b's began, and yet a delivery of b ended
// before every delivery of a began. It takes time n·Log(n): of the messages
// enqueued after a, the one whose delivery ended first decides.
func (k *messages) overtake() {
	var order []int32 // placed and delivered, by start
	for i := range k.all {
		if m := &k.all[i]; m.placed() && m.delivered() {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(k.all[a].start, k.all[b].start) })
	k.overtakeAmong(order, func(m *message, by int32) { m.over = by })
	producer := func(i int32) uint32 { return k.op(k.all[i].enq).Process }
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(producer(a), producer(b)) })
	for len(order) > 0 {
		n := 1
		for n < len(order) && producer(order[n]) == producer(order[0]) {
			n++
		}
		k.overtakeAmong(order[:n], func(m *message, _ int32) { m.mate = true })
		order = order[n:]
	}
	for _, p := range k.drains {
		k.overtakeIn(p)
	}
}

// overtakeAmong marks those of some messages, in order of start, that another
// of them overtook.
func (k *messages) overtakeAmong(order []int32, mark func(m *message, by int32)) {
	end := func(i int32) int64 { return kit.Until(k.op(k.all[i].ended)) }
	earliest := slices.Clone(order) // of order[i:], the message whose delivery ended first
	for n := len(order) - 2; n >= 0; n-- {
		if end(earliest[n+1]) < end(order[n]) {
			earliest[n] = earliest[n+1]
		}
	}
	for _, i := range order {
		m := &k.all[i]
		n := sort.Search(len(order), func(n int) bool { return k.all[order[n]].start > m.ack })
		if n < len(order) && end(earliest[n]) < kit.From(k.op(m.first)) {
			mark(m, earliest[n])
		}
	}
}

// overtakeIn marks the messages that were overtaken within one drain, whose
// elements are in the order of their delivery. A message that was delivered
// elsewhere too is left out: which delivery was first is not known.
func (k *messages) overtakeIn(p int32) {
	latest := kit.None              // of the elements so far, the one enqueued last
	producers := map[uint32]int64{} // the start of the last of each producer
	for _, v := range k.op(p).Elements {
		i := k.index[v]
		m := &k.all[i]
		if !m.placed() {
			continue
		}
		if latest != kit.None && k.all[latest].start > m.ack && m.acked+m.unsure == 1 {
			m.over = latest
		}
		if latest == kit.None || m.start > k.all[latest].start {
			latest = i
		}
		producer := k.op(m.enq).Process
		last, known := producers[producer]
		if known && last > m.ack && m.acked+m.unsure == 1 {
			m.mate = true
		}
		if !known || m.start > last {
			producers[producer] = m.start
		}
	}
}

// complete tells whether the queue was drained to its end: the last drain
// through every node that was tried found it empty. These drains are the
// evidence that a message which nobody received is gone, if it was confirmed
// before the first of them began.
//
// That is enough because the drains come one after the other, with no other
// client: while one finds the queue empty no other holds a message that it has
// not acknowledged. A drain that failed is followed by one through the same
// node, and what a dequeue or a drain of unknown outcome may hold is a doubt.
func (k *messages) complete() (last []int32, begin int64, yes bool) {
	of := map[int8]int32{}
	for _, p := range k.drains {
		of[k.op(p).Node] = p
	}
	begin, yes = kit.Never, len(of) > 0 && !k.log.Torn
	for _, p := range of {
		last = append(last, p)
		begin = min(begin, kit.From(k.op(p)))
		yes = yes && k.op(p).Outcome == history.OK
	}
	slices.Sort(last)
	return last, begin, yes
}
