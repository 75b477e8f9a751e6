package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Server is one node.
//
// The whole log is also held in memory, as the frames that are on disk: the
// node's memory grows with what is written during its life, which is bounded
// by a run. Nothing else in it grows: waiting writes, connections' buffers and
// the retries are bounded.
//
// Locks are taken in the order walMu, applyMu, mu. Only mu is taken per
// operation, and no I/O happens under it but the saving of a changed role.
type Server struct {
	opts      Options
	log       *slog.Logger
	bugs      *mischief
	slow      *throttle
	greetsOld atomic.Bool // see greeting
	start     time.Time   // base of the node's monotonic times
	ln        net.Listener

	walMu    sync.Mutex // the file's end: appending, truncating
	wal      *wal
	commitAt *markFile // sync mode: how far the state may be rebuilt at a restart
	syncedAt *markFile // the defect lose-unsynced

	applyMu sync.Mutex // held while records are applied outside mu
	store   atomic.Pointer[store]

	mu   sync.Mutex
	meta meta
	gen  uint64 // changes with role, epoch or primary: sessions of an older one end

	frames  []frame      // the log; frames[i] has index i+1
	epochs  []epochStart // where each epoch begins in it
	written uint64       // in the file
	durable uint64       // logged, as the fsync mode defines it
	commit  uint64       // never taken back within an epoch; visible once applied
	applied uint64

	inline  bool      // a primary that has applied all it must: it serves, and applies under mu
	barrier uint64    // a primary serves once this much is committed
	quiet   time.Time // a primary does not serve before: another one may hold a read lease
	heard   time.Time // the last heartbeat of a primary

	args     [][]byte  // reused for decoding under mu
	waiters  []*waiter // in order of their index
	replicas map[string]*replicaState
	upstream *upstream // a replica's session with its primary, once it has begun
	// endSession ends the session at any stage, also while it is dialling.
	endSession context.CancelFunc

	conns  map[net.Conn]struct{}
	failed error
	closed bool

	wakeWriter   chan struct{}
	wakeApplier  chan struct{}
	wakeFollower chan struct{}
	ctx          context.Context // ends with the node
	cancel       context.CancelFunc
	wg           sync.WaitGroup
	done         chan struct{} // closed when the node has failed or was closed
	stopOnce     sync.Once
}

// epochStart is one entry of the log's epoch history.
type epochStart struct{ epoch, first uint64 }

