package agent

import (
	"context"
	"sync"
)

// exitLog numbers the server's exits and keeps the last of them for a harness
// that reads late or lost its connection.
type exitLog struct {
	mu     sync.Mutex
	keep   int
	first  int // number of the oldest kept
	list   []exitReply
	closed bool
	more   chan struct{}
}

func newExitLog(keep int) *exitLog { return &exitLog{keep: keep, more: make(chan struct{})} }

func (l *exitLog) add(e exitReply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	e.Seq = l.first + len(l.list)
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

// next waits for exit number seq, or the oldest kept after it. ok is false
// when there will be none, or ctx ended.
func (l *exitLog) next(ctx context.Context, seq int) (e exitReply, ok bool) {
	for {
		l.mu.Lock()
		if i := max(0, seq-l.first); i < len(l.list) {
			defer l.mu.Unlock()
			return l.list[i], true
		}
		more, closed := l.more, l.closed
		l.mu.Unlock()
		if closed {
			return exitReply{}, false
		}
		select {
		case <-more:
		case <-ctx.Done():
			return exitReply{}, false
		}
	}
}
