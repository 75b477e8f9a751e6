package server

import (
	"net"
	"sync"
	"testing"
)

// link forwards one node's connections to another, until it is cut: then it
// swallows what comes, as a network that drops packets does.
type link struct {
	t  *testing.T
	ln net.Listener
	to string
	wg sync.WaitGroup

	mu     sync.Mutex
	isCut  bool
	mended *sync.Cond
	closed bool
	conns  map[net.Conn]struct{}
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, ln: ln, to: to, conns: make(map[net.Conn]struct{})}
	l.mended = sync.NewCond(&l.mu)
	l.wg.Go(l.accept)
	return l
}

func (l *link) addr() string { return l.ln.Addr().String() }

func (l *link) accept() {
	for {
		near, err := l.ln.Accept()
		if err != nil {
			return
		}
		l.wg.Go(func() { l.forward(near) })
	}
}

func (l *link) forward(near net.Conn) {
	if !l.add(near) || !l.pass() {
		_ = near.Close()
		return
	}
	far, err := net.Dial("tcp", l.to)
	if err != nil || !l.add(far) {
		_ = near.Close()
		if err == nil {
			_ = far.Close()
		}
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.copy(far, near) })
	both.Go(func() { l.copy(near, far) })
	both.Wait()
	l.mu.Lock()
	delete(l.conns, near)
	delete(l.conns, far)
	l.mu.Unlock()
}

func (l *link) copy(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !l.pass() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *link) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

// pass waits until the link is whole; false when it is closed.
func (l *link) pass() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.isCut && !l.closed {
		l.mended.Wait()
	}
	return !l.closed
}

// connections is how many connections are open.
func (l *link) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

func (l *link) cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = cut
	l.mended.Broadcast()
}

func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mended.Broadcast()
	l.mu.Unlock()
	_ = l.ln.Close()
	l.wg.Wait()
}
