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
// collects what they record and hands it every 250 ms or sooner to another, which
// sorts, compresses and writes it, so that a SIGKILL loses that much, and nothing
// of it twice. Workers in the middle of a long call need not do anything for that:
// the collector looks into their buffers.
type Recorder struct {
	pool   *pool
	tap    func([]Op)
	file   io.WriteCloser
	out    *encoder
	stop   chan struct{}
	failed chan error
	asked  chan chan struct{} // to write at once

	// Two batches go around: one is filled while the other is written.
	full  chan handed
	empty chan *batch

	once       sync.Once
	goroutines sync.WaitGroup
	closeErr   error

	// Of the collector only.
	pending *batch
	chunks  []*chunk

	err error // the first, of the writer only; nothing is written after it
}

// batch is what was collected and is not written yet.
type batch struct {
	ops      []Op
	elements []int64 // arena of ops
}

// handed is a batch on its way to the file, and whom to tell when it is there.
type handed struct {
	batch   *batch
	written chan struct{} // nil: nobody
}

// NewRecorder creates the file, which must not exist, and starts recording.
// tap, unless nil, is called with every stretch of operations on the collector's
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
	r := &Recorder{pool: newPool(), tap: tap, file: file, out: out, stop: make(chan struct{}), failed: make(chan error, 1), asked: make(chan chan struct{}),
		full: make(chan handed), empty: make(chan *batch, 1), pending: new(batch)}
	r.empty <- new(batch)
	r.goroutines.Go(r.collector)
	r.goroutines.Go(r.writer)
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
		r.goroutines.Wait()
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

// collector is the goroutine that takes what the workers record.
func (r *Recorder) collector() {
	defer close(r.full)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.pool.ready:
			r.collect(false)
		case <-tick.C:
			r.collect(true)
			r.hand(nil)
		case done := <-r.asked:
			r.collect(true)
			r.hand(done)
		case <-r.stop:
			r.collect(true)
			r.hand(nil)
			return
		}
	}
}

// hand gives what is pending to the writer, as soon as that has written what it got
// before.
func (r *Recorder) hand(written chan struct{}) {
	if len(r.pending.ops) == 0 && written == nil {
		return
	}
	r.full <- handed{r.pending, written}
	r.pending = <-r.empty
}

// writer is the goroutine that writes to the file.
func (r *Recorder) writer() {
	for h := range r.full {
		r.write(h.batch)
		if h.written != nil {
			close(h.written)
		}
		r.empty <- h.batch
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
	b := r.pending
	first := len(b.ops)
	b.ops = append(b.ops, c.ops[c.taken:n]...)
	c.taken = n
	added := b.ops[first:]
	if r.tap != nil {
		r.tap(added)
	}
	for i := range added {
		if op := &added[i]; len(op.Elements) > 0 {
			from := len(b.elements)
			b.elements = append(b.elements, op.Elements...)
			op.Elements = b.elements[from:len(b.elements):len(b.elements)]
		}
	}
	if len(b.ops) >= batchOps || len(b.elements) >= batchElements {
		r.hand(nil)
	}
}

// write writes a batch and empties it.
func (r *Recorder) write(b *batch) {
	if r.err == nil && len(b.ops) > 0 {
		if r.err = r.out.write(b.ops); r.err != nil {
			r.failed <- r.err
		}
	}
	clear(b.ops)
	b.ops, b.elements = b.ops[:0], b.elements[:0]
	if cap(b.elements) > 2*batchElements {
		b.elements = nil
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
