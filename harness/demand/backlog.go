// Package demand knows what was asked of a load and what came of it: which
// operations are late, what becomes of these, and whose doing it is. It is pure:
// all times are handed in, as readings of the run's clock.
package demand

import (
	"math/bits"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

const lateBound = int64(history.LateBound)

// Backlog is what one worker does about operations that it is late with, and
// what it remembers of them. One goroutine uses it.
type Backlog struct {
	// Skip has operations given up that are late; otherwise they are sent, no
	// sooner after each other than Gap says.
	Skip bool
	// Gap is the least time between two late operations, of one that had been
	// intended so long after the load's start; nil or 0: no bound.
	Gap func(at int64) int64

	sent    int64  // when the last operation was sent
	held    int64  // until when the next was held back; 0: it was not
	course  Course // of a worker that does one operation after the other
	own     lateness
	dropped []drop
}

// drop is a row of operations that were given up at one time.
type drop struct {
	first, next uint64 // of the worker's numbers
	at          int64
}

// dropsKept bounds the rows that one worker remembers by themselves.
const dropsKept = 4096

// Late tells whether an operation is late enough to be held back or given up.
func Late(intended, now int64) bool { return now-intended > lateBound }

// Hold is until when a late operation has to wait so that the backlog is not sent
// in one burst. at is how long after the load's start it had been intended.
func (b *Backlog) Hold(at int64) int64 {
	if b.Gap != nil {
		b.held = b.sent + b.Gap(at)
	}
	return b.held
}

// Drop gives up the operations from n on that are late, of a load that began at
// start, and returns the number of the first that is not.
func (b *Backlog) Drop(p pace.Pacer, n uint64, start, now int64) uint64 {
	return b.give(n, pace.Skip(p, n, now-lateBound-start), now)
}

// Begin gives up, at a time, the operations from n on that had been intended before
// the measured phase, which has begun: those of the warm-up are in nobody's way.
func (b *Backlog) Begin(p pace.Pacer, n uint64, start, measure, now int64) uint64 {
	return b.give(n, pace.Skip(p, n, measure-start), now)
}

func (b *Backlog) give(n, next uint64, now int64) uint64 {
	if last := len(b.dropped) - 1; last+1 >= dropsKept {
		b.dropped[last].next = next // when it was given up is then when the first of them was
		return next
	}
	b.dropped = append(b.dropped, drop{n, next, now})
	return next
}

// Sent takes that an operation was sent at a time, and, if it counts, by how much
// the harness itself was late with it.
func (b *Backlog) Sent(intended, now int64, counts bool) { b.SentOn(&b.course, intended, now, counts) }

// Busy takes for how long the system kept the worker after it had sent.
func (b *Backlog) Busy(ns int64) { b.course.Busy(ns) }

// SentOn is Sent for a worker that has several operations under way, each on a
// course of its own. It sends on the course that has been free for longest.
func (b *Backlog) SentOn(c *Course, intended, now int64, counts bool) {
	own := c.begin(intended, now, b.held)
	if b.sent, b.held = now, 0; counts {
		b.own.record(own)
	}
}

// Course is what the same worker would have done had the harness never been late:
// it sends an operation when that is intended or, if it is later, when the system
// had answered the one before (Lindley, The theory of queues with a single server,
// 1952). What it really sent later than that is the harness's own doing, also
// where one late start puts off those behind it.
//
// What a client takes between an answer and its next operation is no lateness, or
// it would add up to any length where the system never lets it come to rest.
type Course struct {
	sent, free int64
	began      int64 // when the last operation was really sent
	really     int64 // when the worker was free
}

// Busy takes for how long the system kept the course's operation after it was sent.
func (c *Course) Busy(ns int64) { c.free, c.really = c.sent+ns, c.began+ns }

// KeptUntil takes that the system kept the whole worker until some time.
func (c *Course) KeptUntil(t int64) { c.free, c.really = max(c.free, t), max(c.really, t) }

// grain is the most that a client may take between two operations.
const grain = int64(time.Millisecond)

// begin sends an operation, which the bound of catching up has held back until
// some time, and returns how much later than it could have that was.
func (c *Course) begin(intended, now, held int64) (late int64) {
	at := max(intended, c.free)
	if at-intended > lateBound {
		at = max(at, held)
		if took := now - max(intended, c.really, held); took <= grain {
			at += max(took, 0)
		}
	}
	c.sent, c.began = min(at, now), now
	return now - c.sent
}

// lateness counts times by their length, an eighth apart. It has room for all
// that there are.
type lateness struct {
	counts [64 * 8]uint32
	late   int64
	max    int64
}

func (l *lateness) record(ns int64) {
	l.counts[bucket(ns)]++
	if ns > lateBound {
		l.late++
	}
	l.max = max(l.max, ns)
}

// bucket is the place of a time: its highest bit and the three bits behind it.
func bucket(ns int64) int {
	if ns < 8 {
		return int(max(ns, 0))
	}
	high := bits.Len64(uint64(ns)) - 1
	return (high-2)*8 + int(ns>>(high-3))&7
}

// above is the least time that a bucket has not.
func above(bucket int) int64 {
	if bucket < 8 {
		return int64(bucket) + 1
	}
	high := bucket/8 + 2
	return (int64(bucket%8) + 9) << (high - 3)
}
