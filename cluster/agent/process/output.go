package process

import (
	"context"
	"fmt"
	"sync"
)

// outputRing keeps the last bytes of the server's output. Writers
// never wait for readers; a reader that falls behind gets a note of how much it
// missed.
type outputRing struct {
	mu     sync.Mutex
	buf    []byte // buf[i%len(buf)] is byte i of the stream
	end    uint64 // bytes ever written
	closed bool
	more   chan struct{} // closed and replaced at each write, closed at close
}

func newOutputRing(size int) *outputRing {
	return &outputRing{buf: make([]byte, size), more: make(chan struct{})}
}

// Write keeps p; it never fails.
func (r *outputRing) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(p) == 0 {
		return len(p), nil
	}
	size := uint64(len(r.buf))
	kept := p
	if uint64(len(p)) > size {
		kept = p[uint64(len(p))-size:]
	}
	r.end += uint64(len(p))
	start := (r.end - uint64(len(kept))) % size
	n := copy(r.buf[start:], kept)
	copy(r.buf, kept[n:])
	close(r.more)
	r.more = make(chan struct{})
	return len(p), nil
}

// close wakes all readers; when they have read the rest they get ok == false.
func (r *outputRing) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.more)
	}
}

// next waits for bytes from position on, fills p and returns how many, and the
// position after them. A reader whose bytes were overwritten gets a note
// first. ok is false when the ring is closed and all is read, or ctx ended.
func (r *outputRing) next(ctx context.Context, position uint64, p []byte) (n int, after uint64, ok bool) {
	for {
		r.mu.Lock()
		if position < r.end {
			defer r.mu.Unlock()
			size := uint64(len(r.buf))
			if oldest := r.end - min(r.end, size); position < oldest {
				return copy(p, droppedNote(oldest-position)), oldest, true
			}
			from := position % size
			n = copy(p, r.buf[from:min(size, from+r.end-position)])
			return n, position + uint64(n), true
		}
		more, closed := r.more, r.closed
		r.mu.Unlock()
		if closed {
			return 0, position, false
		}
		select {
		case <-more:
		case <-ctx.Done():
			return 0, position, false
		}
	}
}

func droppedNote(n uint64) string {
	return fmt.Sprintf("\n[aftershock: %d bytes of output dropped here]\n", n)
}
