package checkers

import (
	"context"

	"github.com/aftershock-chaos/aftershock/history"
)

func sessionsChecker() Checker {
	return Checker{
		Name:  "sessions",
		Types: []string{registerType},
		Facts: []Fact{
			{"sessions.read_your_writes", Number, "reads that returned a value older than one the same client had written before, acknowledged"},
			{"sessions.monotonic_reads", Number, "reads that returned a value older than one the same client had read before"},
			{"sessions.monotonic_writes", Number, "reads of a client's acknowledged write, from a node that had shown a later write of the same client before"},
			{"sessions.writes_follow_reads", Number, "reads of a value, from a node that had shown before what a client wrote after it had read this value"},
		},
		Check: checkSessions,
	}
}

// sessionTally counts the violations of session guarantees on one register, or
// on all.
type sessionTally struct {
	ownWrites, monotonic int
	writes, afterRead    int // monotonic writes, writes follow reads
	shelves              *shelves
}

// checkSessions counts broken session guarantees (Terry and others, "Session
// guarantees for weakly consistent replicated data", 1994) of each process on
// each register. A process's read of v breaks read-your-writes if it had
// written w before, acknowledged, and f(v) < start(w): v had been there before
// the write of w began, so v is older. It breaks monotonic reads if it had seen
// the value of w before. Reads are acknowledged reads, and failed
// compare-and-sets that told the current value; final reads are left out. For
// monotonic writes and writes-follow-reads see tallyShown.
func checkSessions(ctx context.Context, log *history.Log, limits Limits) Result {
	found := registers(ctx, log, limits)
	total := sessionTally{shelves: newShelves(limits.Findings)}
	for i := range found {
		s := &found[i].sessions
		total.ownWrites += s.ownWrites
		total.monotonic += s.monotonic
		total.writes += s.writes
		total.afterRead += s.afterRead
		total.shelves.take(s.shelves)
	}
	return Result{
		Findings: total.shelves.findings(ReadYourWrites, MonotonicRead, MonotonicWrite, WriteAfterRead),
		Values: []Value{
			anomalies("sessions.read_your_writes", total.ownWrites, log.Torn),
			anomalies("sessions.monotonic_reads", total.monotonic, log.Torn),
			anomalies("sessions.monotonic_writes", total.writes, log.Torn),
			anomalies("sessions.writes_follow_reads", total.afterRead, log.Torn),
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
	if v := &k.all[i]; v.written() && (p.value == none || v.start > p.start) {
		*p = past{v.start, i, position}
	}
}

// newerThan tells whether the process is certain of something newer than value i.
func (p *past) newerThan(k *values, i int32) bool {
	return p.value != none && k.sound(i) && k.all[i].f < p.start
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

// begin takes what has ended before a time into the session's past.
func (s *session) begin(k *values, at int64) {
	left := s.pending[:0]
	for _, p := range s.pending {
		op := k.op(p)
		if until(op) >= at {
			left = append(left, p)
			continue
		}
		if i := k.wrote[p]; i != none && op.Outcome == history.OK {
			s.wrote.learn(k, i, p)
			if old := k.all[i].old; old != none {
				s.saw.learn(k, old, p)
			}
		}
		if i := k.read[p]; i != none {
			s.saw.learn(k, i, p)
		}
	}
	s.pending = left
	if len(s.pending) >= pendingMost {
		s.pending = append(s.pending[:0], s.pending[1:]...)
	}
}

// tallySessions counts one register by its analysis without final reads.
func tallySessions(w *words, g *group, keep int, k *values) sessionTally {
	t := sessionTally{shelves: newShelves(keep)}
	sessions := newNearby[uint32, session]()
	for p := range int32(len(k.ops)) {
		op := k.op(p)
		s := sessions.get(op.Process, op.Process)
		if s == nil {
			s = &session{wrote: past{value: none}, saw: past{value: none}}
			sessions.put(op.Process, op.Process, s)
		}
		s.begin(k, from(op))
		s.pending = append(s.pending, p)
		i := k.read[p]
		if i == none {
			continue
		}
		if s.wrote.newerThan(k, i) {
			t.ownWrites++
			known := s.wrote
			t.shelves.class(ReadYourWrites).offer(-from(op), func() Finding { return forgetful(w, g, k, p, known, ReadYourWrites) })
		}
		if s.saw.newerThan(k, i) {
			t.monotonic++
			known := s.saw
			t.shelves.class(MonotonicRead).offer(-from(op), func() Finding { return forgetful(w, g, k, p, known, MonotonicRead) })
		}
	}
	t.tallyShown(w, g, k)
	return t
}

func forgetful(w *words, g *group, k *values, p int32, known past, class Class) Finding {
	op, seen, newer := k.op(p), &k.all[k.read[p]], &k.all[known.value]
	before := k.op(known.position)
	how := "written"
	if class == MonotonicRead {
		how = "read"
	}
	ops := k.logged(append(k.proofOf(k.read[p]), newer.write, known.position, p))
	return newFinding(w, g, class, from(op), ops,
		"process %d read %s from key %d at %s at %s, although it had %s the newer %d at %s at %s%s", op.Process, content(seen.v),
		g.key, w.node(op.Node), clock(op.End), how, newer.v, w.node(before.Node), clock(before.End), w.during(from(op)))
}
