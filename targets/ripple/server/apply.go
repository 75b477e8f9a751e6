package server

import (
	"fmt"
	"runtime"
	"sync"
)

// applyBatch bounds the records applied before the node looks up: a change of
// role waits for at most one batch.
const applyBatch = 32

// applyLoop applies what a replica has logged, and what a new primary found in
// its log before it serves.
func (s *Server) applyLoop() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wakeApplier:
		}
		for s.ctx.Err() == nil {
			more, err := s.applySome()
			if err != nil {
				s.fail(err)
				return
			}
			if !more {
				break
			}
		}
	}
}

// applySome applies one batch; more is false when there is nothing to apply.
func (s *Server) applySome() (more bool, err error) {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	s.mu.Lock()
	limit := s.visible()
	if s.inline || s.applied >= limit {
		s.enterService()
		s.mu.Unlock()
		return false, nil
	}
	size := uint64(applyBatch)
	if s.opts.Apply == Parallel {
		size *= uint64(runtime.GOMAXPROCS(0))
	}
	batch := s.frames[s.applied:min(limit, s.applied+size)]
	current := s.store.Load()
	s.mu.Unlock()

	if s.opts.Apply == Parallel {
		s.applyParallel(current, batch)
	} else {
		s.applySerial(current, batch, nil)
	}

	s.mu.Lock()
	s.applied += uint64(len(batch))
	applied := s.applied
	s.mu.Unlock()
	if s.opts.Replication == Sync {
		if err := s.commitAt.save(applied); err != nil {
			return false, fmt.Errorf("save how much is committed: %w", err)
		}
	}
	return true, nil
}

// visible is how much of the log reads may see. In sync mode a replica shows
// what the primary has committed; in the other modes what it has logged. The
// caller holds mu.
func (s *Server) visible() uint64 {
	if s.meta.Role == Primary {
		return s.commit
	}
	if s.opts.Replication == Sync {
		return min(s.commit, s.durable)
	}
	return s.durable
}

// enterService makes a primary serve that has applied all it has to. The
// caller holds mu.
func (s *Server) enterService() {
	if s.inline || s.meta.Role != Primary || s.commit < s.barrier || s.applied < s.commit {
		return
	}
	s.inline = true
	s.log.Info("serving writes", "epoch", s.meta.Epoch, "from", s.applied+1)
	s.advance()
}

// applySerial applies those of the records that pick (if not nil) chooses.
func (s *Server) applySerial(to *store, batch []frame, pick func(key []byte) bool) {
	var args [][]byte
	for _, f := range batch {
		r, err := f.decode(args)
		if err != nil {
			panic(fmt.Sprintf("record %d was checked and is damaged: %v", f.index(), err))
		}
		args = r.args
		if pick != nil && !pick(r.key) {
			continue
		}
		burn(s.opts.ReplayCost)
		s.bugs.replay(to, f, &r)
	}
}

// applyParallel applies a batch by key: the records of one key stay in order.
func (s *Server) applyParallel(to *store, batch []frame) {
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			s.applySerial(to, batch, func(key []byte) bool { return to.shardOf(key)%workers == w })
		})
	}
	wg.Wait()
}
