package register

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// The clients of the simulated store, and those who poll it.

// poll asks every node whose time has come for its role.
func (s *store) poll(all bool) {
	for i := range s.nodes {
		n := &s.nodes[i]
		if !all && s.now < n.polled {
			continue
		}
		gap := int64(2 + s.r.IntN(20))
		n.polled = s.now + gap
		if !n.up || s.now < n.ready || n.cut && !all {
			n.says = false
			continue
		}
		role := "replica"
		if n.primary {
			role = "primary"
		}
		n.says = n.primary
		told := fmt.Sprint(role, n.epoch)
		asked := s.now
		if told != n.told {
			e := history.Event{Kind: history.EventRole, Node: nodeName(i), Detail: role, Epoch: n.epoch, Since: max(n.asked*ms, 1)}
			s.event(e, 0)
			n.told = told
		}
		n.asked = asked
	}
}

// believed is the node that says it is the primary in the newest epoch, -1 if none does.
func (s *store) believed() int {
	best := -1
	for i := range s.nodes {
		if n := &s.nodes[i]; n.says && (best < 0 || n.epoch > s.nodes[best].epoch) {
			best = i
		}
	}
	return best
}

// call begins an operation.
func (s *store) call(c, keys int) {
	cl := &s.clients[c]
	if cl.primary < 0 {
		if cl.primary = s.believed(); cl.primary < 0 {
			return
		}
	}
	node := cl.primary
	op := history.Op{Key: uint32(s.r.IntN(keys)), Process: cl.process, Worker: uint16(c), Start: s.now * ms, Value: history.Nil}
	switch u := s.r.IntN(20); {
	case u < 7 || s.looks && cl.looked != nil && !cl.looked[op.Key]:
		if u < 2 || s.forwards && s.chance(3) {
			node = s.r.IntN(len(s.nodes))
		} else if cl.looked != nil {
			cl.looked[op.Key] = true
		}
	case u < 17:
		op.Kind, s.values = history.Write, s.values+1
		op.Value = s.values
	default:
		op.Kind, op.Old, s.values = history.CAS, s.current(node, op.Key), s.values+1
		op.Value = s.values
	}
	if s.forwards && s.chance(4) {
		node = s.r.IntN(len(s.nodes))
	}
	op.Node, op.Intended = int8(node), op.Start
	f := &flight{op: op, client: c, sent: s.now + int64(s.r.IntN(3)), give: s.now + 60}
	f.effect = f.sent + int64(s.r.IntN(6))
	if s.chance(30) {
		f.effect += 200 // long after the client gave up
	}
	f.end = f.effect + int64(s.r.IntN(8))
	cl.busy = true
	s.flying = append(s.flying, f)
}

func (s *store) current(node int, key uint32) int64 {
	log := s.nodes[node].log
	for i := len(log) - 1; i >= 0; i-- {
		if log[i].key == key {
			return log[i].value
		}
	}
	return history.Nil
}

// fly takes an operation further.
func (s *store) fly(f *flight) {
	n := &s.nodes[f.op.Node]
	if !f.bound && s.now >= f.sent && n.up && s.now >= n.ready {
		f.bound, f.life = true, n.life
		f.effect = max(f.effect, s.now)
		f.end = max(f.end, f.effect)
	}
	broken := f.bound && n.life != f.life
	if f.bound && !broken && !f.done && s.now >= f.effect {
		s.carryOut(f)
	}
	switch {
	case f.over:
	case f.bound && broken && s.chance(2):
		s.answer(f, history.Unknown, history.ErrConnLost)
	case f.done && f.refused != history.ErrNone && s.now >= f.end:
		s.answer(f, history.Fail, f.refused)
	case f.done && !broken && s.now >= f.end:
		s.answer(f, history.OK, history.ErrNone)
	case s.now >= f.give && !f.bound:
		f.bound, f.life = true, -1
		s.answer(f, history.Fail, history.ErrConnect)
	case s.now >= f.give:
		s.answer(f, history.Unknown, history.ErrTimeout)
	}
}

// carryOut has the node, or the one that it passes the operation on to, do it.
func (s *store) carryOut(f *flight) {
	at := int(f.op.Node)
	if f.op.Kind != history.Read && !s.nodes[at].primary && s.forwards {
		at = s.nodes[at].follows
	}
	n := &s.nodes[at]
	f.done = true
	switch {
	case f.op.Kind == history.Read:
		f.op.Value = s.current(at, f.op.Key)
		return
	case !n.primary || !n.up || s.now < n.ready:
		f.refused = history.ErrNotPrimary
		return
	case f.op.Kind == history.CAS && s.current(at, f.op.Key) != f.op.Old:
		f.refused = history.ErrCompare
		f.op.Observed = s.current(at, f.op.Key)
		f.op.Flags |= history.Seen
		if at != int(f.op.Node) {
			f.op.Flags &^= history.Seen
		}
		return
	}
	for _, e := range n.log {
		if e.key == f.op.Key {
			s.before[f.op.Value] = append(s.before[f.op.Value], e.value)
		}
	}
	n.log = append(slices.Clone(n.log), entryOf{f.op.Key, f.op.Value})
	if s.sync {
		for i := range s.nodes {
			if m := &s.nodes[i]; m.follows == at && m.up && !m.primary {
				s.copyAll(i)
			}
		}
	}
}

func (s *store) answer(f *flight, outcome history.Outcome, why history.Error) {
	op, cl := f.op, &s.clients[f.client]
	op.Outcome, op.Error, op.End = outcome, why, s.now*ms
	f.over, cl.busy = true, false
	s.log.Ops = append(s.log.Ops, op)
	if outcome == history.Unknown {
		cl.process += 100
	}
	if outcome != history.OK && why != history.ErrCompare && int(op.Node) == cl.primary {
		cl.primary, cl.looked = -1, map[uint32]bool{}
	}
}

// settle ends the faults, has everyone follow one primary, and reads all.
func (s *store) settle() {
	for i := range s.nodes {
		s.nodes[i].cut = false
		s.now = max(s.now, s.nodes[i].ready)
		if !s.nodes[i].up {
			s.start(i)
		}
	}
	s.now += 30
	r := s.ruler()
	if r < 0 {
		s.failover()
		if r = s.ruler(); r < 0 {
			s.epoch++
			r = 0
			n := &s.nodes[0]
			n.primary, n.epoch, n.life = true, s.epoch, n.life+1
		}
	}
	for _, f := range s.flying {
		if !f.over {
			s.answer(f, history.Unknown, history.ErrTimeout)
		}
	}
	for i := range s.nodes {
		if i != r {
			s.demoteTo(i, r)
			if s.operated {
				s.event(history.Event{Kind: history.EventRejoin, Since: s.now * ms, Node: nodeName(i), Epoch: s.epoch}, 0)
			}
			s.copyAll(i)
		}
	}
	s.poll(true)
	s.now += 5
	s.event(history.Event{Kind: history.EventPhase, Detail: "final"}, 0)
}

// readFinally makes the final reads, but for some.
func (s *store) readFinally(keys int) {
	for key := range uint32(keys) {
		for i := range s.nodes {
			if s.chance(30) {
				continue
			}
			s.now++
			s.log.Ops = append(s.log.Ops, history.Op{Kind: history.Read, Key: key, Value: s.current(i, key), Outcome: history.OK, Flags: history.FinalRead,
				Start: s.now * ms, Intended: s.now * ms, End: s.now*ms + 1000, Node: int8(i), Process: 1 << 20})
		}
	}
	slices.SortStableFunc(s.log.Ops, func(a, b history.Op) int { return history.Less(&a, &b) })
}
