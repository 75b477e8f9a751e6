package register

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// danger is what final reads do not tell of lost writes: of one register, or of all.
type danger struct {
	undecided int   // acknowledged writes that may be lost, and nothing shows it
	first     int64 // when the first of them began; Never without any
	blind     int   // registers of a log that does not tell when writes can be lost, and had several
}

func newDanger() danger { return danger{first: kit.Never} }

func (d *danger) add(o *danger) {
	d.undecided, d.first, d.blind = d.undecided+o.undecided, min(d.first, o.first), d.blind+o.blind
}

// of is what a register's pass tells.
func dangerOf(r *reign.Reigns, k *reign.Key, c *registerCounts) danger {
	d := newDanger()
	switch {
	case r.Known:
		d.undecided, d.first = k.Undecided(), k.First()
	case c.acked > 1 || c.acked > 0 && c.unknown > 0:
		d.blind = 1 // one may have been lost before another came
	}
	return d
}

// undecide finds the acknowledged writes of one register that may have been lost,
// see reign.Key, and takes those apart that certainly were: those that are missing
// by the final reads, which are counted, and those that were lost, then overwritten.
func (t *registerTally) undecide(w *kit.Words, g *kit.Group, r *reign.Reigns, k *values, gone missing) {
	key := reign.Key{All: true}
	if r.Known && !w.Log.Torn {
		for p := range k.rows {
			key.Add(r, &k.rows[p])
		}
	}
	t.danger = dangerOf(r, &key, &t.registerCounts)
	t.danger.undecided, t.danger.first = 0, kit.Never
	key.Each(func(o *reign.Write) {
		i := k.index.find(k.all, o.Value)
		v := &k.all[i]
		if gone.has(v) {
			return
		}
		if by, lost := k.overwritten(r, i); lost {
			t.finals.Lost++
			t.lost = append(t.lost, checkers.Loss{Start: v.start, Acked: v.end, Certain: true})
			t.top.Class(checkers.LostWrite).Offer(-v.start, func() checkers.Finding { return lostThenOverwritten(w, g, k, i, by) })
			return
		}
		t.danger.undecided++
		t.lost = append(t.lost, checkers.Loss{Start: o.Start, Acked: o.End})
		t.danger.first = min(t.danger.first, o.Start)
	})
}

// overwriting are the operations that show that a write was lost, then overwritten,
// by position.
type overwriting struct{ read, write int32 }

// absence is that the log of a life lacks a write, as a read shows that ended at at.
type absence struct {
	life int32
	at   int64
}

// overwritten tells whether the acknowledged value i was certainly lost, though
// something newer is there.
//
// A read r in a life, begun after the write w was acknowledged, that returns u
// with f(u) < start(w) shows that the log of that life lacks w: w came later than
// u, so it would be there instead, and a primary takes in nothing but what it is
// asked to write. So does a read in another life that returns what was written in
// the first after r: its log goes on from there. If the life that the run ends
// with lacks w, w is gone. It is lost if nothing acknowledged came upon it in a
// log that had it: every acknowledged write that was not over when w began was
// carried out in a life that lacks w, or in that of w before a read there showed w.
//
// That presumes that a primary shows what is in its log. Where it does not, what
// it showed is older than what it had; then w, or what came upon it, is seen
// again, most likely. If that is so, or if nobody wrote in the life of r, nothing
// is concluded.
func (k *values) overwritten(r *reign.Reigns, i int32) (overwriting, bool) {
	by := overwriting{kit.None, kit.None}
	v := &k.all[i]
	if !r.Primaries() || !v.written() {
		return by, false
	}
	home := r.Place(k.op(v.write))
	var without []absence
	lacks := func(life int32, at int64) bool {
		return slices.ContainsFunc(without, func(a absence) bool { return a.life == life && a.at <= at })
	}
	for p := range int32(len(k.ops)) {
		op := k.op(p)
		if j := k.read[p]; j != kit.None && kit.From(op) > v.end {
			if life := r.Place(op).Life; life != kit.None && !lacks(life, kit.Never) && k.lacks(r, j, v, lacks) {
				if life == home.Life {
					return by, false // a life that forgets is none
				}
				without = append(without, absence{life, kit.Until(op)})
				if by.read == kit.None {
					by.read = p
				}
			}
		}
		if j := k.wrote[p]; by.write == kit.None && len(without) > 0 && j != kit.None && k.all[j].fate == kit.Acked {
			if life := r.Place(op).Life; life == without[0].life && without[0].at <= kit.From(op) {
				by.write = p
			}
		}
	}
	if by.write == kit.None || !slices.ContainsFunc(without, func(a absence) bool { return r.Final(a.life) }) {
		return by, false
	}
	return by, !k.survives(r, i, home, kit.From(k.op(by.read)), func(life int32) bool { return lacks(life, kit.Never) })
}

