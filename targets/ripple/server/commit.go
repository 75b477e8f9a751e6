package server

import (
	"slices"
	"sync"
	"time"
)

// maxPending bounds the writes that wait for their commit; more are refused
// with -BUSY.
const maxPending = 4096

// waiter is a client's connection waiting for its record to be applied.
type waiter struct {
	index uint64
	done  chan result // of capacity one
}

var waiterPool = sync.Pool{New: func() any { return &waiter{done: make(chan result, 1)} }}

// submit logs one operation and waits until it is committed and applied. Every
// conditional operation is logged unevaluated and evaluated in log order when
// it is applied, so two concurrent ones cannot both succeed and no answer tells
// of a value that is not committed.
//
// A refusal (NOTPRIMARY, NOQUORUM, BUSY) means that nothing happened.
func (s *Server) submit(o op, key []byte, args ...[]byte) result {
	if len(key) > maxKey || tooLong(args) {
		return result{kind: resultError, text: "ERR key or value is too long"}
	}
	if s.opts.ReplayCost > 0 {
		if text := s.writeRefusal(); text != "" {
			return result{kind: resultError, text: text}
		}
		burn(s.opts.ReplayCost)
	}
	compares := true
	if o == opCAS && s.bugs.strikes(bugCASIgnoresOld) {
		o, args, compares = opSet, args[1:], false
	}
	if o == opPop {
		o = s.bugs.dequeue()
	}
	w := waiterPool.Get().(*waiter)
	if text, dropped := s.enqueue(w, o, key, args); text != "" || dropped {
		waiterPool.Put(w)
		if dropped {
			return pretend(o, len(args))
		}
		return result{kind: resultError, text: text}
	}
	res := <-w.done
	waiterPool.Put(w)
	if !compares && res.kind == resultOK {
		res = result{kind: resultInt, n: 1}
	}
	if res.kind <= resultInt && s.bugs.strikes(bugResurrectFailed) {
		return result{kind: resultError, text: "BUSY too many writes are waiting"}
	}
	return res
}

// enqueue appends the record to the log in memory and w to the waiters. It
// returns why the write is refused, or that a defect dropped it.
func (s *Server) enqueue(w *waiter, o op, key []byte, args [][]byte) (refusal string, dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := s.notServing(); text != "" {
		return text, false
	}
	if len(s.waiters) >= maxPending {
		return "BUSY too many writes are waiting for their replicas", false
	}
	if (o == opSet || o == opAdd || o == opPush) && s.bugs.strikes(bugDropAcked) {
		return "", true
	}
	w.index = s.appendRecord(o, key, args...)
	s.waiters = append(s.waiters, w)
	if s.bugs.has(bugAckBeforeLog) {
		s.advance()
	}
	return "", false
}

// pretend is the answer to a write that was dropped.
func pretend(o op, args int) result {
	if o == opAdd || o == opPush {
		return result{kind: resultInt, n: int64(args)}
	}
	return result{}
}

func tooLong(args [][]byte) bool {
	n := 0
	for _, a := range args {
		n += len(a) + 5
	}
	return n > maxPayload/2
}

// appendRecord adds a record of the node's own epoch to the log in memory and
// wakes the writer. The caller holds mu.
func (s *Server) appendRecord(o op, key []byte, args ...[]byte) uint64 {
	f := encodeFrame(s.meta.Epoch, uint64(len(s.frames))+1, o, key, args...)
	s.frames = append(s.frames, f)
	s.noteEpoch(f)
	poke(s.wakeWriter)
	return uint64(len(s.frames))
}

// writeRefusal says why a write would be refused now; empty if it would not.
func (s *Server) writeRefusal() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notServing()
}

// notServing says why the node does not take writes. The caller holds mu.
func (s *Server) notServing() string {
	switch {
	case s.meta.Role != Primary:
		return "NOTPRIMARY this node is a replica"
	case s.closed:
		return "NOQUORUM the node is stopping"
	case !s.inline:
		return "NOQUORUM the primary has not yet committed and applied what it found in its log"
	case !s.quiet.IsZero() && time.Now().Before(s.quiet):
		return "NOQUORUM an earlier primary may still hold a read lease"
	}
	return ""
}

