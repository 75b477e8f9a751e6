package register

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// countLost judges by the final reads what is lost of one register.
//
// A final read that returns u proves of a node that it has lost every write w
// that was acknowledged before the read began and has f(u) < start(w): u had
// been there before w began, so w came later, and if w or anything certainly
// newer than w had survived on this node, u would not be there. A write is lost if that is so on every node
// that answered: the count is of distinct writes, and a lower bound, for a
// register does not show what was lost and then overwritten: see undecide. A write
// that is missing from some nodes only is not lost, but the replicas diverged.
//
// It presumes that a write takes effect once. A write of unknown outcome may
// take effect late; then its f is late too, and it proves nothing.
//
// In a torn history the final reads of some nodes may be missing, so only keys
// that every node answered are judged.
func (k *values) countLost(w *kit.Words, g *kit.Group, top *kit.TopFindings) (t kit.FinalTally, missing missing) {
	finals := kit.FinalsAmong(len(k.ops), k.op, history.Read)
	acknowledged := slices.ContainsFunc(k.all, func(v value) bool { return v.fate == kit.Acked })
	judged := t.Count(w.Log, finals, acknowledged)
	bound, asked := kit.Beginning, kit.Never
	for n, p := range finals {
		i := k.read[p]
		if n > 0 && i != k.read[finals[0]] && t.Diverged == 0 {
			t.Diverged = 1
			top.Class(checkers.Diverged).Offer(0, func() checkers.Finding { return diverged(w, g, k, finals) })
		}
		if !k.sound(i) {
			judged = false // a value written twice, or seen before it was written, has no place in the order
			continue
		}
		bound, asked = max(bound, k.all[i].f), min(asked, kit.From(k.op(p)))
	}
	if !judged {
		if len(finals) > 0 && acknowledged && t.Unjudged == 0 {
			t.Unjudged = 1
		}
		return t, missing
	}
	missing.judged, missing.bound, missing.asked = true, bound, asked
	for i := range k.all {
		v := &k.all[i]
		if !missing.has(v) {
			continue
		}
		t.Lost++
		if s := top.Class(checkers.LostWrite); s.Wants(-v.start) {
			s.Offer(-v.start, func() checkers.Finding { return lostWrite(w, g, k, int32(i), finals) })
		}
	}
	return t, missing
}

// missing are the values that every node lacks by its final read.
type missing struct {
	judged       bool
	bound, asked int64
}

// has tells whether a value is one of them; what was not acknowledged never ends.
func (m missing) has(v *value) bool {
	return m.judged && v.written() && v.start > m.bound && v.end < m.asked
}

func lostWrite(w *kit.Words, g *kit.Group, k *values, i int32, finals []int32) checkers.Finding {
	v := &k.all[i]
	write := k.op(v.write)
	positions := []int32{v.write}
	var held []string
	for n, p := range finals {
		if !slices.ContainsFunc(finals[:n], func(q int32) bool { return k.read[q] == k.read[p] }) {
			positions = append(append(positions, k.proofOf(k.read[p])...), p)
			held = append(held, k.valueAndTime(k.read[p]))
		}
	}
	at := k.op(finals[0])
	return kit.NewFinding(w, g, checkers.LostWrite, kit.From(at), k.logged(positions),
		"%s of %d to key %d was acknowledged by %s at %s%s and is missing from %s at the end; %s", kit.KindWord(write.Kind), v.v, g.Key,
		w.Node(write.Node), units.Instant(write.End), w.Nearest(kit.Until(write)), kit.AllNodes(len(finals)), kit.Holders(len(finals), held))
}

// valueAndTime is a value with the time of its write: "4702, written at 7.998 s".
func (k *values) valueAndTime(i int32) string {
	v := &k.all[i]
	if v.write == kit.None {
		return kit.Content(v.v)
	}
	return fmt.Sprintf("%s, written at %s", kit.Content(v.v), units.Instant(k.op(v.write).End))
}

func diverged(w *kit.Words, g *kit.Group, k *values, finals []int32) checkers.Finding {
	var order []int32
	nodes := map[int32][]string{}
	for _, p := range finals {
		i := k.read[p]
		if nodes[i] == nil {
			order = append(order, i)
		}
		nodes[i] = append(nodes[i], w.Node(k.op(p).Node))
	}
	positions := slices.Clone(finals)
	holdings := make([]string, len(order))
	for n, i := range order {
		positions = append(positions, k.all[i].write)
		verb := "hold"
		if len(nodes[i]) == 1 {
			verb = "holds"
		}
		holdings[n] = fmt.Sprintf("%s %s %s", strings.Join(nodes[i], ", "), verb, k.valueAndTime(i))
	}
	return kit.NewFinding(w, g, checkers.Diverged, kit.From(k.op(finals[0])), k.logged(positions),
		"the nodes differ in key %d at the end: %s", g.Key, strings.Join(holdings, "; "))
}
