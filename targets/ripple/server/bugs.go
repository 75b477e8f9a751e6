package server

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
)

// Bug is one deliberate defect; each is off unless named in Options.Bugs.
type Bug struct {
	Name  string
	About string // what goes wrong
	Shows string // where it shows
	bit   bugSet
}

type bugSet uint32

const (
	bugAckBeforeLog bugSet = 1 << iota
	bugDropAcked
	bugLoseUnsynced
	bugPromoteStale
	bugStalePrimary
	bugReorderApply
	bugDoubleApply
	bugCASIgnoresOld
	bugResurrectFailed
	bugStaleReplicaRead
	bugForgetSetOnPromote
	bugSyncDegrades
	bugDuplicateElement
	bugDuplicateDequeue
	bugLIFODequeue
	bugUnsyncedRename
	bugForgetsOlder
)

// Bugs is the table of the deliberate defects.
var Bugs = []Bug{
	{"ack-before-log", "a write is acknowledged, and visible, 50 ms before it is logged or streamed",
		"lost writes after a kill of the primary", bugAckBeforeLog},
	{"drop-acked", "1 in N acknowledged writes, additions and messages is dropped",
		"lost writes, lost set elements, lost messages, stale reads; no fault is needed", bugDropAcked},
	{"lose-unsynced", "a restart cuts the log back to what the last fsync covered",
		"lost writes after a kill and restart of all nodes, or of a primary that is not replaced, with fsync: interval or never",
		bugLoseUnsynced},
	{"promote-stale", "a promoted replica first throws away its last N records",
		"lost writes after a failover", bugPromoteStale},
	{"stale-primary", "an old primary ignores newer epochs and serves reads without a lease for ever",
		"stale reads, no linearizability after a failover away from a living primary", bugStalePrimary},
	{"reorder-apply", "a replica applies 1 in N records 32 records late",
		"diverged replicas, monotonic reads on replicas; no fault is needed", bugReorderApply},
	{"double-apply", "a replica applies 1 in N records twice, the second time 32 records later",
		"diverged replicas, monotonic reads on replicas; no fault is needed; duplicated messages, and now and then lost ones, after a failover", bugDoubleApply},
	{"cas-ignores-old", "1 in N compare-and-sets succeeds without comparing",
		"lost updates, no linearizability; no fault is needed", bugCASIgnoresOld},
	{"resurrect-failed", "1 in N writes is answered -BUSY though it is logged and applied",
		"resurrected writes, unexpected messages; no fault is needed", bugResurrectFailed},
	{"stale-replica-read", "1 in N reads on a replica returns the value before the current one",
		"stale reads, monotonic reads on replicas; no fault is needed", bugStaleReplicaRead},
	{"forget-set-on-promote", "a promotion loses every fourth element of every set",
		"lost set elements after a failover", bugForgetSetOnPromote},
	{"sync-degrades", "in sync mode the primary does not wait for replicas that are not connected, yet they stay promotable",
		"lost writes after the primary was cut off from its replicas", bugSyncDegrades},
	{"duplicate-element", "1 in N set reads returns its last element twice",
		"duplicate set elements; no fault is needed", bugDuplicateElement},
	{"duplicate-dequeue", "1 in N dequeues answers the first message and leaves it in the queue",
		"duplicated messages; no fault is needed", bugDuplicateDequeue},
	{"lifo-dequeue", "1 in N dequeues takes the last message in place of the first",
		"reordered messages; no fault is needed", bugLIFODequeue},
	{"unsynced-rename", "the log is renamed to its own name once it holds 4 KiB, and its directory is not synced after that",
		"lost writes after a power cut of all nodes, where a name is durable with a sync of its directory alone (target.disk: {names: posix})",
		bugUnsyncedRename},
	{"forgets-older", "in sync mode the primary does not wait for replicas that speak an older protocol than its own, yet they stay promotable",
		"lost writes after a newer primary was cut off from older replicas (target.versions, upgrade)", bugForgetsOlder},
}

// BugNames lists the names of Bugs in their order.
func BugNames() []string {
	names := make([]string, len(Bugs))
	for i, b := range Bugs {
		names[i] = b.Name
	}
	return names
}

// mischief decides when defects strike: purely by the seed, the node's name
// and the number of times it was asked.
type mischief struct {
	on   bugSet
	n    int
	mu   sync.Mutex
	rand *rand.Rand
	held []lateRecord
}

func newMischief(o *Options) (*mischief, error) {
	name := fnv.New64a()
	_, _ = name.Write([]byte(o.Name)) // cannot fail
	m := &mischief{n: o.BugN, rand: rand.New(rand.NewPCG(o.Seed, name.Sum64()))}
	for _, want := range o.Bugs {
		bit := bugSet(0)
		for _, b := range Bugs {
			if b.Name == want {
				bit = b.bit
			}
		}
		if bit == 0 {
			return nil, fmt.Errorf("--bug %q is not known: choose of %v", want, BugNames())
		}
		m.on |= bit
	}
	return m, nil
}

// has reports whether a defect is on.
func (m *mischief) has(b bugSet) bool { return m.on&b != 0 }

// strikes reports whether a random defect is on and strikes this time.
func (m *mischief) strikes(b bugSet) bool {
	if !m.has(b) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rand.IntN(m.n) == 0
}

// dequeue is the operation to log for a dequeue.
func (m *mischief) dequeue() op {
	switch {
	case m.strikes(bugDuplicateDequeue):
		return opPeek
	case m.strikes(bugLIFODequeue):
		return opPopLast
	}
	return opPop
}

// forgetHeld drops what was held back, when the state is rebuilt.
func (m *mischief) forgetHeld() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = nil
}

// lateBy is how many records later the defects reorder-apply and double-apply
// apply a record: far enough that readers see the newer value first.
const lateBy = 32

// lateRecord waits for its late application.
type lateRecord struct {
	frame frame
	due   uint64 // index of the record after which it is applied
}

// replay applies a replica's record as the defects want it: reorder-apply
// applies it late, double-apply now and late.
func (m *mischief) replay(s *store, f frame, r *record) {
	if !m.has(bugReorderApply|bugDoubleApply) || r.op == opNoop || r.op == opForget {
		s.apply(r)
		return
	}
	switch {
	case m.strikes(bugReorderApply):
		m.hold(f, r.index+lateBy)
	case m.strikes(bugDoubleApply):
		m.hold(f, r.index+lateBy)
		s.apply(r)
	default:
		s.apply(r)
	}
	for _, late := range m.due(r.index) {
		if old, err := late.decode(nil); err == nil {
			s.apply(&old)
		}
	}
}

// hold keeps a record; there are never more than lateBy of them for long.
func (m *mischief) hold(f frame, due uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = append(m.held, lateRecord{f, due})
}

// due takes out the records that are to be applied after record index.
func (m *mischief) due(index uint64) []frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	var frames []frame
	m.held = slices.DeleteFunc(m.held, func(l lateRecord) bool {
		if l.due <= index {
			frames = append(frames, l.frame)
		}
		return l.due <= index
	})
	return frames
}
