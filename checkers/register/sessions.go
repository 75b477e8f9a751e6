package register

import (
	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

func sessionFacts() []checkers.Fact {
	return []checkers.Fact{
		{Name: "sessions.read_your_writes", Unit: checkers.Number, Meaning: "reads that returned a value older than one the same client had written before, acknowledged"},
		{Name: "sessions.monotonic_reads", Unit: checkers.Number, Meaning: "reads that returned a value older than one the same client had read before"},
		{Name: "sessions.monotonic_writes", Unit: checkers.Number, Meaning: "reads of a client's acknowledged write, from a node that had shown a later write of the same client before"},
		{Name: "sessions.writes_follow_reads", Unit: checkers.Number, Meaning: "reads of a value, from a node that had shown before what a client wrote after it had read this value"},
	}
}

// sessionTally counts the violations of session guarantees on one register, or
// on all.
type sessionTally struct {
	ownWrites, monotonic int
	writes, afterRead    int // monotonic writes, writes follow reads
	top                  *kit.TopFindings
}

// sessionGuarantees counts broken session guarantees (Terry and others, "Session
// guarantees for weakly consistent replicated data", 1994) of each process on
// each register. A process's read of v breaks read-your-writes if it had
// written w before, acknowledged, and f(v) < start(w): v had been there before
// the write of w began, so v is older. It breaks monotonic reads if it had seen
// the value of w before. Reads are acknowledged reads, and failed
// compare-and-sets that told the current value; final reads are left out. For
// monotonic writes and writes-follow-reads see tallyShown.
func sessionGuarantees(in checkers.Input, found []judged) checkers.Result {
	torn, total := in.Log.Torn, sessionTally{top: kit.NewTopFindings(in.Limits.Findings)}
	for i := range found {
		s := &found[i].sessions
		total.ownWrites += s.ownWrites
		total.monotonic += s.monotonic
		total.writes += s.writes
		total.afterRead += s.afterRead
		total.top.Merge(s.top)
	}
	return checkers.Result{
		Findings: total.top.Findings(checkers.ReadYourWrites, checkers.MonotonicRead, checkers.MonotonicWrite, checkers.WriteAfterRead),
		Values: []checkers.Value{
			kit.Anomalies("sessions.read_your_writes", total.ownWrites, torn),
			kit.Anomalies("sessions.monotonic_reads", total.monotonic, torn),
			kit.Anomalies("sessions.monotonic_writes", total.writes, torn),
			kit.Anomalies("sessions.writes_follow_reads", total.afterRead, torn),
		},
	}
}

// past is the newest that a process is certain of, as the start of the newest
// write among those it made, or whose value it saw.
type past struct {
	start    int64
	value    int32 // index; none before the first
	position int32 // of the operation by which the process knows
}

func (p *past) learn(k *values, i, position int32) {
	if v := &k.all[i]; v.written() && (p.value == kit.None || v.start > p.start) {
		*p = past{v.start, i, position}
	}
}

// newerThan tells whether the process is certain of something newer than value i.
func (p *past) newerThan(k *values, i int32) bool {
	return p.value != kit.None && k.sound(i) && k.all[i].f < p.start
}

// pendingMost is how many operations of one process may overlap before the
// oldest is forgotten. A process does one at a time, so that more than one
// overlaps in malformed histories only; forgetting makes no false alarm.
const pendingMost = 4

// session is one process on one register.
type session struct {
	wrote, saw past
	pending    []int32 // operations that had not ended when the last one began
}

// begin takes what had ended before an operation of the process into its past: by the
// times that it saw itself.
func (s *session) begin(k *values, next int32) {
	at, other := k.log.Seen(k.ops[next])
	at = min(at, other)
	left := s.pending[:0]
	for _, p := range s.pending {
		op := k.op(p)
		if start, end := k.log.Seen(k.ops[p]); max(start, end) >= at {
			left = append(left, p)
			continue
		}
		if i := k.wrote[p]; i != kit.None && op.Outcome == history.OK {
			s.wrote.learn(k, i, p)
			if old := k.all[i].old; old != kit.None {
				s.saw.learn(k, old, p)
			}
		}
		if i := k.read[p]; i != kit.None {
			s.saw.learn(k, i, p)
		}
	}
	s.pending = left
	if len(s.pending) >= pendingMost {
		s.pending = append(s.pending[:0], s.pending[1:]...)
	}
}

// tallySessions counts one register by its analysis without final reads.
func tallySessions(w *kit.Words, g *kit.Group, keep int, k *values) sessionTally {
	t := sessionTally{top: kit.NewTopFindings(keep)}
	sessions := kit.NewNearby[uint32, session]()
	for p := range int32(len(k.ops)) {
		op := k.op(p)
		s := sessions.Get(op.Process, op.Process)
		if s == nil {
			s = &session{wrote: past{value: kit.None}, saw: past{value: kit.None}}
			sessions.Put(op.Process, op.Process, s)
		}
		s.begin(k, p)
		s.pending = append(s.pending, p)
		i := k.read[p]
		if i == kit.None {
			continue
		}
		if s.wrote.newerThan(k, i) {
			t.ownWrites++
			known := s.wrote
			t.top.Class(checkers.ReadYourWrites).Offer(-kit.From(op), func() checkers.Finding { return forgetful(w, g, k, p, known, checkers.ReadYourWrites) })
		}
		if s.saw.newerThan(k, i) {
			t.monotonic++
			known := s.saw
			t.top.Class(checkers.MonotonicRead).Offer(-kit.From(op), func() checkers.Finding { return forgetful(w, g, k, p, known, checkers.MonotonicRead) })
		}
	}
	t.tallyShown(w, g, k)
	return t
}

func forgetful(w *kit.Words, g *kit.Group, k *values, p int32, known past, class checkers.Class) checkers.Finding {
	op, seen, newer := k.op(p), &k.all[k.read[p]], &k.all[known.value]
	before := k.op(known.position)
	how := "written"
	if class == checkers.MonotonicRead {
		how = "read"
	}
	ops := k.logged(append(k.proofOf(k.read[p]), newer.write, known.position, p))
	return kit.NewFinding(w, g, class, kit.From(op), ops,
		"process %d read %s from key %d at %s at %s, although it had %s the newer %d at %s at %s%s", op.Process, kit.Content(seen.v),
		g.Key, w.Node(op.Node), units.Instant(op.End), how, newer.v, w.Node(before.Node), units.Instant(before.End), w.During(kit.From(op)))
}
