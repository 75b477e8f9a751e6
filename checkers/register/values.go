package register

import (
	"cmp"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// Value is what the history of one register tells of one value. Every written
// value is unique, so each read names its write.
//
// Operations named by position are indexes into values.ops.
type value struct {
	v     int64
	fate  kit.Fate
	twice bool // written more than once: nothing is concluded from its order
	seen  bool // some operation saw it
	write int32
	old   int32 // index of the value that an effective compare-and-set replaced; none: it was a plain write

	start, end int64 // of the write; one of no certain end ends at never

	readEnd, readStart     int64 // least end and greatest start of the reads
	readEndOp, readStartOp int32

	// f is when the value had certainly been written: the least end of all
	// operations on it, which are its write, its reads and the compare-and-sets
	// that replaced it. fOp is the operation whose end it is.
	f   int64
	fOp int32
}

// ordered tells whether the value's place in the order is known: an operation
// that was refused, unanswered and never seen has none.
func (v *value) ordered() bool {
	return !v.twice && (v.fate == kit.Initial || v.fate == kit.Acked || v.seen)
}

// written tells whether the start of the value's write is known, and its
// operations make sense. Then every value u with f(u) before that start is
// certainly older.
func (v *value) written() bool {
	return v.ordered() && v.fate != kit.Initial && v.fate != kit.Orphan && v.f >= v.start
}

// values is the analysed history of one register.
type values struct {
	log   *history.Log
	ops   []int32      // indexes into log.Ops, in order
	rows  []history.Op // the operations themselves, side by side
	room  []history.Op // for rows that are not so in the log
	all   []value      // all[0] is the initial one
	read  []int32      // by position: index of the value that the operation saw, none
	wrote []int32      // by position: index of the value that the operation writes, none
	Twice bool         // some value was written more than once
	index valueIndex   // of all, by value

	superseded supersession // filled in by supersede
	chained    *chained     // filled in by chain
}

// Analyse reads the history of one register. Final reads are left out unless
// asked for. It takes time and memory linear in the operations, but for a sort
// of the compare-and-sets.
func Analyse(log *history.Log, ops []int32, finals bool) *values {
	k := new(values)
	k.analyse(log, ops, finals)
	return k
}

// Analyse takes the place of what was analysed before, and of its memory.
func (k *values) analyse(log *history.Log, ops []int32, finals bool) {
	*k = values{log: log, ops: ops, room: k.room, read: grown(k.read, len(ops)), wrote: grown(k.wrote, len(ops)),
		all: k.all, index: k.index, superseded: k.superseded}
	k.gather()
	writes := 0
	for i := range k.rows {
		if k.rows[i].Kind != history.Read {
			writes++
		}
	}
	k.all = append(grown(k.all, writes+1)[:0], value{
		v: history.Nil, fate: kit.Initial, write: kit.None, old: kit.None, start: kit.Beginning, end: kit.Beginning,
		readEnd: kit.Never, readStart: kit.Beginning, readEndOp: kit.None, readStartOp: kit.None,
	})
	k.index.reserve(writes + 2)
	k.index.put(k.all, 0)
	for p := range ops {
		k.read[p], k.wrote[p] = kit.None, kit.None
		k.addWrite(int32(p))
	}
	for p := range ops {
		k.addRead(int32(p), finals)
	}
	k.settle()
}

// gather puts the operations side by side: they are gone through many times,
// and one key's are far apart in a log of many keys.
func (k *values) gather() {
	n := len(k.ops)
	if n > 0 && int(k.ops[n-1]-k.ops[0]) == n-1 && slices.IsSorted(k.ops) {
		k.rows = k.log.Ops[k.ops[0] : int(k.ops[0])+n]
		return
	}
	k.room = grown(k.room, n)
	k.rows = k.room
	for p, i := range k.ops {
		k.rows[p] = k.log.Ops[i]
	}
}

// grown is n elements in the memory of s if it has room for them. They are not cleared.
func grown[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n)
}

// addFinals takes the final reads into an analysis that was made without.
func (k *values) addFinals() {
	added := false
	for p := range k.ops {
		if k.op(int32(p)).Final() {
			k.addRead(int32(p), true)
			added = true
		}
	}
	if added {
		k.settle()
		k.chained = nil
	}
}

// settle computes what follows from all writes and reads taken in.
func (k *values) settle() {
	k.replace()
	for i := range k.all {
		k.all[i].bound()
	}
	k.boundReplaced()
}

func (k *values) op(position int32) *history.Op { return &k.rows[position] }

// At is the index into the log of a position, none of none.
func (k *values) at(position int32) int32 {
	if position == kit.None {
		return kit.None
	}
	return k.ops[position]
}