// lacks tells whether a life that shows value j lacks v.
func (k *values) lacks(r *reign.Reigns, j int32, v *value, lacks func(life int32, at int64) bool) bool {
	seen := &k.all[j]
	if k.sound(j) && seen.f < v.start {
		return true
	}
	if seen.write == kit.None || seen.twice {
		return false
	}
	life := r.Place(k.op(seen.write)).Life
	return life != kit.None && lacks(life, seen.start)
}

// survives tells whether value i, or what certainly came upon it, was seen after
// a time, or an acknowledged write may have come upon it in a log that had it.
func (k *values) survives(r *reign.Reigns, i int32, home reign.Place, after int64, lacks func(life int32) bool) bool {
	v := &k.all[i]
	shown := kit.Beginning // when the life of w last showed it
	for p := range int32(len(k.ops)) {
		if op := k.op(p); k.read[p] == i && home.Life != kit.None && r.Place(op).Life == home.Life {
			shown = max(shown, kit.From(op))
		}
	}
	for p := range int32(len(k.ops)) {
		op := k.op(p)
		if j := k.read[p]; j != kit.None && kit.Until(op) >= after {
			o := &k.all[j]
			if j == i || o.old == i {
				return true
			}
			if o.write != kit.None && o.start > v.end && home.Life != kit.None && r.Place(k.op(o.write)).Life == home.Life {
				return true
			}
		}
		if j := k.wrote[p]; j != kit.None && p != v.write && op.Outcome == history.OK && kit.Until(op) >= v.start {
			life := r.Place(op).Life
			if life == kit.None || !lacks(life) && (life != home.Life || kit.Until(op) >= shown) {
				return true
			}
		}
	}
	return false
}

func lostThenOverwritten(w *kit.Words, g *kit.Group, k *values, i int32, by overwriting) checkers.Finding {
	v := &k.all[i]
	write, read, over := k.op(v.write), k.op(by.read), k.op(by.write)
	positions := append(k.proofOf(k.read[by.read]), v.write, by.read, by.write)
	return kit.NewFinding(w, g, checkers.LostWrite, kit.From(read), k.logged(positions),
		"%s of %d to key %d was acknowledged by %s at %s%s and was lost, then overwritten: at %s %s still returned %s, and then took the %s of %d at %s; nobody saw %d any more",
		kit.KindWord(write.Kind), v.v, g.Key, w.Node(write.Node), units.Instant(write.End), w.Nearest(kit.Until(write)), units.Instant(read.End), w.Node(read.Node),
		k.valueAndTime(k.read[by.read]), kit.KindWord(over.Kind), over.Value, units.Instant(over.End), v.v)
}

const (
	noReigns = "nothing tells when writes could be lost, so that one may have been before the next came"
	moreKeys = "more keys, or more reads of the primary"
)

// lostValue is the fact of lost writes: as many as are proven, and at most those
// that are undecided besides.
func (t *registerTally) lostValue(name string, torn bool, r *reign.Reigns) checkers.Value {
	v := t.finals.LostValue(name, torn)
	switch d := &t.danger; {
	case !v.Known || v.AtLeast:
		return v
	case d.blind > 0:
		return kit.Proven(name, t.finals.Lost, fmt.Sprintf("of %s %s", units.Plural(d.blind, "key", "keys"), noReigns))
	case d.undecided > 0:
		return kit.Between(name, v.N, v.N+float64(d.undecided), d.why(r))
	}
	return v
}

// why is why writes are undecided, and the remedy.
func (d *danger) why(r *reign.Reigns) string {
	after := ""
	if window := r.After(d.first); window != nil {
		after = " after " + window.Text
	}
	if r.Last == kit.Never {
		return fmt.Sprintf("what became of %s is not known: nothing was settled%s", units.Plural(d.undecided, "acknowledged write", "acknowledged writes"), after)
	}
	were := "were overwritten before anyone read them"
	if d.undecided == 1 {
		were = "was overwritten before anyone read it"
	}
	return fmt.Sprintf("%s %s%s: %s", units.Plural(d.undecided, "acknowledged write", "acknowledged writes"), were, after, moreKeys)
}

// undecidedValue is the fact of undecided writes.
func (t *registerTally) undecidedValue(name string, torn bool, r *reign.Reigns) checkers.Value {
	switch {
	case torn:
		return checkers.Value{Name: name, Why: kit.TornWhy}
	case t.danger.blind > 0:
		return checkers.Value{Name: name, Why: noReigns}
	}
	v := kit.Counted(name, t.danger.undecided)
	if v.N > 0 {
		v.Why = t.danger.why(r)
	}
	return v
}
