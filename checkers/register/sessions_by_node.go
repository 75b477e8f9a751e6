package register

import (
	"cmp"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// tallyShown counts the reads that break monotonic writes and
// writes-follow-reads, the two guarantees on the order in which a server takes
// writes in. A server's order is known from what one node shows: if it showed
// u, and to a read begun after that answer ended it shows v, then it had taken
// in u before v, or gone back to v from u. Two nodes prove nothing, for one may
// be behind. So a read of v from a node that had shown u before breaks
//
//   - monotonic writes if one process wrote both: v, acknowledged, and u in a
//     write begun after that;
//   - writes-follow-reads if the process that wrote u had seen v before, in an
//     operation that ended before the write of u began.
//
// Both make u certainly newer than v, and u had been read when the read began,
// which therefore is stale. A write that was reported failed counts for
// neither. Nodes answer from their own copy, it is presumed: where a node
// answers from others' copies, the guarantee is broken as far as its clients
// can tell. Reads are those of checkSessions that name a node.
func (t *sessionTally) tallyShown(w *kit.Words, g *kit.Group, k *values) {
	n := newNodeReads(k)
	broken := n.suspects()
	if broken == nil {
		return
	}
	seers := k.seers(broken)
	shown := kit.NewNearby[sessionID, past]()
	learn := func(p int32) {
		i := k.read[p]
		if !k.newerShown(i) {
			return
		}
		id := sessionID{k.op(p).Node, k.op(k.all[i].write).Process}
		s := shown.Get(id, id.slot())
		if s == nil {
			s = &past{value: kit.None}
			shown.Put(id, id.slot(), s)
		}
		s.learn(k, i, p)
	}
	// newer is what the node of a read had shown, if a process wrote it after an operation.
	newer := func(node int8, first *history.Op) (past, bool) {
		id := sessionID{node, first.Process}
		s := shown.Get(id, id.slot())
		if s == nil || s.start <= kit.Until(first) {
			return past{}, false
		}
		return *s, true
	}
	n.sweep(learn, func(p int32) {
		i := k.read[p]
		if !broken[i] {
			return
		}
		op, v := k.op(p), &k.all[i]
		if v.fate == kit.Acked {
			if s, found := newer(op.Node, k.op(v.write)); found {
				t.writes++
				t.top.Class(checkers.MonotonicWrite).Offer(-kit.From(op), func() checkers.Finding { return reordered(w, g, k, p, s, v.write, checkers.MonotonicWrite) })
			}
		}
		for _, o := range seers[i] {
			if s, found := newer(op.Node, k.op(o)); found {
				t.afterRead++
				t.top.Class(checkers.WriteAfterRead).Offer(-kit.From(op), func() checkers.Finding { return reordered(w, g, k, p, s, o, checkers.WriteAfterRead) })
				break
			}
		}
	})
}

// sessionID is a node and a process that wrote what it showed.
type sessionID struct {
	node    int8
	process uint32
}

func (id sessionID) slot() uint32 { return id.process*3 + uint32(id.node) }

// newerShown tells whether a value may show that an older one came back.
func (k *values) newerShown(i int32) bool {
	return k.all[i].written() && k.all[i].fate != kit.Refused
}

// nodeReads are the reads that name a node, by their starts and by their ends.
type nodeReads struct {
	k      *values
	byFrom []int32
	byEnds []ending
}

// ending is when the read at a position ended.
type ending struct {
	at       int64
	position int32
}

func newNodeReads(k *values) *nodeReads {
	reads := 0
	for p := range k.ops {
		if k.read[p] != kit.None && k.rows[p].Node >= 0 {
			reads++
		}
	}
	n := &nodeReads{k: k, byFrom: make([]int32, 0, reads), byEnds: make([]ending, 0, reads)}
	for p := range int32(len(k.ops)) {
		if k.read[p] != kit.None && k.op(p).Node >= 0 {
			n.byFrom = append(n.byFrom, p)
			n.byEnds = append(n.byEnds, ending{kit.Until(k.op(p)), p})
		}
	}
	kit.SortNear(n.byFrom, func(a, b int32) int {
		return cmp.Or(cmp.Compare(kit.From(k.op(a)), kit.From(k.op(b))), cmp.Compare(a, b))
	})
	kit.SortNear(n.byEnds, func(a, b ending) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.position, b.position)) })
	return n
}

// sweep visits every read, after those that had ended when it began were learnt.
func (n *nodeReads) sweep(learn, visit func(p int32)) {
	next := 0
	for _, p := range n.byFrom {
		for ; n.byEnds[next].at < kit.From(n.k.op(p)); next++ {
			learn(n.byEnds[next].position)
		}
		visit(p)
	}
}

// suspects tells, by value, whether a read of it came after the same node had
// shown a certainly newer one; nil if there is none.
func (n *nodeReads) suspects() []bool {
	k := n.k
	var newest [maxNodes]int64 // start of the write, by node
	for i := range newest {
		newest[i] = kit.Beginning
	}
	var all []bool
	n.sweep(func(p int32) {
		if i := k.read[p]; k.newerShown(i) {
			newest[k.op(p).Node] = max(newest[k.op(p).Node], k.all[i].start)
		}
	}, func(p int32) {
		if i := k.read[p]; k.newerShown(i) && k.all[i].f < newest[k.op(p).Node] {
			if all == nil {
				all = make([]bool, len(k.all))
			}
			all[i] = true
		}
	})
	return all
}

// seers lists, by value, the operation by which each process first knew that it
// had seen it: a read, a failed compare-and-set that told the value, or an
// acknowledged one that replaced it.
func (k *values) seers(wanted []bool) map[int32][]int32 {
	type sight struct {
		value   int32
		process uint32
	}
	all, place := map[int32][]int32{}, map[sight]int{}
	for p := range int32(len(k.ops)) {
		op, i := k.op(p), k.read[p]
		if w := k.wrote[p]; i == kit.None && w != kit.None && op.Outcome == history.OK {
			i = k.all[w].old
		}
		if i == kit.None || !wanted[i] {
			continue
		}
		at, known := place[sight{i, op.Process}]
		switch {
		case !known:
			place[sight{i, op.Process}] = len(all[i])
			all[i] = append(all[i], p)
		case kit.Until(op) < kit.Until(k.op(all[i][at])):
			all[i][at] = p
		}
	}
	return all
}

// reordered tells of the read at a position that returned an older value than
// one its node had shown, which a process wrote after the operation at first.
func reordered(w *kit.Words, g *kit.Group, k *values, p int32, shown past, first int32, class checkers.Class) checkers.Finding {
	op, old, newer := k.op(p), &k.all[k.read[p]], &k.all[shown.value]
	before, began := k.op(shown.position), k.op(newer.write)
	what := "written"
	if class == checkers.WriteAfterRead {
		what = "read"
	}
	ops := k.logged(append(k.proofOf(k.read[p]), newer.write, shown.position, first, p))
	return kit.NewFinding(w, g, class, kit.From(op), ops,
		"%s returned %d of key %d at %s, although it had returned %d at %s, which process %d wrote from %s on, after it had %s %d by %s%s",
		w.Node(op.Node), old.v, g.Key, units.Instant(op.End), newer.v, units.Instant(before.End), began.Process, units.Instant(began.Start), what, old.v,
		units.Instant(kit.Until(k.op(first))), w.During(kit.From(op)))
}
