package process

import (
	"context"
	"sync"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// exitLog numbers the server's exits and keeps the last of them for a harness
// that reads late or lost its connection.
type exitLog struct {
	mu     sync.Mutex
	keep   int
	first  int // number of the oldest kept
	list   []cluster.Exit
	closed bool
	more   chan struct{} // closed and replaced at each exit, closed at close
}

func newExitLog(keep int) *exitLog { return &exitLog{keep: keep, more: make(chan struct{})} }

func (l *exitLog) add(e cluster.Exit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.list = append(l.list, e)
	if len(l.list) > l.keep {
		l.list = append(l.list[:0], l.list[1:]...)
		l.first++
	}
	close(l.more)
	l.more = make(chan struct{})
}

func (l *exitLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.more)
	}
}

// next waits for exit number seq, or the oldest kept after it, and returns its
// number too. ok is false when there will be none any more, or ctx ended.
func (l *exitLog) next(ctx context.Context, seq int) (e cluster.Exit, number int, ok bool) {
	for {
		l.mu.Lock()
		if i := max(0, seq-l.first); i < len(l.list) {
			defer l.mu.Unlock()
			return l.list[i], l.first + i, true
		}
		more, closed := l.more, l.closed
		l.mu.Unlock()
		if closed {
			return cluster.Exit{}, 0, false
		}
		select {
		case <-more:
		case <-ctx.Done():
			return cluster.Exit{}, 0, false
		}
	}
}
