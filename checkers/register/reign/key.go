package reign

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// Key finds, while the operations on one register come in, in order of their
// starts, the acknowledged writes of which nothing shows that they were not lost.
// The zero Key is one before any operation.
//
// A write is out of danger
//
//   - if it began after the last window;
//   - if another write was acknowledged that certainly came upon it: in the life, or
//     the calm, in which it was acknowledged, or in a life in which a read had shown
//     it, or a compare-and-set of it. What happens to that one is its own matter. Of
//     two at once it is the one that a read in that life shows after both, or the
//     one that is no compare-and-set, if it began after what that replaced;
//   - if a read that began after the last window, in a life, showed it, or an
//     unanswered write that certainly came upon it.
//
// It takes constant time for each operation but for the writes that are in
// danger, of which it keeps the newest few unless it is to keep All.
type Key struct {
	All  bool // keep every write in danger: there is time and room for it
	open []Write
	gone int // acknowledged writes in danger that are not kept
}

// Write is one in danger, or one that was not answered and may have come upon some.
type Write struct {
	Value, Start, End int64
	Place             Place
	Acked             bool
	old               int64 // that a compare-and-set replaced
	replaced          bool  // there is one
	twice             bool  // another write of the same value is in danger too
	oldEnd            int64 // when the write of old had ended; Never: not known
	over              int64 // the latest value that it came upon, if came
	came              bool
	shown             int32 // a life in which a read showed it: the latest that is not its own, if there is one
	from              int64 // by when
	by                int64 // unanswered: who shows it later may have it from another life
	under             int64 // the latest unanswered write that is known to have come upon it, if covered
	covered           bool
}

// room is how many writes are kept.
const room = 24

// Undecided counts the writes in danger.
func (k *Key) Undecided() int {
	n := k.gone
	for i := range k.open {
		if k.open[i].Acked {
			n++
		}
	}
	return n
}

// Bytes is about how much memory it takes besides the Key itself.
func (k *Key) Bytes() uint64 {
	const perWrite = 96
	return uint64(cap(k.open)) * perWrite
}

// First is when the first write in danger that is kept began; Never without any.
func (k *Key) First() int64 {
	for i := range k.open {
		if k.open[i].Acked {
			return k.open[i].Start
		}
	}
	return kit.Never
}

// Each calls do with each acknowledged write in danger that is kept.
func (k *Key) Each(do func(w *Write)) {
	for i := range k.open {
		if k.open[i].Acked {
			do(&k.open[i])
		}
	}
}

// Add takes the next operation.
func (k *Key) Add(r *Reigns, op *history.Op) {
	late := kit.From(op) > r.Last
	if late && len(k.open) == 0 {
		return
	}
	switch op.Kind {
	case history.Read:
		if op.Outcome == history.OK {
			k.see(r, op, op.Value, late)
		}
	case history.Write, history.CAS:
		switch {
		case op.Outcome != history.Fail:
			k.write(r, op, late)
		case op.Kind == history.CAS && op.Flags&history.Seen != 0:
			k.see(r, op, op.Observed, late)
		}
	}
}

func (k *Key) write(r *Reigns, op *history.Op, late bool) {
	w := Write{Value: op.Value, Start: kit.From(op), End: kit.Until(op), Place: r.Place(op), Acked: op.Outcome == history.OK, shown: kit.None, oldEnd: kit.Never, by: kit.Never}
	if !w.Acked && w.Place.Life == kit.None {
		w.Place.Life, w.by = r.taken(int(op.Node), w.Start, op.End)
	}
	if op.Kind == history.CAS {
		w.old, w.replaced = op.Old, true
	}
	if !w.Acked {
		if w.Place.Life != kit.None && len(k.open) > 0 {
			k.push(w)
		}
		return
	}
	passed := len(k.open) > 0 && k.replace(&w)
	if !late && !passed {
		k.push(w)
	}
}

// replace takes those out of danger that an acknowledged write certainly came upon,
// and tells whether one of them came upon it.
func (k *Key) replace(w *Write) (passed bool) {
	if w.replaced {
		if i := k.find(w.old); i >= 0 && k.open[i].taken(w.End) {
			if k.open[i].Acked {
				w.oldEnd = k.open[i].End
			}
			k.vouch(i, Place{kit.None, kit.None}, 0, true)
		}
	}
	acked, latest := 0, kit.Beginning
	left := k.open[:0]
	for i := range k.open {
		o := k.open[i]
		if o.Acked && o.before(w) {
			if o.End >= latest {
				latest, w.over, w.came = o.End, o.Value, true
			}
			continue
		}
		if o.Acked && o.cutsIn(w) {
			continue
		}
		passed = passed || w.cutsIn(&o)
		if o.Acked {
			acked++
		}
		left = append(left, o)
	}
	if acked == 0 { // unanswered writes can save nothing any more
		left = left[:0]
	}
	k.open = left
	return passed
}

