package set

import (
	"cmp"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// element is what the history tells of one element of one set. Elements are
// never removed. One that was added several times, as by a client that tries
// again, was acknowledged if one of its adds was, by the first of these, and
// refused only if all of them were. Reads are named by position.
type element struct {
	v       int64
	fate    kit.Fate
	loss    loss
	add     int32 // the add that tells its fate; of unknown outcomes the one that ended last
	start   int64 // of its first add
	ack     int64 // end of its first acknowledged add, else never
	seenBy  int32 // the first read that has it, none
	ended   int32 // the read of the least end that has it, none
	doubled int32 // the first read that has it more than once, none
	last    int64 // greatest start of a read that has it
	lastEnd int64 // end of that read
	absent  int64 // greatest start of a read that lacks it; beginning: none does
	flapped bool
	byNode  bool // it flapped on one node; else for one process
	flap    [3]int32
}

// loss is what the final reads tell of an acknowledged element.
type loss uint8

const (
	kept loss = iota // or not acknowledged, or not judged
	mayBeLost
	lost
)

// setRead is one answered read.
type setRead struct {
	position   int32
	start, end int64
}

// elements is the analysed history of one set.
type elements struct {
	log   *history.Log
	ops   []int32
	all   []element
	index elementIndex
	reads []setRead // in order of start
	nodes []setNode // in order of node
}

// setNode is what the reads through one node tell; Node is -1 for those
// through none.
type setNode struct {
	node     int8
	reads    []int32 // by number, in order of start
	steady   bool    // nothing that it had shown was ever missing later
	flapping int     // elements
	lacking  []int32 // by read: how many elements it lacks that are due
}

// analyseSet reads the history of one set. It takes time linear in the
// operations, in the elements for each node and for each process, and in what
// changes between successive reads; what stays is only compared.
func analyseSet(log *history.Log, ops []int32) *elements {
	k := &elements{log: log, ops: ops}
	for p := range int32(len(ops)) {
		switch op := k.op(p); {
		case op.Kind == history.Add:
			k.addElement(p, op)
		case op.Kind == history.ReadSet && op.Outcome == history.OK:
			k.reads = append(k.reads, setRead{p, kit.From(op), kit.Until(op)})
		}
	}
	slices.SortStableFunc(k.reads, func(a, b setRead) int { return cmp.Compare(a.start, b.start) })
	k.follow()
	return k
}

func (k *elements) op(position int32) *history.Op { return &k.log.Ops[k.ops[position]] }

func (k *elements) addElement(p int32, op *history.Op) {
	i, known := k.find(op.Value)
	e := &k.all[i]
	fate, ack := kit.Unsure, kit.Never
	switch op.Outcome {
	case history.OK:
		fate, ack = kit.Acked, kit.Until(op)
	case history.Fail:
		fate = kit.Refused
	}
	e.start = min(e.start, kit.From(op))
	switch {
	case !known:
		e.fate, e.add, e.start, e.ack = fate, p, kit.From(op), ack
	case ack < e.ack, fate == kit.Unsure && e.fate == kit.Refused,
		fate == kit.Unsure && e.fate == kit.Unsure && kit.Until(op) > kit.Until(k.op(e.add)):
		e.fate, e.add, e.ack = fate, p, ack
	}
}

// Find is the index of an element, which is an orphan if it is new.
func (k *elements) find(v int64) (i int32, known bool) {
	slot := k.index.find(v)
	if slot.at != 0 {
		return slot.at - 1, true
	}
	i = int32(len(k.all))
	k.all = append(k.all, element{v: v, fate: kit.Orphan, add: kit.None, start: kit.Beginning, ack: kit.Never, seenBy: kit.None, ended: kit.None,
		doubled: kit.None, last: kit.Beginning, absent: kit.Beginning})
	k.index.put(slot, v, i)
	return i, false
}

// follow follows the reads of every node and of every process.
func (k *elements) follow() {
	nodes, processes := map[int8][]int32{}, map[uint32][]int32{}
	for n := range k.reads {
		op := k.op(k.reads[n].position)
		node := max(op.Node, -1)
		nodes[node] = append(nodes[node], int32(n))
		processes[op.Process] = append(processes[op.Process], int32(n))
	}
	c := &readChain{elements: k}
	var followed []*readChain
	for _, node := range kit.SortedKeys(nodes) {
		n := &readChain{elements: k, reads: nodes[node]}
		n.follow()
		n.sum()
		at := setNode{node: node, reads: n.reads, steady: len(n.gaps) == 0}
		if node >= 0 {
			at.flapping = n.flap(true)
		}
		followed, k.nodes = append(followed, n), append(k.nodes, at)
	}
	for n, one := range followed {
		k.nodes[n].lacking = one.lacking()
	}
	for _, process := range kit.SortedKeys(processes) {
		if reads := processes[process]; len(reads) > 2 && !k.steadyNode(reads) {
			c.reset(reads)
			c.follow()
			c.flap(false)
		}
	}
}

// steadyNode tells whether all of some reads are of one node that never lacked
// anything it had shown: then no element flaps among them.
func (k *elements) steadyNode(reads []int32) bool {
	node := max(k.op(k.reads[reads[0]].position).Node, -1)
	for _, n := range reads {
		if max(k.op(k.reads[n].position).Node, -1) != node {
			return false
		}
	}
	i := slices.IndexFunc(k.nodes, func(n setNode) bool { return n.node == node })
	return k.nodes[i].steady
}

// judged tells whether an element was acknowledged, so that it has to stay.
func (e *element) judged() bool { return e.fate == kit.Acked }

// asked tells whether a read that began after an element's acknowledgement was
// answered: without one nobody could have seen it.
func (k *elements) asked(e *element) bool {
	return len(k.reads) > 0 && k.reads[len(k.reads)-1].start > e.ack
}

// due tells whether an element must be in a read that starts at a time: it had
// been acknowledged before, and was still there later, for a read that started
// later has it.
func (e *element) due(start int64) bool { return e.judged() && e.ack < start && start < e.last }

// early is a read that has the element and ended before its add began, none.
func (k *elements) early(e *element) int32 {
	if e.ended != kit.None && kit.Until(k.op(e.ended)) < e.start {
		return e.ended
	}
	return kit.None
}

// staleReads are the reads of a node, final ones aside, that lack an element
// that is due.
func (k *elements) staleReads(node *setNode) []int32 {
	var stale []int32
	for at, n := range node.reads {
		if node.lacking[at] > 0 && !k.op(k.reads[n].position).Final() {
			stale = append(stale, n)
		}
	}
	return stale
}

// has marks the elements of a read.
func (k *elements) has(position int32) map[int32]bool {
	has := map[int32]bool{}
	for _, v := range k.op(position).Elements {
		i, _ := k.find(v)
		has[i] = true
	}
	return has
}

// longestDue is the element that a stale read has lacked for the longest time.
func (k *elements) longestDue(r *setRead) int32 {
	has, best := k.has(r.position), kit.None
	for i := range int32(len(k.all)) {
		if e := &k.all[i]; !has[i] && e.due(r.start) && (best == kit.None || e.ack < k.all[best].ack) {
			best = i
		}
	}
	return best
}
