package history

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// chunkOps is how many operations a worker records between two visits to
	// the shared pool.
	chunkOps = 512
	// chunkElements is the number of Elements after which a chunk is handed
	// over early, and above which its arena is not kept for the next use.
	chunkElements = 1 << 16
	// chunksPerBuffer bounds the chunks in existence: one being filled, one on
	// its way and one to spare per Buffer.
	chunksPerBuffer = 3
)

// chunk is a stretch of one worker's operations. The worker fills it from the
// front and publishes its length; the collector may read what is
// published at any time, also while the worker goes on filling.
type chunk struct {
	published atomic.Uint32 // ops[:published] are complete and do not change
	taken     uint32        // ops[:taken] are recorded; of the collector only
	ops       [chunkOps]Op
	elements  []int64 // arena of the ops' Elements; of the worker only
}

// Buffer is one worker's way into the history. It is used by one goroutine.
type Buffer struct {
	pool  *pool
	chunk *chunk // nil: none taken, nothing unflushed
	n     uint32 // length of chunk
}

// Append records a copy of a completed operation; op and its Elements may be
// used again at once. It takes no lock but once in 512 operations, and
// allocates nothing once as many chunks exist as the workers need. When the
// file cannot keep up it blocks: see Recorder.Stalls.
//
// It panics after Recorder.Close: an operation would be missing from a history
// that is marked complete.
func (b *Buffer) Append(op *Op) {
	c := b.chunk
	if c == nil {
		c = b.pool.get()
		b.chunk, b.n = c, 0
	}
	to := &c.ops[b.n]
	*to = *op
	if op.Elements != nil {
		c.keep(to)
	}
	b.n++
	c.published.Store(b.n)
	if b.n == chunkOps || len(c.elements) >= chunkElements {
		b.Flush()
	}
}

// keep copies the operation's Elements into the arena. When the arena moves,
// the elements of earlier operations stay where they were.
func (c *chunk) keep(op *Op) {
	from := len(c.elements)
	c.elements = append(c.elements, op.Elements...)
	op.Elements = c.elements[from:len(c.elements):len(c.elements)]
	if op.Elements == nil {
		op.Elements = []int64{} // an empty set, not an absent one
	}
}

// Flush hands all recorded operations over. Every worker calls it at its end;
// the Buffer can be used again afterwards.
func (b *Buffer) Flush() {
	if b.chunk != nil {
		b.pool.give(b.chunk)
		b.chunk = nil
	}
}

// reset makes the chunk ready for its next use.
func (c *chunk) reset() {
	n := c.published.Load()
	if c.elements != nil {
		for i := range c.ops[:n] {
			c.ops[i].Elements = nil
		}
		c.elements = c.elements[:0]
		if cap(c.elements) > 2*chunkElements {
			c.elements = nil
		}
	}
	c.taken = 0
	c.published.Store(0)
}

// pool is where workers and the recorder's collector exchange chunks.
type pool struct {
	ready chan struct{} // has a token when full is not empty

	mu     sync.Mutex
	freed  sync.Cond           // free has grown
	free   []*chunk            // to be filled
	held   map[*chunk]struct{} // being filled by a worker
	full   []*chunk            // to be recorded, in order of arrival
	made   int
	limit  int // of made
	closed bool

	stalls  uint64
	stalled time.Duration
}

func newPool() *pool {
	p := &pool{ready: make(chan struct{}, 1), held: map[*chunk]struct{}{}}
	p.freed.L = &p.mu
	return p
}

func (p *pool) buffer() *Buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit += chunksPerBuffer
	return &Buffer{pool: p}
}

// get waits for a chunk to fill.
func (p *pool) get() *chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 && p.made == p.limit && !p.closed {
		begin := time.Now()
		for len(p.free) == 0 && !p.closed {
			p.freed.Wait()
		}
		p.stalls++
		p.stalled += time.Since(begin)
	}
	if p.closed {
		panic("history: Append after Recorder.Close")
	}
	var c *chunk
	if n := len(p.free); n > 0 {
		c, p.free = p.free[n-1], p.free[:n-1]
	} else {
		c = new(chunk)
		p.made++
	}
	p.held[c] = struct{}{}
	return c
}

// give hands a chunk over to the collector.
func (p *pool) give(c *chunk) {
	p.mu.Lock()
	delete(p.held, c)
	p.full = append(p.full, c)
	p.mu.Unlock()
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// pull appends the full chunks to dst, of which it tells the new length, and
// then, with held, the chunks that are being filled.
func (p *pool) pull(dst []*chunk, held bool) (chunks []*chunk, full int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dst = append(dst, p.full...)
	full = len(dst)
	p.full = p.full[:0]
	if held {
		for c := range p.held {
			dst = append(dst, c)
		}
	}
	return dst, full
}

// recycle returns recorded chunks to the workers.
func (p *pool) recycle(chunks []*chunk) {
	p.mu.Lock()
	p.free = append(p.free, chunks...)
	p.mu.Unlock()
	p.freed.Broadcast()
}

// close lets no more chunks out and returns how many are still being filled.
func (p *pool) close() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.freed.Broadcast()
	return len(p.held)
}
