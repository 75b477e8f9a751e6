package server

import (
	"fmt"
	"slices"
	"time"
)

// staleError refuses a command of an older epoch than the node knows.
func staleError(epoch, known uint64) error {
	return fmt.Errorf("STALE epoch %d is over: this node knows epoch %d", epoch, known)
}

// promote makes the node the primary of a new epoch. members are the nodes
// that must acknowledge in sync mode until the epoch ends.
func (s *Server) promote(epoch uint64, members []string) error {
	s.walMu.Lock()
	defer s.walMu.Unlock()
	if err := s.flush(); err != nil {
		return err
	}
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta.Epoch == epoch && s.meta.Role == Primary {
		return nil // asked twice
	}
	if epoch <= s.meta.Epoch {
		return staleError(epoch, s.meta.Epoch)
	}
	if s.bugs.has(bugPromoteStale) {
		if err := s.truncate(uint64(max(0, len(s.frames)-s.opts.BugN))); err != nil {
			return err
		}
	}
	// The grantor of a lease keeps out of service until it has run out. A
	// primary that is promoted again granted none since it was promoted.
	if s.opts.Replication == Sync && s.meta.Role == Replica && !s.heard.IsZero() {
		s.quiet = s.heard.Add(s.opts.ReadLease)
	}
	members = slices.DeleteFunc(slices.Clone(members), func(m string) bool { return m == s.opts.Name })
	if err := s.changeRole(meta{Epoch: epoch, Role: Primary, Members: members, SyncEpoch: s.meta.SyncEpoch}); err != nil {
		return err
	}
	s.takeOver()
	return nil
}

// takeOver opens the new primary's epoch in the log. The caller holds walMu,
// applyMu and mu.
//
// In sync mode the node serves once a record of its own epoch is committed:
// everything before it in the log is then committed too, also what the node
// did not know to be (Raft, 5.4.2 and 8). In the other modes what a new primary
// has is by definition what counts, and it serves as soon as it has applied it.
func (s *Server) takeOver() {
	if s.opts.Replication != Sync {
		s.commit = max(s.commit, s.durable)
		s.barrier = s.commit
	}
	noop := s.appendRecord(opNoop, nil)
	if s.opts.Replication == Sync {
		s.barrier = noop
	}
	if s.bugs.has(bugForgetSetOnPromote) {
		s.appendRecord(opForget, nil)
	}
	s.log.Info("promoted", "epoch", s.meta.Epoch, "members", s.meta.Members, "records", len(s.frames))
	s.advance()
	s.enterService() // if there is nothing to apply before
	poke(s.wakeApplier)
}

// follow makes the node a replica of the primary at addr (host:port) in an
// epoch. An old primary steps down.
func (s *Server) follow(addr string, epoch uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case epoch < s.meta.Epoch:
		return staleError(epoch, s.meta.Epoch)
	case s.meta.Role == Primary && s.bugs.has(bugStalePrimary):
		return nil // says yes and does nothing
	case epoch == s.meta.Epoch && s.meta.Role == Primary:
		return fmt.Errorf("STALE this node is itself the primary of epoch %d", epoch)
	case epoch == s.meta.Epoch && s.meta.Primary == addr:
		return nil
	}
	return s.changeRole(meta{Epoch: epoch, Role: Replica, Primary: addr, SyncEpoch: s.meta.SyncEpoch})
}

// hear takes note of an epoch that another node told of, and of its primary if
// that is known: a newer one ends the node's own.
func (s *Server) hear(epoch uint64, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch < s.meta.Epoch || epoch == s.meta.Epoch && (s.meta.Role == Primary || s.meta.Primary != "" || addr == "") {
		return
	}
	if s.meta.Role == Primary && s.bugs.has(bugStalePrimary) {
		return
	}
	if err := s.changeRole(meta{Epoch: epoch, Role: Replica, Primary: addr, SyncEpoch: s.meta.SyncEpoch}); err != nil {
		s.log.Error("a newer epoch was not followed; trying again when it is heard of again", "epoch", epoch, "err", err)
	}
}

// changeRole saves the new role and puts it into effect: the sessions of the
// old one end and waiting writes become unknown. The caller holds mu.
func (s *Server) changeRole(m meta) error {
	if s.closed {
		return fmt.Errorf("ERR the node is stopping")
	}
	if err := s.keepMeta(m); err != nil {
		return err
	}
	s.log.Info("changing role", "role", string(m.Role), "epoch", m.Epoch, "primary", m.Primary, "was", string(s.meta.Role))
	s.meta = m
	s.gen++
	s.inline = false
	s.dropWaiters()
	s.upstream = nil
	s.endSession()
	for _, r := range s.replicas {
		if r.session != nil {
			_ = r.session.conn.Close() // its session sees it and ends
		}
	}
	s.replicas = make(map[string]*replicaState)
	poke(s.wakeFollower)
	poke(s.wakeApplier)
	return nil
}

// Status is what a node says of itself.
type Status struct {
	Role      Role
	Epoch     uint64
	LogEpoch  uint64 // of the last record
	Position  uint64 // last record that is logged as the fsync mode demands
	Committed uint64
	Applied   uint64
	Eligible  bool     // may be promoted without losing what the mode promises
	Healthy   bool     // a replica: connected and caught up; a primary: serving
	Primary   string   // a replica's primary, host:port
	Connected []string // a primary's replicas
	InSync    []string // a primary's replicas that know that they are in sync
	Members   []string // a sync primary's in-sync set
	Syncs     int64    // of the log, since the server started
	Version   int      // the node's own, see Protocols
}

// Status of the node now.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Role: s.meta.Role, Epoch: s.meta.Epoch, Position: s.durable, Committed: s.commit, Applied: s.applied,
		Primary: s.meta.Primary, Members: slices.Clone(s.meta.Members), Syncs: s.wal.syncs.Load(), Version: s.opts.Protocol,
	}
	if s.durable > 0 {
		st.LogEpoch = s.frames[s.durable-1].epoch()
	}
	st.Eligible = s.opts.Replication != Sync || s.meta.Role == Primary ||
		s.meta.Epoch > 0 && s.meta.SyncEpoch == s.meta.Epoch
	if s.meta.Role == Primary {
		st.Healthy = s.notServing() == "" && s.leaseHeld(time.Now())
		st.Primary = ""
		for name, r := range s.replicas {
			if r.session != nil {
				st.Connected = append(st.Connected, name)
			}
			if r.told {
				st.InSync = append(st.InSync, name)
			}
		}
		slices.Sort(st.Connected)
		slices.Sort(st.InSync)
		return st
	}
	up := s.upstream
	st.Healthy = up != nil && up.live && s.applied >= up.committed && s.durable >= up.sent
	return st
}
