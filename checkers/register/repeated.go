package register

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

// part gives each write of a value that was written more than once a value of
// its own, an epoch of the register, and puts every read to one of them. So
// deletes, which all write nothing, are decided by the method for unique
// values: a register that then shows no contradiction is linearizable, and one
// that does is not, if certain. For
//
//   - a read cannot have seen a write that began after the read ended, nor one
//     that was refused, nor one that with this read contradicts others, as one
//     does that was certainly superseded before the read began. If one write
//     is left, the read saw that, and more is known of it.
//   - If none is left the history has no order that explains it, to whichever
//     write the read is put, and the analysis then finds so.
//   - If several are left, but the read ends no earlier than some operation of
//     one of these epochs and begins no later than some, it is put there:
//     that adds nothing to what the epoch's f and s demand. So if any choice
//     for this read leaves an order, this one does.
//   - Any other read is put where it adds least, which is a guess. Of reads
//     at about one time one is guessed, and then the rest is looked at again.
//
// It does nothing, and is false, where compare-and-sets are about such a value,
// and in a torn history, where a write may be missing. Nothing but whether the
// register is linearizable may be concluded from it: where it is not, a read
// may have seen what it was not put to. A round takes time n·Log(n); there are
// about as many as reads at one time that have to be guessed.
func (k *values) part() (certain, parted bool) {
	repeated := k.repeated()
	if repeated == nil {
		return false, false
	}
	sets := k.split(repeated)
	var left []int32
	for p := range int32(len(k.ops)) {
		if i := k.read[p]; i != kit.None && int(i) < len(sets) && sets[i].all != nil {
			left = append(left, p)
		}
	}
	kit.SortNear(left, func(a, b int32) int { return cmp.Compare(kit.From(k.op(a)), kit.From(k.op(b))) })
	k.settle()
	k.supersede()
	blocks, _, found := k.blocks(false)
	if found {
		return true, true // whatever the reads saw
	}
	rivals := k.rivals(blocks, sets)
	certain = true
	for guess := false; len(left) > 0; {
		before := len(left)
		rivals.sort()
		for i := range sets {
			sets[i].alive = append(sets[i].alive[:0], sets[i].all...)
		}
		busy := kit.Beginning // until here something is new in this round
		left = slices.DeleteFunc(left, func(p int32) bool {
			i, adds := k.choose(p, &sets[k.read[p]], rivals)
			if adds > 0 && (!guess || kit.From(k.op(p)) <= busy) {
				return false
			}
			if adds > 0 {
				certain, busy = false, max(busy, kit.Until(k.op(p)), k.all[i].reach())
			}
			k.see(p, i)
			rivals.widen(i, &k.all[i])
			return true
		})
		if len(left) == before && certain && k.contradicts() {
			return true, true // whatever the reads that are left saw
		}
		guess = len(left) == before
	}
	k.settle()
	k.chained = nil
	return certain, true
}

func (k *values) contradicts() bool {
	k.settle()
	k.chained = nil
	_, found := k.contradict(false)
	return found
}

// rivals are the blocks of a register, to find one that contradicts another.
type rivals struct {
	zones []zone  // w is not used: s is r
	place []int32 // of an epoch in zones, by value
	order []int32 // of zones, by f when they were sorted
	f     []int64 // by place in order
	first []rival // by place in order: of greatest s, up to there
	next  []int64 // the greatest s but for the first's
}

type rival struct {
	s    int64
	zone int32
}

func (k *values) rivals(blocks []block, sets []epochs) *rivals {
	r := &rivals{zones: make([]zone, 0, len(k.all)), place: make([]int32, len(k.all))}
	for i := range r.place {
		r.place[i] = kit.None
	}
	for i := range blocks {
		r.add(blocks[i].chain[0], blocks[i].f, blocks[i].s)
	}
	for i := range sets {
		for _, e := range sets[i].all {
			if r.place[e] == kit.None {
				r.add(e, kit.Never, kit.Beginning) // has no place unless it is seen
			}
		}
	}
	return r
}

func (r *rivals) add(i int32, f, s int64) {
	r.place[i] = int32(len(r.zones))
	r.order = append(r.order, r.place[i])
	r.zones = append(r.zones, zone{f: f, r: s})
}

// widen takes the reads of an epoch.
func (r *rivals) widen(i int32, v *value) {
	z := &r.zones[r.place[i]]
	z.f, z.r = min(v.end, v.readEnd), max(v.start, v.readStart)
}

// sort makes ready for against.
func (r *rivals) sort() {
	kit.SortNear(r.order, func(a, b int32) int { return cmp.Compare(r.zones[a].f, r.zones[b].f) })
	r.f, r.first, r.next = grown(r.f, len(r.order)), grown(r.first, len(r.order)), grown(r.next, len(r.order))
	most, second := rival{s: kit.Beginning, zone: kit.None}, kit.Beginning
	for n, i := range r.order {
		if s := r.zones[i].r; s > most.s {
			most, second = rival{s, i}, most.s
		} else {
			second = max(second, s)
		}
		r.f[n], r.first[n], r.next[n] = r.zones[i].f, most, second
	}
}

