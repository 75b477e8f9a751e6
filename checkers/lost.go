package checkers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// finalTally is what final reads tell of one object, or of all.
type finalTally struct {
	lost, diverged int
	answered       int // objects of which a final read was answered
	unjudged       int // objects with acknowledged writes whose loss cannot be judged
	uncompared     int // objects of which too few nodes answered to compare them
}

func (t *finalTally) add(o *finalTally) {
	t.lost, t.diverged, t.answered = t.lost+o.lost, t.diverged+o.diverged, t.answered+o.answered
	t.unjudged, t.uncompared = t.unjudged+o.unjudged, t.uncompared+o.uncompared
}

const noFinals = "no final read was answered: the cluster did not settle, or the run ended before"

// lostValue is the fact of what is lost. Losses that are proven are told also
// when not everything could be judged.
func (t *finalTally) lostValue(name string, torn bool) Value {
	missing := ""
	if t.unjudged > 0 {
		missing = fmt.Sprintf("%s with acknowledged writes could not be judged by final reads", plural(t.unjudged, "key", "keys"))
	}
	return t.value(name, t.lost, torn, missing)
}

func (t *finalTally) divergedValue(name string, torn bool) Value {
	missing := ""
	if t.uncompared > 0 {
		missing = fmt.Sprintf("of %s only one node answered the final reads", plural(t.uncompared, "key", "keys"))
	}
	return t.value(name, t.diverged, torn, missing)
}

// value is a count by final reads; missing says what they do not tell.
func (t *finalTally) value(name string, n int, torn bool, missing string) Value {
	switch {
	case torn:
		missing = tornWhy
	case t.answered == 0:
		missing = noFinals
	}
	return proven(name, n, missing)
}

// finalReads are the positions in ops of the last answered final read of each
// node, in order of node.
func finalReads(log *history.Log, ops []int32, kind history.Kind) []int32 {
	return finalsAmong(len(ops), func(p int32) *history.Op { return &log.Ops[ops[p]] }, kind)
}

func finalsAmong(n int, at func(position int32) *history.Op, kind history.Kind) []int32 {
	last := map[int8]int32{}
	for p := range int32(n) {
		if op := at(p); op.Final() && op.Kind == kind && op.Outcome == history.OK {
			last[op.Node] = p
		}
	}
	all := make([]int32, 0, len(last))
	for _, p := range last {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b int32) int { return int(at(a).Node) - int(at(b).Node) })
	return all
}

// count says what can be judged by the final reads of one object.
func (t *finalTally) count(log *history.Log, finals []int32, acked bool) (judged bool) {
	nodes := len(log.Meta.Nodes)
	if len(finals) > 0 {
		t.answered++
		if len(finals) == 1 && nodes > 1 {
			t.uncompared++
		}
	}
	judged = len(finals) > 0 && (!log.Torn || len(finals) >= nodes)
	if !judged && acked {
		t.unjudged++
	}
	return judged
}

// lose judges by the final reads what is lost of one register.
//
// A final read that returns u proves of a node that it has lost every write w
// that was acknowledged before the read began and has f(u) < start(w): u had
// been there before w began, so w came later, and if w or anything certainly
// newer than w had survived on this node, u would not be there. A write is lost if that is so on every node
// that answered: the count is of distinct writes, and a lower bound, for a
// register does not show what was lost and then overwritten. A write that is
// missing from some nodes only is not lost, but the replicas diverged.
//
// It presumes that a write takes effect once. A write of unknown outcome may
// take effect late; then its f is late too, and it proves nothing.
//
// In a torn history the final reads of some nodes may be missing, so only keys
// that every node answered are judged.
func (k *values) lose(w *words, g *group, shelves *shelves) finalTally {
	var t finalTally
	finals := finalsAmong(len(k.ops), k.op, history.Read)
	acknowledged := slices.ContainsFunc(k.all, func(v value) bool { return v.fate == acked })
	judged := t.count(w.log, finals, acknowledged)
	bound, asked := beginning, never
	for n, p := range finals {
		i := k.read[p]
		if n > 0 && i != k.read[finals[0]] && t.diverged == 0 {
			t.diverged = 1
			shelves.class(Diverged).offer(0, func() Finding { return diverged(w, g, k, finals) })
		}
		if !k.sound(i) {
			judged = false // a value written twice, or seen before it was written, has no place in the order
			continue
		}
		bound, asked = max(bound, k.all[i].f), min(asked, from(k.op(p)))
	}
	if !judged {
		if len(finals) > 0 && acknowledged && t.unjudged == 0 {
			t.unjudged = 1
		}
		return t
	}
	for i := range k.all {
		v := &k.all[i]
		if !v.written() || v.start <= bound || v.end >= asked { // one that was not acknowledged never ends
			continue
		}
		t.lost++
		if s := shelves.class(LostWrite); s.wants(-v.start) {
			s.offer(-v.start, func() Finding { return lostWrite(w, g, k, int32(i), finals) })
		}
	}
	return t
}

func lostWrite(w *words, g *group, k *values, i int32, finals []int32) Finding {
	v := &k.all[i]
	write := k.op(v.write)
	positions := []int32{v.write}
	var held []string
	for n, p := range finals {
		if !slices.ContainsFunc(finals[:n], func(q int32) bool { return k.read[q] == k.read[p] }) {
			positions = append(append(positions, k.proofOf(k.read[p])...), p)
			held = append(held, k.told(k.read[p]))
		}
	}
	at := k.op(finals[0])
	return newFinding(w, g, LostWrite, from(at), k.logged(positions),
		"%s of %d to key %d was acknowledged by %s at %s%s and is missing from %s at the end; %s", kindWord(write.Kind), v.v, g.key,
		w.node(write.Node), clock(write.End), w.nearest(until(write)), allNodes(len(finals)), holders(len(finals), held))
}

// told is a value with the time of its write: "4702, written at 7.998 s".
func (k *values) told(i int32) string {
	v := &k.all[i]
	if v.write == none {
		return content(v.v)
	}
	return fmt.Sprintf("%s, written at %s", content(v.v), clock(k.op(v.write).End))
}

func allNodes(n int) string {
	switch n {
	case 1:
		return "the only node that answered"
	case 2:
		return "both nodes"
	}
	return fmt.Sprintf("all %d nodes", n)
}

func holders(nodes int, held []string) string {
	who := "they hold "
	if nodes == 1 {
		who = "it holds "
	}
	return who + strings.Join(held, ", and ")
}

func diverged(w *words, g *group, k *values, finals []int32) Finding {
	var order []int32
	nodes := map[int32][]string{}
	for _, p := range finals {
		i := k.read[p]
		if nodes[i] == nil {
			order = append(order, i)
		}
		nodes[i] = append(nodes[i], w.node(k.op(p).Node))
	}
	positions := slices.Clone(finals)
	told := make([]string, len(order))
	for n, i := range order {
		positions = append(positions, k.all[i].write)
		verb := "hold"
		if len(nodes[i]) == 1 {
			verb = "holds"
		}
		told[n] = fmt.Sprintf("%s %s %s", strings.Join(nodes[i], ", "), verb, k.told(i))
	}
	return newFinding(w, g, Diverged, from(k.op(finals[0])), k.logged(positions),
		"the nodes differ in key %d at the end: %s", g.key, strings.Join(told, "; "))
}
