package set

import (
	"cmp"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// element is what the history tells of one element of one set. Elements are
// unique and never removed.
type obviousElement struct {
	v       int64
	fate    kit.Fate
	add     int32
	start   int64 // of its add
	ack     int64 // end of its add if that was acknowledged, else never
	seenBy  int32 // position of the first read that has it, none
	early   int32 // position of a read that has it and ended before its add began, none
	doubled int32 // position of a read that has it more than once, none
	last    int64 // greatest start of a read that has it
	flapped bool
	byNode  bool // it flapped on one node; else for one process
}

// obviousRead is one answered read: the distinct obviousSet, as indexes.
type obviousRead struct {
	position   int32
	start, end int64
	has        []int32
}

// obviousSet is the analysed history of one set, sighting by sighting: what elements is compared with.
type obviousSet struct {
	log   *history.Log
	ops   []int32
	all   []obviousElement
	reads []obviousRead // in order of start
}

// analyseObvious reads the history of one set, in time linear in the obviousSet read.
func analyseObvious(log *history.Log, ops []int32) *obviousSet {
	k := &obviousSet{log: log, ops: ops}
	index := map[int64]int32{}
	total := 0
	for p := range int32(len(ops)) {
		op := k.op(p)
		if op.Kind == history.ReadSet && op.Outcome == history.OK {
			total += len(op.Elements)
		}
		if op.Kind == history.Add {
			k.addElement(index, p, op)
		}
	}
	arena := make([]int32, 0, total)
	var stamp []int32 // by element: 1 + the read that had it last
	for p := range int32(len(ops)) {
		op := k.op(p)
		if op.Kind != history.ReadSet || op.Outcome != history.OK {
			continue
		}
		begin := len(arena)
		number := int32(len(k.reads)) + 1
		for _, v := range op.Elements {
			i, ok := index[v]
			if !ok {
				i = int32(len(k.all))
				index[v] = i
				k.all = append(k.all, obviousElement{v: v, fate: kit.Orphan, add: kit.None, start: kit.Beginning, ack: kit.Never,
					seenBy: kit.None, early: kit.None, doubled: kit.None, last: kit.Beginning})
			}
			for int(i) >= len(stamp) {
				stamp = append(stamp, make([]int32, len(k.all)-len(stamp))...)
			}
			if stamp[i] == number {
				k.all[i].doubled = p
				continue
			}
			stamp[i] = number
			arena = append(arena, i)
			k.all[i].see(p, op)
		}
		k.reads = append(k.reads, obviousRead{p, kit.From(op), kit.Until(op), arena[begin:len(arena):len(arena)]})
	}
	return k
}

func (k *obviousSet) op(position int32) *history.Op { return &k.log.Ops[k.ops[position]] }

func (k *obviousSet) addElement(index map[int64]int32, p int32, op *history.Op) {
	if i, ok := index[op.Value]; ok {
		e := &k.all[i]
		e.start = min(e.start, kit.From(op))
		switch {
		case op.Outcome == history.OK:
			e.fate, e.ack = kit.Acked, min(e.ack, kit.Until(op))
		case op.Outcome == history.Unknown && e.fate == kit.Refused:
			e.fate = kit.Unsure
		}
		return
	}
	e := obviousElement{v: op.Value, fate: kit.Unsure, add: p, start: kit.From(op), ack: kit.Never, seenBy: kit.None, early: kit.None, doubled: kit.None, last: kit.Beginning}
	switch op.Outcome {
	case history.OK:
		e.fate, e.ack = kit.Acked, kit.Until(op)
	case history.Fail:
		e.fate = kit.Refused
	}
	index[op.Value] = int32(len(k.all))
	k.all = append(k.all, e)
}

func (e *obviousElement) see(p int32, op *history.Op) {
	if e.seenBy == kit.None {
		e.seenBy = p
	}
	if kit.Until(op) < e.start && e.early == kit.None {
		e.early = p
	}
	e.last = max(e.last, kit.From(op))
}

// due tells whether an element must be in a read that starts at a time: it had
// been acknowledged before, and was still there later, for a read that started
// later has it.
func (e *obviousElement) due(start int64) bool {
	return e.fate == kit.Acked && e.ack < start && start < e.last
}

// staleReads are the reads, final ones aside, that lack an element that is
// due. Rather than ask for every element, it compares how many are due, which
// two sorted lists tell, with how many of these the read has.
func (k *obviousSet) staleReads() []int32 {
	var acks, lasts []int64
	for i := range k.all {
		if e := &k.all[i]; e.fate == kit.Acked && e.ack < e.last {
			acks, lasts = append(acks, e.ack), append(lasts, e.last)
		}
	}
	slices.Sort(acks)
	slices.Sort(lasts)
	var stale []int32
	for n := range k.reads {
		r := &k.reads[n]
		if k.op(r.position).Final() {
			continue
		}
		due := sort.Search(len(acks), func(i int) bool { return acks[i] >= r.start }) -
			sort.Search(len(lasts), func(i int) bool { return lasts[i] > r.start })
		for _, i := range r.has {
			if k.all[i].due(r.start) {
				due--
			}
		}
		if due > 0 {
			stale = append(stale, int32(n))
		}
	}
	return stale
}

// flap marks the obviousSet that some node, or some process, showed, then did
// not, then showed again.
func (k *obviousSet) flap() {
	nodes, processes := map[int8][]int32{}, map[uint32][]int32{}
	for n := range k.reads {
		op := k.op(k.reads[n].position)
		if op.Node >= 0 {
			nodes[op.Node] = append(nodes[op.Node], int32(n))
		}
		processes[op.Process] = append(processes[op.Process], int32(n))
	}
	f := flapper{obviousSet: k, presence: make([]presence, len(k.all))}
	for _, reads := range nodes {
		f.mark(reads, true)
	}
	for _, reads := range processes {
		f.mark(reads, false)
	}
}

// presence is when some reads had an element.
type presence struct {
	round int
	first int64 // least end of a read that has it
	last  int64 // greatest start of a read that has it
	inner int   // reads that have it, begun after first and ended before last
}

type flapper struct {
	*obviousSet
	presence []presence
	round    int
	touched  []int32
}

// Mark marks the obviousSet that flap among these reads. An element flaps if some
// read that lies wholly between its first and its last sighting lacks it: if
// there are more reads in between than have it. The former are counted for all
// obviousSet at once, from the latest first sighting on, with a Fenwick tree over
// the reads' ends: n·Log(n) in the obviousSet read.
func (f *flapper) mark(reads []int32, byNode bool) {
	if len(reads) < 3 {
		return
	}
	f.round++
	f.touched = f.touched[:0]
	for _, n := range reads {
		r := &f.reads[n]
		for _, i := range r.has {
			p := &f.presence[i]
			if p.round != f.round {
				*p = presence{f.round, r.end, r.start, 0}
				f.touched = append(f.touched, i)
				continue
			}
			p.first, p.last = min(p.first, r.end), max(p.last, r.start)
		}
	}
	for _, n := range reads {
		r := &f.reads[n]
		for _, i := range r.has {
			if p := &f.presence[i]; p.first < r.start && r.end < p.last {
				p.inner++
			}
		}
	}
	slices.SortFunc(f.touched, func(a, b int32) int { return cmp.Compare(f.presence[b].first, f.presence[a].first) })
	starts, ends := slices.Clone(reads), make([]int64, 0, len(reads))
	for _, n := range reads {
		ends = append(ends, f.reads[n].end)
	}
	slices.SortFunc(starts, func(a, b int32) int { return cmp.Compare(f.reads[b].start, f.reads[a].start) })
	slices.Sort(ends)
	before := func(t int64) int { return sort.Search(len(ends), func(i int) bool { return ends[i] >= t }) }
	tree, next := make(kit.Fenwick, len(ends)+1), 0
	for _, i := range f.touched {
		p := &f.presence[i]
		for next < len(starts) && f.reads[starts[next]].start > p.first {
			tree.Add(before(f.reads[starts[next]].end))
			next++
		}
		if tree.Below(before(p.last)) > p.inner {
			f.all[i].flapped, f.all[i].byNode = true, f.all[i].byNode || byNode
		}
	}
}