// against tells whether some block other than that of an epoch contradicts one
// with this f and s.
func (r *rivals) against(i int32, f, s int64) bool {
	n, _ := slices.BinarySearch(r.f, s)
	if n == 0 {
		return false
	}
	if most := r.first[n-1]; most.zone != r.place[i] {
		return f < most.s
	}
	return f < r.next[n-1]
}

// epochs are the writes of one value, in order of their starts.
type epochs struct {
	all   []int32 // indexes of values
	alive []int32 // those that were not certainly superseded when the last read began
}

// split makes the epochs of each repeated value, by the index that it had.
func (k *values) split(repeated []bool) []epochs {
	sets := make([]epochs, len(k.all))
	for p := range int32(len(k.ops)) {
		i := k.wrote[p]
		if i == kit.None || !repeated[i] {
			continue
		}
		if sets[i].all == nil {
			v := &k.all[i]
			v.twice, v.seen = false, false
			v.readEnd, v.readStart, v.readEndOp, v.readStartOp = kit.Never, kit.Beginning, kit.None, kit.None
			sets[i].all = []int32{i}
			if v.write == p {
				continue
			}
		}
		sets[i].all = append(sets[i].all, int32(len(k.all)))
		k.wrote[p] = int32(len(k.all))
		k.all = append(k.all, k.written(p))
	}
	k.Twice = false
	return sets
}

// repeated tells, by value, whether it is to be parted; nil if none is, or
// none can be.
func (k *values) repeated() []bool {
	if !k.Twice || k.log.Torn {
		return nil
	}
	all := make([]bool, len(k.all))
	for i := range k.all {
		all[i] = k.all[i].twice
	}
	for p := range int32(len(k.ops)) {
		op := k.op(p)
		if op.Kind != history.CAS || op.Outcome == history.Fail {
			continue
		}
		if old := k.index.find(k.all, op.Old); all[k.wrote[p]] || old != kit.None && all[old] {
			return nil
		}
	}
	return all
}

// reach is the end of the time that an epoch's f and s span.
func (v *value) reach() int64 {
	s := max(v.start, v.readStart)
	if f := min(v.end, v.readEnd); f != kit.Never {
		return max(f, s)
	}
	return s
}

// choose finds the epoch to which a read is put, and how much it adds there: 0
// if the choice is certain, or as good as any. Reads come in order of their starts.
func (k *values) choose(p int32, set *epochs, r *rivals) (best int32, adds int64) {
	op, n := k.op(p), 0
	for _, e := range k.possible(p, set) {
		v := &k.all[e]
		f, s := min(v.end, v.readEnd), max(v.start, v.readStart)
		if r.against(e, min(f, kit.Until(op)), max(s, kit.From(op))) {
			continue
		}
		more := kit.Never // to a write of unknown outcome that nobody saw: all that it demands
		if v.fate != kit.Unsure || v.seen {
			more = max(0, kit.Span(f, kit.Until(op))) + max(0, kit.Span(kit.From(op), s))
		}
		if n == 0 || more < adds {
			best, adds = e, more
		}
		n++
	}
	switch n {
	case 0:
		return k.begun(p, set), 0
	case 1:
		return best, 0
	}
	return best, adds
}

// possible are the epochs that a read may have seen. Those that no later read
// can have seen are forgotten.
func (k *values) possible(p int32, set *epochs) []int32 {
	begin, end := kit.From(k.op(p)), kit.Until(k.op(p))
	n := 0
	for at, e := range set.alive {
		if k.all[e].start > end {
			set.alive = append(set.alive[:n], set.alive[at:]...)
			return set.alive[:n]
		}
		if k.all[e].fate != kit.Refused && k.superseded.at[e] >= begin {
			set.alive[n] = e
			n++
		}
	}
	set.alive = set.alive[:n]
	return set.alive
}

// begun is the last epoch that began before a read ended, the first if none did.
func (k *values) begun(p int32, set *epochs) int32 {
	n := sort.Search(len(set.all), func(j int) bool { return k.all[set.all[j]].start > kit.Until(k.op(p)) })
	for j := n - 1; j > 0; j-- {
		if k.all[set.all[j]].fate != kit.Refused {
			return set.all[j]
		}
	}
	return set.all[0]
}

// partedOps is how many operations the evidence of a parted register is looked
// for among by the general search.
const partedOps = 1000

// partedProof tells of a contradiction in a register that was parted. Its
// evidence has every write of a value that it has if that can be found.
func (k *values) partedProof(ctx context.Context, w *kit.Words, g *kit.Group, c contradiction) *checkers.Finding {
	if len(k.ops) <= partedOps {
		if ops := k.proofByGeneral(ctx); len(ops) > 0 {
			return notLinear(w, g, ops, watch.Flawless)
		}
	}
	f := notLinear(w, g, k.logged(k.withSightings(c.positions)), c.flaw)
	f.Text += "; other writes of the same values do not explain it, for they had been replaced before, or began later"
	return f
}