func (k *values) addWrite(p int32) {
	op := k.op(p)
	if op.Kind != history.Write && op.Kind != history.CAS {
		return
	}
	if i := k.index.find(k.all, op.Value); i != kit.None {
		k.all[i].twice, k.Twice = true, true
		k.wrote[p] = i
		return
	}
	k.wrote[p] = int32(len(k.all))
	k.all = append(k.all, k.written(p))
	k.index.put(k.all, k.wrote[p])
}

// written is the value that an operation writes, before anyone has seen it.
func (k *values) written(p int32) value {
	op := k.op(p)
	v := value{v: op.Value, write: p, old: kit.None, start: kit.From(op), end: kit.Never, readEnd: kit.Never, readStart: kit.Beginning,
		readEndOp: kit.None, readStartOp: kit.None}
	switch op.Outcome {
	case history.OK:
		v.fate, v.end = kit.Acked, kit.Until(op)
	case history.Fail:
		v.fate = kit.Refused
	default:
		v.fate = kit.Unsure
	}
	return v
}

// addRead takes what is read by an acknowledged read, or by a compare-and-set
// that failed and told the current value.
func (k *values) addRead(p int32, finals bool) {
	op := k.op(p)
	var seen int64
	switch {
	case op.Final() && !finals:
		return
	case op.Kind == history.Read && op.Outcome == history.OK:
		seen = op.Value
	case op.Kind == history.CAS && op.Outcome == history.Fail && op.Flags&history.Seen != 0:
		seen = op.Observed
	default:
		return
	}
	k.see(p, k.find(seen))
}

// See takes an operation that saw a value.
func (k *values) see(p, i int32) {
	op, v := k.op(p), &k.all[i]
	k.read[p], v.seen = i, true
	if end := kit.Until(op); end < v.readEnd || v.readEndOp == kit.None {
		v.readEnd, v.readEndOp = end, p
	}
	if start := kit.From(op); start > v.readStart || v.readStartOp == kit.None {
		v.readStart, v.readStartOp = start, p
	}
}

// Find is the index of a value, which is an orphan if nobody wrote it.
func (k *values) find(seen int64) int32 {
	i := k.index.find(k.all, seen)
	if i == kit.None {
		i = int32(len(k.all))
		k.all = append(k.all, value{v: seen, fate: kit.Orphan, write: kit.None, old: kit.None, start: kit.Beginning, end: kit.Never,
			readEnd: kit.Never, readStart: kit.Beginning, readEndOp: kit.None, readStartOp: kit.None})
		k.index.put(k.all, i)
	}
	return i
}

// replace links the value of every effective compare-and-set with the one that
// it replaced, which has then been seen. One of unknown outcome took effect
// exactly if its value was seen.
func (k *values) replace() {
	for i := range int32(len(k.all)) {
		k.replaceFrom(i)
	}
}

func (k *values) replaceFrom(i int32) {
	for {
		v := &k.all[i]
		if v.write == kit.None || v.old != kit.None || v.twice || k.op(v.write).Kind != history.CAS {
			return
		}
		if v.fate != kit.Acked && (v.fate != kit.Unsure || !v.seen) {
			return
		}
		old := k.find(k.op(v.write).Old)
		k.all[i].old = old
		k.all[old].seen = true
		i = old
	}
}

// bound sets f from the value's own write and reads.
func (v *value) bound() {
	v.f, v.fOp = v.end, v.write
	if v.readEndOp != kit.None && v.readEnd < v.f {
		v.f, v.fOp = v.readEnd, v.readEndOp
	}
}

// boundReplaced takes the compare-and-sets into the bounds of the values that
// they replaced: the old value was there when the new one was set, so before
// anyone could see the new one. Going from the least f on, each value's f falls at most once.
func (k *values) boundReplaced() {
	var order []int32
	for i := range k.all {
		if v := &k.all[i]; v.old != kit.None {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(k.all[a].f, k.all[b].f) })
	for _, i := range order {
		for k.all[i].old != kit.None {
			v := &k.all[i]
			old := &k.all[v.old]
			if old.f <= v.f {
				break
			}
			old.f, old.fOp = v.f, v.fOp
			i = v.old
		}
	}
}

// proofOf gives the write of a value and what shows when it was certainly
// there: one operation on it, or the compare-and-set that replaced it and what
// shows when the new value was there, and so on.
func (k *values) proofOf(i int32) []int32 {
	positions := []int32{k.all[i].write, k.all[i].fOp}
	chain := []int32{i}
	for n := 0; n < len(chain); n++ {
		v := &k.all[chain[n]]
		if v.fOp == v.write || v.fOp == v.readEndOp {
			continue
		}
		for j := range int32(len(k.all)) {
			if c := &k.all[j]; c.old == chain[n] && c.fOp == v.fOp && !slices.Contains(chain, j) {
				chain, positions = append(chain, j), append(positions, c.write)
			}
		}
	}
	return positions
}