// cutsIn tells whether w is a compare-and-set upon which o certainly came, in the
// life of both: what w replaced was there before o began, so that o came later.
func (w *Write) cutsIn(o *Write) bool {
	if !w.replaced || !w.Acked || !o.Acked || w.old == o.Value || o.Place.Life == kit.None || o.Place.Life != w.Place.Life {
		return false
	}
	return w.oldEnd < o.Start || o.came && o.over == w.old
}

// before tells whether a write was certainly there where another was carried out,
// and before it.
func (w *Write) before(o *Write) bool {
	p := o.Place
	return w.Acked && w.End < o.Start && (p.Life != kit.None && p.Life == w.Place.Life || p.Calm != kit.None && p.Calm == w.Place.Calm) ||
		p.Life != kit.None && p.Life == w.shown && w.from <= o.Start ||
		w.covered && w.under == o.Value && !o.Acked && !o.twice
}

// see takes that a node showed a value.
func (k *Key) see(r *Reigns, op *history.Op, v int64, late bool) {
	if len(k.open) == 0 {
		return
	}
	p := r.Place(op)
	if p.Life == kit.None {
		return
	}
	i := k.find(v)
	if i < 0 || !k.open[i].taken(kit.Until(op)) {
		return
	}
	if k.open[i].Acked {
		k.passed(i, p, kit.From(op))
		i = k.find(v)
	}
	k.vouch(i, p, kit.Until(op), late)
}

// taken takes that a write was there at an instant, and tells whether it is known in
// which life it was carried out. One that was, before it could have been in another,
// is not again.
func (w *Write) taken(at int64) bool {
	if !w.Acked && at < w.by {
		w.by = kit.Never
	}
	return w.Acked || w.by == kit.Never
}

// passed takes those out of danger upon which the acknowledged write at i has come,
// as a life shows it from a time on in which those were there before. One that began
// after it had ended would have come upon it instead.
func (k *Key) passed(i int, p Place, at int64) {
	w := k.open[i]
	read := Write{Start: at, Place: Place{p.Life, kit.None}}
	k.open = slices.DeleteFunc(k.open, func(o Write) bool {
		return o.Acked && o.Value != w.Value && o.Start <= w.End && o.before(&read)
	})
}

// find is where the only write of a value is, -1 if there is none.
func (k *Key) find(v int64) int {
	for i := range k.open {
		if k.open[i].Value == v {
			if k.open[i].twice {
				return -1
			}
			return i
		}
	}
	return -1
}

// vouch takes that the write at i was in the log of a life at a time, or, if safe,
// in what can be lost no more; and with it all that it came upon.
func (k *Key) vouch(i int, p Place, at int64, safe bool) {
	w := k.open[i]
	if !safe && w.shown != kit.None && (w.shown == p.Life && w.from <= at || w.shown != p.Life && w.Acked && w.Place.Life == p.Life) {
		return // it is known, or shown by another life, of which a stale read of its own takes nothing
	}
	if safe {
		k.open = slices.Delete(k.open, i, i+1)
	} else {
		k.open[i].shown, k.open[i].from = p.Life, at
	}
	for j := len(k.open) - 1; j >= 0; j-- {
		if j >= len(k.open) {
			continue
		}
		o := &k.open[j]
		if o.Value != w.Value && (o.before(&w) || w.replaced && o.Value == w.old && !o.twice && o.taken(w.End)) {
			if !w.Acked { // it stays so, though by another life this may be shown next
				o.under, o.covered = w.Value, true
			}
			k.vouch(j, p, at, safe)
		}
	}
}

// push adds a write, in place of the oldest if there is no room.
func (k *Key) push(w Write) {
	for i := range k.open {
		if k.open[i].Value == w.Value {
			k.open[i].twice, w.twice = true, true
		}
	}
	if !k.All && len(k.open) >= room {
		if k.open[0].Acked {
			k.gone++
		}
		k.open = slices.Delete(k.open, 0, 1)
	}
	k.open = append(k.open, w)
}