// New opens the data directory and rebuilds the node as it was. Start makes it
// serve; Close must be called in any case.
func New(o Options) (*Server, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	bugs, err := newMischief(&o)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, log: o.Logger.With("node", o.Name), bugs: bugs, slow: newThrottle(o.Capacity, o.Slow), start: time.Now(),
		replicas: make(map[string]*replicaState), conns: make(map[net.Conn]struct{}),
		wakeWriter: make(chan struct{}, 1), wakeApplier: make(chan struct{}, 1), wakeFollower: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.endSession = func() {}
	if err := s.load(); err != nil {
		s.cancel()
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

// load restores the log, the role and the state from the data directory.
func (s *Server) load() error {
	var err error
	if s.wal, s.frames, err = openWAL(s.opts.Data, s.bugs.has(bugUnsyncedRename)); err != nil {
		return err
	}
	var committed, synced uint64
	if s.commitAt, committed, err = openMark(filepath.Join(s.opts.Data, "commit")); err != nil {
		return err
	}
	if s.bugs.has(bugLoseUnsynced) {
		if s.syncedAt, synced, err = openMark(filepath.Join(s.opts.Data, "synced")); err != nil {
			return err
		}
		if err := s.loseUnsynced(int64(synced)); err != nil {
			return err
		}
	}
	if s.syncsNames() {
		if err := syncDir(s.opts.Data); err != nil {
			return err
		}
	}
	restarted := false
	if s.meta, restarted, err = loadMeta(s.opts.Data); err != nil {
		return err
	}
	last := uint64(len(s.frames))
	s.written, s.durable = last, last
	for _, f := range s.frames {
		s.noteEpoch(f)
	}
	if s.opts.Replication == Sync {
		s.commit = min(committed, last)
	} else {
		s.commit = last
	}
	s.barrier = last
	s.rebuild(s.commit)
	if restarted && s.meta.Role == Replica {
		s.heard = s.start // it may have granted a read lease just before it died
	}
	return nil
}

// syncsNames tells whether the names of files are made durable as well as what is in
// them.
func (s *Server) syncsNames() bool {
	return s.opts.Fsync != FsyncNever
}

// keepMeta saves what the node must not forget.
func (s *Server) keepMeta(m meta) error {
	return m.save(s.opts.Data, s.opts.Fsync != FsyncNever, s.syncsNames())
}

// loseUnsynced is the defect: it cuts the log to the records that the last
// fsync covered.
func (s *Server) loseUnsynced(synced int64) error {
	end, n := int64(len(magic)), 0
	for n < len(s.frames) && end+int64(len(s.frames[n])) <= synced {
		end += int64(len(s.frames[n]))
		n++
	}
	s.frames = s.frames[:n]
	return s.wal.truncate(end)
}

// noteEpoch adds a record to the epoch history.
func (s *Server) noteEpoch(f frame) {
	if n := len(s.epochs); n == 0 || s.epochs[n-1].epoch != f.epoch() {
		s.epochs = append(s.epochs, epochStart{f.epoch(), f.index()})
	}
}

// rebuild makes the state of the log's first n records, without replay cost.
func (s *Server) rebuild(n uint64) {
	fresh := newStore()
	var args [][]byte
	for _, f := range s.frames[:n] {
		r, err := f.decode(args)
		if err != nil {
			panic(fmt.Sprintf("record %d was checked and is damaged: %v", f.index(), err))
		}
		fresh.apply(&r)
		args = r.args
	}
	s.bugs.forgetHeld()
	s.store.Store(fresh)
	s.applied = n
}

// Start listens and starts the node's goroutines. It serves in the role that
// it had; a fresh node is a replica without a primary.
func (s *Server) Start() error {
	ln, err := net.Listen("tcp", s.opts.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s (is another node there? choose another --listen): %w", s.opts.Listen, err)
	}
	s.Serve(ln)
	return nil
}

// Serve is Start on a listener of the caller's, which the node then owns.
func (s *Server) Serve(ln net.Listener) {
	s.ln = ln
	s.log.Info("starting", "addr", ln.Addr().String(), "role", string(s.meta.Role), "epoch", s.meta.Epoch, "records", len(s.frames))
	s.wg.Go(s.acceptLoop)
	s.wg.Go(s.writeLoop)
	s.wg.Go(s.applyLoop)
	s.wg.Go(s.followLoop)
	if s.opts.Fsync == FsyncInterval {
		s.wg.Go(s.fsyncLoop)
	}
	for name, addr := range s.opts.Peers {
		s.wg.Go(func() { s.announceLoop(name, addr) })
	}
	s.mu.Lock()
	s.advance()
	s.mu.Unlock()
	poke(s.wakeApplier)
}

// Addr is the listener's address; Start must have succeeded.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Done is closed when the node has failed or was closed; Err tells why.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is why the node failed; nil if it did not.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// fail ends a node that cannot go on, such as when its disk is full. It does
// not wait for the node's goroutines, since it is called by them.
func (s *Server) fail(err error) {
	s.mu.Lock()
	if s.failed == nil && !s.closed {
		s.failed = err
		s.log.Error("the node stops", "err", err)
	}
	s.mu.Unlock()
	s.stop()
}

// stop ends every goroutine and waiter.
func (s *Server) stop() {
	s.stopOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.dropWaiters()
		conns := s.conns
		s.conns = nil
		s.mu.Unlock()
		s.cancel()
		if s.ln != nil {
			_ = s.ln.Close() // it is closed either way
		}
		for c := range conns {
			_ = c.Close()
		}
		close(s.done)
	})
}

// Close stops the node, writes what is still in memory and syncs the log.
func (s *Server) Close() error {
	s.stop()
	s.wg.Wait()
	s.walMu.Lock()
	defer s.walMu.Unlock()
	var err error
	if s.Err() == nil && s.wal.file != nil {
		err = s.flush()
		if err == nil {
			err = s.syncLog()
		}
	}
	return errors.Join(err, s.closeFiles())
}

// Abort stops the node as a kill would: nothing more is written.
func (s *Server) Abort() error {
	s.stop()
	s.wg.Wait()
	return s.closeFiles()
}

func (s *Server) closeFiles() error {
	var errs []error
	if s.wal != nil {
		errs = append(errs, s.wal.close())
	}
	for _, m := range []*markFile{s.commitAt, s.syncedAt} {
		if m != nil {
			errs = append(errs, m.file.Close())
		}
	}
	err := errors.Join(errs...)
	if errors.Is(err, fs.ErrClosed) || errors.Is(err, os.ErrClosed) {
		return nil // closed before
	}
	return err
}

// track adds a connection to those that stop closes; false if the node stops.
func (s *Server) track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) untrack(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close() // closing twice is harmless
}

// poke wakes the goroutine behind a channel of capacity one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
