package server

import "time"

// ackDelay is how long the defect ack-before-log keeps records off the disk.
const ackDelay = 50 * time.Millisecond

// writeLoop appends new records to the file: all that have come while the last
// append and its sync took place go together (group commit).
func (s *Server) writeLoop() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wakeWriter:
		}
		if s.bugs.has(bugAckBeforeLog) && !s.sleep(ackDelay) {
			return
		}
		s.walMu.Lock()
		err := s.flush()
		s.walMu.Unlock()
		if err != nil {
			s.fail(err)
			return
		}
	}
}

// flush writes what is in memory only, and makes it durable as the fsync mode
// demands. The caller holds walMu.
func (s *Server) flush() error {
	s.mu.Lock()
	from := s.written
	batch := s.frames[from:len(s.frames):len(s.frames)]
	committed := s.commit
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	if err := s.wal.append(batch); err != nil {
		return err
	}
	if s.opts.Replication == Sync {
		if err := s.commitAt.save(committed); err != nil {
			return err
		}
	}
	always := s.opts.Fsync == FsyncAlways
	last := from + uint64(len(batch))
	s.mu.Lock()
	s.written = last
	if !always {
		s.durable = last
		s.advance()
	}
	s.wakeSenders()
	s.mu.Unlock()
	if !always {
		s.wakeUpstream()
		return nil
	}
	if err := s.syncLog(); err != nil {
		return err
	}
	s.mu.Lock()
	s.durable = last
	s.advance()
	s.mu.Unlock()
	s.wakeUpstream()
	return nil
}

// syncLog syncs the file. The caller holds walMu.
func (s *Server) syncLog() error { return s.syncUpTo(s.wal.offset) }

func (s *Server) syncUpTo(offset int64) error {
	if err := s.wal.sync(); err != nil {
		return err
	}
	if s.syncedAt == nil {
		return nil
	}
	return s.syncedAt.save(uint64(offset))
}

// fsyncLoop syncs the file at fixed times, beside the appends.
func (s *Server) fsyncLoop() {
	tick := time.NewTicker(s.opts.FsyncInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		s.walMu.Lock()
		offset := s.wal.offset
		s.walMu.Unlock()
		if !s.wal.dirty.Swap(false) {
			continue
		}
		if err := s.syncUpTo(offset); err != nil {
			s.fail(err)
			return
		}
	}
}

// truncate throws away the records behind index last, in memory and in the
// file, and rebuilds the state if they were in it. The caller holds walMu,
// applyMu and mu.
func (s *Server) truncate(last uint64) error {
	if last >= uint64(len(s.frames)) {
		return nil
	}
	cut := int64(0)
	for _, f := range s.frames[last:max(last, s.written)] {
		cut += int64(len(f))
	}
	if err := s.wal.truncate(s.wal.offset - cut); err != nil {
		return err
	}
	s.log.Info("discarding the end of the log", "records", uint64(len(s.frames))-last, "from", last+1)
	s.frames = s.frames[:last:last]
	for n := len(s.epochs); n > 0 && s.epochs[n-1].first > last; n-- {
		s.epochs = s.epochs[:n-1]
	}
	s.written, s.durable, s.commit = min(s.written, last), min(s.durable, last), min(s.commit, last)
	if s.applied > last {
		s.rebuild(last)
	}
	return nil
}

// sleep waits for d; false if the node stopped meanwhile.
func (s *Server) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