// mayRead says why the node does not serve a read now; empty if it does. The
// generation lets the caller see whether the role has changed since.
// The caller does not hold mu.
func (s *Server) mayRead(primaryOnly bool) (refusal string, gen uint64, role Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta.Role != Primary {
		if primaryOnly {
			return "NOTPRIMARY this node is a replica", s.gen, Replica
		}
		return "", s.gen, Replica
	}
	if text := s.notServing(); text != "" {
		return text, s.gen, Primary
	}
	if !s.leaseHeld(time.Now()) {
		return "NOQUORUM the read lease ran out: an in-sync replica does not answer", s.gen, Primary
	}
	return "", s.gen, Primary
}

// leaseHeld reports whether a sync primary may serve reads: every in-sync
// member acknowledged a heartbeat that was sent within the last ReadLease.
//
// This is the leader lease of Raft (Ongaro's dissertation, 6.4.1) with all
// members in place of a majority. It is right because a member notes when a
// heartbeat came, before it acknowledges it, and when promoted does not serve
// before ReadLease has passed since; it came later than it was sent, and both
// clocks count the same seconds. The caller holds mu.
func (s *Server) leaseHeld(now time.Time) bool {
	if s.opts.Replication != Sync || s.bugs.has(bugStalePrimary) {
		return true
	}
	for _, name := range s.meta.Members {
		r := s.replicas[name]
		if r == nil || r.echoed.IsZero() || now.Sub(r.echoed) >= s.opts.ReadLease {
			return false
		}
	}
	return true
}

// commitTarget is how much of the log the mode's promise holds for. The caller
// holds mu and the node is the primary.
func (s *Server) commitTarget() uint64 {
	if s.bugs.has(bugAckBeforeLog) {
		return uint64(len(s.frames))
	}
	target := s.durable
	switch s.opts.Replication {
	case SemiSync:
		if len(s.opts.Peers) == 0 {
			return target
		}
		best := uint64(0)
		for _, r := range s.replicas {
			best = max(best, r.acked)
		}
		return min(target, best)
	case Sync:
		for _, name := range s.meta.Members {
			r := s.replicas[name]
			if s.bugs.has(bugSyncDegrades) && (r == nil || r.session == nil) ||
				s.bugs.has(bugForgetsOlder) && r != nil && r.spoken > 0 && r.spoken < s.opts.Protocol {
				continue
			}
			if r == nil {
				return 0
			}
			target = min(target, r.acked)
		}
	}
	return target
}

// advance commits what may be committed; a serving primary applies it at once
// and answers the waiters. The caller holds mu.
func (s *Server) advance() {
	if s.meta.Role != Primary {
		poke(s.wakeApplier)
		return
	}
	if target := s.commitTarget(); target > s.commit {
		s.commit = target
		if s.opts.Replication == Sync {
			s.wakeSenders()
		}
	}
	if !s.inline {
		poke(s.wakeApplier)
		return
	}
	current := s.store.Load()
	for s.applied < s.commit {
		r, err := s.frames[s.applied].decode(s.args)
		if err != nil {
			panic(err) // the node made the record itself
		}
		s.args = r.args
		res := current.apply(&r)
		s.applied++
		if len(s.waiters) > 0 && s.waiters[0].index == s.applied {
			s.waiters[0].done <- res
			s.waiters[0] = nil
			s.waiters = s.waiters[1:]
		}
	}
}

// dropWaiters answers every waiting write with an unknown outcome. The caller
// holds mu.
func (s *Server) dropWaiters() {
	for _, w := range s.waiters {
		w.done <- result{kind: resultDropped}
	}
	s.waiters = nil
}

// isMember reports whether a replica is in the in-sync set. The caller holds mu.
func (s *Server) isMember(name string) bool { return slices.Contains(s.meta.Members, name) }
