package server

import (
	"fmt"
	"slices"
)

// forget takes a replica out of a primary's in-sync set, with all that the primary
// knows of it: nothing waits for it any more. Whoever connects under its name later
// is a new node, which is in sync once it has caught up. The replica's server has to
// be stopped before, and its disk emptied before it comes back: what it was told of
// being in sync in this epoch is on it.
func (s *Server) forget(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta.Role != Primary {
		return fmt.Errorf("NOTPRIMARY this node is a replica in epoch %d", s.meta.Epoch)
	}
	if s.isMember(name) {
		m := s.meta
		m.Members = slices.DeleteFunc(slices.Clone(m.Members), func(member string) bool { return member == name })
		if err := m.save(s.opts.Data, s.opts.Fsync != FsyncNever, s.syncsNames()); err != nil {
			return err
		}
		s.meta = m
	}
	if r := s.replicas[name]; r != nil && r.session != nil {
		_ = r.session.conn.Close() // its session sees it and ends
	}
	delete(s.replicas, name)
	s.log.Info("replica forgotten", "replica", name, "members", s.meta.Members)
	s.advance() // what waited for it alone
	return nil
}
