package register

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// updates counts lost updates: compare-and-sets that went through although the
// value that they replaced was not there any more, so that nobody took notice
// of the update in between.
//
// Two things prove it of a compare-and-set of old. Something certainly newer
// than old had been there before it began, see supersession; values being
// unique, old cannot have come back. Or another compare-and-set replaced old
// too: of all that replaced the same value one at most was right. supersede
// must have been called.
func (t *registerTally) updates(w *kit.Words, g *kit.Group, k *values) {
	first := map[int32]int32{} // by replaced value: the one that may have been right
	for i := range int32(len(k.all)) {
		v := &k.all[i]
		if v.old == kit.None || !v.written() || !k.sound(v.old) {
			continue
		}
		rival := k.superseded.by[v.old]
		if k.superseded.at[v.old] >= v.start {
			other, found := first[v.old]
			if !found {
				first[v.old] = i
				continue
			}
			rival = other
		}
		t.lostUpdates++
		t.top.Class(checkers.LostUpdate).Offer(-v.start, func() checkers.Finding { return lostUpdate(w, g, k, i, rival) })
	}
}

func lostUpdate(w *kit.Words, g *kit.Group, k *values, i, rival int32) checkers.Finding {
	v, newer := &k.all[i], &k.all[rival]
	op, other := k.op(v.write), k.op(newer.write)
	why := fmt.Sprintf("the newer %d had been there %s before it began", newer.v, units.Nanos(kit.Span(v.start, newer.f)))
	if newer.f >= v.start {
		why = fmt.Sprintf("%s replaced %s as well", w.Op(other), kit.Content(op.Old))
	}
	positions := append(append(k.proofOf(v.old), k.proofOf(rival)...), v.write)
	return kit.NewFinding(w, g, checkers.LostUpdate, v.start, k.logged(k.withSightings(positions)),
		"key %d: %s went through, though %s: an update is lost%s", g.Key, w.Op(op), why, w.During(v.start))
}
