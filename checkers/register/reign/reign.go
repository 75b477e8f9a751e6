// Package reign tells from the events of a run who was the primary when, and
// until when acknowledged writes could be lost; and, of one register in one
// pass, which of its acknowledged writes may have been.
package reign

import (
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// Reigns are what the events tell.
//
// A window is a time in which the system may forget what it has acknowledged: a
// fault that can take the primary away or its state, a change of roles, a server
// that ends, a node that is pointed to another primary and gives its own history
// up for it, two primaries at once. A write can be lost in every window that ends
// after the write began. A calm is a time without any.
//
// A life is a time for which a node was the primary and went on from what it had:
// it was not restarted, did not change its role and was not pointed to another
// primary. What it acknowledges, or shows, is in its log from then on, until the
// life ends. Where there are no primaries, a calm is a life of each node.
//
// It is presumed that replicas refuse writes; those that pass them on are not led by
// an operator, and do not cease to be the primary unseen just before a fault hits them.
//
// Everything whose instant is not certain is taken on the unsafe side: an
// operation belongs to a life, or to a calm, only if it certainly does.
type Reigns struct {
	Known bool  // the events tell of roles; if not, nothing else is known
	Last  int64 // end of the last window: Beginning without any, Never if it does not end

	windows []Window // in order of End
	lives   [][]life // by node, in order
	calms   []kit.Stretch
	final   int32 // the life that begins no later than Last ends and lasts; none
	peers   bool  // there are no primaries
	led     bool  // by an operator, and so replicas refuse writes
}

// Window is one in which writes may be lost.
type Window struct {
	Begin, End int64
	Text       string // "the failover at 9.000s"
	failover   bool
}

// life is one of a node. Nobody but a primary takes writes, so that one that was
// taken is of the life that had not ended by what is known. Reads anybody answers:
// of the life are only those until the node last said that it was the primary.
type life struct {
	from, to int64
	said     int64
	id       int32

	begin, until int64 // it did not begin before, and does not go on after
	process      int   // of the node's servers, one after the other, as far as their ends are known
	died         int64 // when a fault killed that server at once, and kept it down until then; Never: none did
}

// Place is where an operation belongs: its life and its calm, None for neither.
type Place struct{ Life, Calm int32 }

// Place finds the place of an operation. What a node was asked in one life it does
// not carry out in another, for what ends a life breaks its connections. One that
// was not answered has no calm, for it may be carried out later.
func (r *Reigns) Place(op *history.Op) Place {
	from, to := kit.From(op), kit.Until(op)
	read := op.Kind == history.Read || op.Outcome == history.Fail
	p := Place{r.life(int(op.Node), from, to, read), kit.None}
	if p.Life == kit.None && !read && op.Outcome == history.OK {
		if id, by := r.taken(int(op.Node), from, to); to < by {
			p.Life = id
		}
	}
	if op.Outcome != history.Unknown {
		p.Calm = r.calm(from, to)
	}
	return p
}

func (r *Reigns) life(node int, from, to int64, read bool) int32 {
	if r.peers {
		c := r.calm(from, to)
		if c == kit.None || node < 0 {
			return kit.None
		}
		return c<<8 | int32(node)
	}
	if node < 0 || node >= len(r.lives) {
		return kit.None
	}
	lives := r.lives[node]
	i := sort.Search(len(lives), func(i int) bool { return lives[i].to >= to })
	if i == len(lives) || lives[i].from > from || read && lives[i].said < to {
		return kit.None
	}
	return lives[i].id
}

// taken is the life in which a node carried out a write that it was sent at an
// instant and that nobody waited for any more at another, if it did before by: when
// it could have become the primary again. Who is
// no primary of what an operator leads refuses writes, so that it is the life that had certainly begun then
// and cannot have been over. It is none if there is no such life. What a server was
// sent, the next one that is started cannot know of, unless the sender was still
// connecting. Where replicas may pass writes on, a node that was the primary until
// its server was killed passed on none of what was given up before it was started again.
func (r *Reigns) taken(node int, sent, given int64) (id int32, by int64) {
	if node < 0 || node >= len(r.lives) {
		return kit.None, 0
	}
	lives := r.lives[node]
	if !r.led {
		i := sort.Search(len(lives), func(i int) bool { return lives[i].to >= sent })
		if i < len(lives) && lives[i].from <= sent && lives[i].died <= lives[i].to && sent <= lives[i].died && given < lives[i].until {
			return lives[i].id, kit.Never
		}
		return kit.None, 0
	}
	next := sort.Search(len(lives), func(i int) bool { return lives[i].from > sent })
	if next == 0 || sent > lives[next-1].until {
		return kit.None, 0
	}
	mine := &lives[next-1]
	for i := next; i < len(lives); i++ {
		if lives[i].process == mine.process || lives[i].begin <= given {
			return mine.id, lives[i].begin
		}
	}
	return mine.id, kit.Never
}

func (r *Reigns) calm(from, to int64) int32 {
	i := sort.Search(len(r.calms), func(i int) bool { return r.calms[i].End >= to })
	if i == len(r.calms) || r.calms[i].Begin > from {
		return kit.None
	}
	return int32(i)
}

// After is the first failover to end after an instant, or if there is none the first
// window: that in which a write begun then could first be lost. It is nil if there is
// none either.
func (r *Reigns) After(at int64) *Window {
	i := sort.Search(len(r.windows), func(i int) bool { return r.windows[i].End > at })
	for j := i; j < len(r.windows); j++ {
		if r.windows[j].failover {
			return &r.windows[j]
		}
	}
	if i == len(r.windows) {
		return nil
	}
	return &r.windows[i]
}

// Final tells whether a life is that of the primary which the run ends with, and
// to which no other can come any more: its log is what is left of the system.
func (r *Reigns) Final(life int32) bool { return life != kit.None && life == r.final }

// Primaries tells whether the system has primaries.
func (r *Reigns) Primaries() bool { return r.Known && !r.peers }
