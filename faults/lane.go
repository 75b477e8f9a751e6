package faults

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// lane is the state of one node's processes as the engine brought it about.
// Whoever holds the turn may read and change it. Turns are given in the order
// of the planned instants, and what is announced for an earlier instant is
// waited for: a short fault's end comes before a later fault's begin, though
// that one's action is sent ahead.
type lane struct {
	down   int  // faults that want the server down
	paused int  // faults that want it paused
	killed bool // it was killed or stopped and not yet started again
	frozen bool // it was paused and not yet resumed

	mu      sync.Mutex
	busy    bool
	tickets []*ticket // in the order of their turns; at most two for each fault in force
}

// ticket is a claim to one turn of a lane.
type ticket struct {
	at     int64         // planned instant on the clock
	wanted bool          // its owner waits for the turn
	turn   chan struct{} // closed when it is given
}

// announce claims a turn for an instant of the clock, after those that were
// announced for the same one. Every ticket is later taken or withdrawn.
func (l *lane) announce(at int64) *ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &ticket{at: at, turn: make(chan struct{})}
	place, _ := slices.BinarySearchFunc(l.tickets, at+1, func(t *ticket, at int64) int { return cmp.Compare(t.at, at) })
	l.tickets = slices.Insert(l.tickets, place, t)
	return t
}

// take waits for t's turn, or gives it up with ctx. A turn is given back by
// withdraw.
func (l *lane) take(ctx context.Context, t *ticket) error {
	l.mu.Lock()
	t.wanted = true
	l.grant()
	l.mu.Unlock()
	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
		l.withdraw(t)
		return ctx.Err()
	}
}

// withdraw gives back t's turn, or its claim to one. Only the first withdrawal
// of a ticket counts.
func (l *lane) withdraw(t *ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.tickets, t)
	if at < 0 {
		return
	}
	l.tickets = slices.Delete(l.tickets, at, at+1)
	select {
	case <-t.turn:
		l.busy = false
	default:
	}
	l.grant()
}

// grant gives the turn to the first ticket if it is free and wanted.
func (l *lane) grant() {
	if !l.busy && len(l.tickets) > 0 && l.tickets[0].wanted {
		l.busy = true
		close(l.tickets[0].turn)
	}
}
