package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// flushEvery is the longest time that a completed operation stays in
	// memory only.
	flushEvery = 250 * time.Millisecond
	// batchOps is how many operations make a batch before its time.
	batchOps = 1 << 15
	// batchElements likewise.
	batchElements = 1 << 20
)

// ErrUnflushed is wrapped by Recorder.Close's error when a worker has not
// flushed its Buffer: its last operations may be missing.
var ErrUnflushed = errors.New("a worker was still recording when the history was closed")

// Recorder writes a run's history. Each worker has a Buffer; one goroutine
// collects what they record and writes it to the file every 250 ms or sooner,
// so that a SIGKILL loses that much, and nothing of it twice. Workers in the
// middle of a long call need not do anything for that: the goroutine looks into
// their buffers.
type Recorder struct {
	pool   *pool
	tap    func([]Op)
	file   io.WriteCloser
	out    *encoder
	stop   chan struct{}
	failed chan error
	asked  chan chan struct{} // to write at once

	once     sync.Once
	writer   sync.WaitGroup
	closeErr error

	// Of the writer only.
	pending  []Op    // collected, not yet written
	elements []int64 // arena of pending
	chunks   []*chunk
	err      error // the first; nothing is written after it
}

// NewRecorder creates the file, which must not exist, and starts recording.
// tap, unless nil, is called with every stretch of operations on the recorder's
// goroutine; the slice is valid during the call only, and a slow tap stalls the
// workers. Close must be called.
func NewRecorder(path string, meta Meta, tap func(ops []Op)) (*Recorder, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create the history: %w", err)
	}
	return newRecorder(file, meta, tap)
}

func newRecorder(file io.WriteCloser, meta Meta, tap func(ops []Op)) (*Recorder, error) {
	out, err := newEncoder(file, meta)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r := &Recorder{pool: newPool(), tap: tap, file: file, out: out, stop: make(chan struct{}), failed: make(chan error, 1), asked: make(chan chan struct{})}
	r.writer.Go(r.run)
	return r, nil
}

// Buffer returns a new worker's buffer.
func (r *Recorder) Buffer() *Buffer { return r.pool.buffer() }

// Failed delivers the error of the first write that failed (a full disk). The
// recorder goes on taking operations, and calls the tap, but records no more.
func (r *Recorder) Failed() <-chan error { return r.failed }

// Stalls is how often and for how long, over all workers, Append has had to wait
// because the file could not keep up. The benchmarks subtract it from what a
// worker spends on an operation.
func (r *Recorder) Stalls() (count uint64, waited time.Duration) {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	return r.pool.stalls, r.pool.stalled
}

// Flush returns when all that was recorded before it was called is in the file, or the
// recorder is closed.
func (r *Recorder) Flush() {
	done := make(chan struct{})
	select {
	case r.asked <- done:
		<-done
	case <-r.stop:
	}
}

// Sync has the disk keep what was written so far; that of the last flushEvery
// may still be in memory.
func (r *Recorder) Sync() error { return syncFile(r.file) }

// syncFile syncs a file; what is none, as in tests, needs no sync.
func syncFile(w io.Writer) error {
	if file, ok := w.(interface{ Sync() error }); ok {
		if err := file.Sync(); err != nil {
			return fmt.Errorf("sync the history: %w", err)
		}
	}
	return nil
}

// Close writes what is left, marks the history complete and closes the file.
// Every worker must have flushed its Buffer before; otherwise what it recorded
// is kept, the history stays unmarked, so that it loads as torn, and the error
// wraps ErrUnflushed. Further calls return the same error.
func (r *Recorder) Close() error {
	r.once.Do(func() {
		held := r.pool.close()
		close(r.stop)
		r.writer.Wait()
		r.closeErr = r.finish(held)
	})
	return r.closeErr
}

func (r *Recorder) finish(held int) error {
	err := r.err
	if held > 0 {
		err = errors.Join(err, fmt.Errorf("%w (%d of them)", ErrUnflushed, held))
	}
	if err == nil {
		err = errors.Join(r.out.end(), syncFile(r.file))
	}
	if closeErr := r.file.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close the history: %w", closeErr))
	}
	return err
}

// run is the writer's goroutine.
func (r *Recorder) run() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.pool.ready:
			r.collect(false)
		case <-tick.C:
			r.collect(true)
			r.write()
		case done := <-r.asked:
			r.collect(true)
			r.write()
			close(done)
		case <-r.stop:
			r.collect(true)
			r.write()
			return
		}
	}
}

// collect takes the full chunks' operations and, with held, those of the chunks
// that are still being filled.
func (r *Recorder) collect(held bool) {
	var full int
	r.chunks, full = r.pool.pull(r.chunks[:0], held)
	for _, c := range r.chunks[:full] {
		r.add(c)
		c.reset()
	}
	r.pool.recycle(r.chunks[:full])
	for _, c := range r.chunks[full:] {
		r.add(c)
	}
}

// add copies what is new in a chunk.
func (r *Recorder) add(c *chunk) {
	n := c.published.Load()
	if c.taken == n {
		return
	}
	first := len(r.pending)
	r.pending = append(r.pending, c.ops[c.taken:n]...)
	c.taken = n
	added := r.pending[first:]
	if r.tap != nil {
		r.tap(added)
	}
	for i := range added {
		if op := &added[i]; len(op.Elements) > 0 {
			from := len(r.elements)
			r.elements = append(r.elements, op.Elements...)
			op.Elements = r.elements[from:len(r.elements):len(r.elements)]
		}
	}
	if len(r.pending) >= batchOps || len(r.elements) >= batchElements {
		r.write()
	}
}

// write writes the pending operations.
func (r *Recorder) write() {
	if len(r.pending) == 0 {
		return
	}
	if r.err == nil {
		if r.err = r.out.write(r.pending); r.err != nil {
			r.failed <- r.err
		}
	}
	clear(r.pending)
	r.pending, r.elements = r.pending[:0], r.elements[:0]
	if cap(r.elements) > 2*batchElements {
		r.elements = nil
	}
}

// Save writes a whole log to a new file at path, without its events; a torn
// log stays torn. It sorts log.Ops. A run records through a Recorder instead;
// Save makes the histories of tests.
func Save(path string, log *Log) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("create the history: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close the history: %w", closeErr)
		}
	}()
	out, err := newEncoder(file, log.Meta)
	if err != nil {
		return err
	}
	if err := out.write(log.Ops); err != nil {
		return err
	}
	if log.Torn {
		return nil
	}
	return out.end()
}
