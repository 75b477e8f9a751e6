package engine

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// turns is a lock on one node's processes that is given in the order of the
// planned instants. A turn reserved for an earlier instant is waited for even
// if its owner has not asked for it yet: a short fault's end comes before a
// later fault's begin, though that one's action is sent ahead.
type turns struct {
	mu      sync.Mutex
	taken   bool
	tickets []*ticket // in the order of their turns; at most two for each fault in force
}

// ticket is a reservation of one turn.
type ticket struct {
	at     int64         // planned instant on the clock
	wanted bool          // its owner waits for the turn
	turn   chan struct{} // closed when it is given
}

// reserve reserves a turn for an instant of the clock, after those that were
// reserved for the same one. Every ticket is to be released, acquired or not.
func (q *turns) reserve(at int64) *ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := &ticket{at: at, turn: make(chan struct{})}
	place, _ := slices.BinarySearchFunc(q.tickets, at+1, func(t *ticket, at int64) int { return cmp.Compare(t.at, at) })
	q.tickets = slices.Insert(q.tickets, place, t)
	return t
}

// acquire waits for t's turn; when ctx ends first it releases t and returns
// ctx's error.
func (q *turns) acquire(ctx context.Context, t *ticket) error {
	q.mu.Lock()
	t.wanted = true
	q.grant()
	q.mu.Unlock()
	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
		q.release(t)
		return ctx.Err()
	}
}

// release gives back t's turn, or its reservation. Only the first release of a
// ticket counts.
func (q *turns) release(t *ticket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.tickets, t)
	if at < 0 {
		return
	}
	q.tickets = slices.Delete(q.tickets, at, at+1)
	select {
	case <-t.turn:
		q.taken = false
	default:
	}
	q.grant()
}

// grant gives the turn to the first ticket if it is free and wanted. It is
// called with the mutex.
func (q *turns) grant() {
	if !q.taken && len(q.tickets) > 0 && q.tickets[0].wanted {
		q.taken = true
		close(q.tickets[0].turn)
	}
}
