// Package link is a worker's connection with several operations under way: one
// goroutine receives the answers and stamps them, the worker takes them when it wants.
package link

import (
	"math/bits"
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// Link is one connection. But for its receiver, one goroutine uses it. Nothing that
// it does for an operation locks or allocates.
type Link struct {
	Node    int
	Retired bool // no operation is to be started any more

	pipe    targets.Pipe
	started []int32 // tags of operations that were started and not flushed yet
	busy    int     // operations under way

	// The receiver writes answers behind head, the worker takes them from tail on.
	answers []answer // a power of two, more than can be under way
	head    atomic.Uint32
	tail    uint32
	gone    atomic.Bool // nothing follows behind head
}

type answer struct {
	tag int32
	end int64
}

// New is a link for up to depth operations, with tags from 0 on.
func New(node int, pipe targets.Pipe, depth int) *Link {
	return &Link{Node: node, pipe: pipe, started: make([]int32, 0, depth), answers: make([]answer, 1<<bits.Len(uint(depth)))}
}

// Receive takes answers until the pipe's end. It sends to wake when some have come,
// unless that is full.
func (k *Link) Receive(clock history.Clock, wake chan<- struct{}) {
	tags, ok := make([]int32, 0, len(k.answers)), true
	for ok {
		tags, ok = k.pipe.Receive(tags[:0])
		now, head := clock.Now(), k.head.Load()
		for i, tag := range tags {
			k.answers[(int(head)+i)&(len(k.answers)-1)] = answer{tag, now}
		}
		k.head.Store(head + uint32(len(tags)))
		if !ok {
			k.gone.Store(true)
		}
		select {
		case wake <- struct{}{}:
		default: // it has been called already
		}
	}
}

// Start hands an operation over; false: it was refused.
func (k *Link) Start(op *history.Op, tag int32) bool {
	if !k.pipe.Start(op, tag) {
		return false
	}
	k.busy++
	k.started = append(k.started, tag)
	return true
}

// Flush sends what was started. It returns the tags of those operations that
// certainly were not sent, as the connection is broken: they are not under way any
// more.
func (k *Link) Flush() (unsent []int32) {
	if len(k.started) == 0 {
		return nil
	}
	n, err := k.pipe.Flush()
	if err != nil {
		_ = k.pipe.Close() // its receiver comes to its end
		k.Retired = true
		unsent = k.started[len(k.started)-n:]
		k.busy -= n
	}
	k.started = k.started[:0]
	return unsent
}

// Take tells of each operation that has ended, and when. It returns whether the
// pipe is at its end: what is under way has no answer, and what Unflushed tells was
// not sent.
func (k *Link) Take(ended func(tag int32, end int64)) (gone bool) {
	gone = k.gone.Load() // before head: nothing comes behind that
	for head := k.head.Load(); k.tail != head; k.tail++ {
		a := k.answers[int(k.tail)&(len(k.answers)-1)]
		k.busy--
		ended(a.tag, a.end)
	}
	return gone
}

// Unflushed is the tags of what was started and certainly not sent.
func (k *Link) Unflushed() []int32 { return k.started }

// Idle tells whether nothing is under way.
func (k *Link) Idle() bool { return k.busy == 0 }

// Close closes the connection; its receiver comes to its end.
func (k *Link) Close() { _ = k.pipe.Close() } // nothing can be done about a failed close
