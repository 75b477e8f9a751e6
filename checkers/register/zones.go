package register

import (
	"cmp"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
)

// contradiction is a flaw and the positions of operations that show it.
type contradiction struct {
	flaw      watch.Flaw
	positions []int32
}

// block is a value with all that compare-and-sets made of it, in their order.
// The operations on a block are contiguous in every order that explains the
// history, so the block acts as one value.
type block struct {
	f, s         int64 // least end and greatest start of its operations
	fLink, sLink int32 // where in chain
	chain        []int32
}

// contradict decides whether a register whose values are all unique is
// linearizable: it is exactly if no contradiction is found. In a torn history
// nothing is concluded from a write that is not there: reads of its value are
// left out, and a compare-and-set of it counts as a plain write.
//
// Why it is exact: within a block the order is given by the compare-and-sets,
// and link looks at every pair of operations in it. Block A must precede B
// exactly if f(A) < s(B). If a set of blocks precede each other in a circle,
// let A be that of least f, P the one before A and Q the one before P. Then
// f(A) <= f(Q) < s(P), so A must precede P too: every circle contains one of
// two blocks, and opposed looks at all pairs that matter. (Gibbons and Korach,
// SICOMP 1997, for single values; Golab, Li and Shah, PODC 2011, for zones.)
// Times are closed intervals: at equal times a start precedes an end.
func (k *values) contradict(torn bool) (contradiction, bool) {
	if c, found := k.impossible(torn); found {
		return c, true
	}
	blocks, c, found := k.blocks(torn)
	if found {
		return c, true
	}
	for i := range blocks {
		if c, found := k.link(&blocks[i]); found {
			return c, true
		}
	}
	a, b, found := opposed(blocks)
	if !found {
		return contradiction{}, false
	}
	return contradiction{watch.FlawOrder, append(k.between(&blocks[a]), k.between(&blocks[b])...)}, true
}

// impossible finds a value that was seen though it cannot be there.
func (k *values) impossible(torn bool) (contradiction, bool) {
	for i := range k.all {
		v := &k.all[i]
		if !v.seen || v.twice || v.fate != kit.Refused && (v.fate != kit.Orphan || torn) {
			continue
		}
		c := contradiction{watch.FlawPhantom, []int32{k.sighting(int32(i))}}
		if v.fate == kit.Refused {
			c = contradiction{watch.FlawRefused, []int32{v.write, k.sighting(int32(i))}}
		}
		return c, true
	}
	return contradiction{}, false
}

// sighting is an operation that saw a value: a read if there is one, else a
// compare-and-set that replaced it.
func (k *values) sighting(i int32) int32 {
	if k.all[i].readEndOp != kit.None {
		return k.all[i].readEndOp
	}
	for j := range k.all {
		if k.all[j].old == i {
			return k.all[j].write
		}
	}
	return kit.None
}

// withSightings adds, for each write of unknown outcome, an operation that
// shows that it took effect.
func (k *values) withSightings(positions []int32) []int32 {
	known := map[int32]bool{}
	all := slices.Clone(positions)
	for n := 0; n < len(all); n++ {
		p := all[n]
		if p == kit.None || known[p] {
			continue
		}
		known[p] = true
		if i := k.wrote[p]; i != kit.None && k.all[i].fate == kit.Unsure && !k.replacedAmong(all, i) {
			all = append(all, k.sighting(i))
		}
	}
	return all
}

// replacedAmong tells whether one of the operations is a compare-and-set that
// replaced value i, and so shows that the write of i took effect.
func (k *values) replacedAmong(positions []int32, i int32) bool {
	return slices.ContainsFunc(positions, func(p int32) bool {
		return p != kit.None && k.wrote[p] != kit.None && k.wrote[p] != i && k.all[k.wrote[p]].old == i
	})
}

// chained is what blocks found.
type chained struct {
	torn   bool
	blocks []block
	flaw   contradiction
	found  bool
}

// Blocks chains the values, once for all who ask. Values that no operation is
// known to have seen or set are left out.
func (k *values) blocks(torn bool) ([]block, contradiction, bool) {
	if k.chained == nil || k.chained.torn != torn {
		c := &chained{torn: torn}
		c.blocks, c.flaw, c.found = k.chain(torn)
		k.chained = c
	}
	return k.chained.blocks, k.chained.flaw, k.chained.found
}

func (k *values) chain(torn bool) ([]block, contradiction, bool) {
	next := make([]int32, len(k.all))
	for i := range next {
		next[i] = kit.None
	}
	left := 0
	root := func(v *value) bool { return v.old == kit.None || torn && k.all[v.old].fate == kit.Orphan }
	member := func(v *value) bool { return v.ordered() && (v.fate != kit.Orphan || !torn) }
	for i := range k.all {
		v := &k.all[i]
		if !member(v) {
			continue
		}
		left++
		if root(v) {
			continue
		}
		if other := next[v.old]; other != kit.None {
			return nil, contradiction{watch.FlawUpdate, []int32{k.all[v.old].write, k.all[other].write, v.write}}, true
		}
		next[v.old] = int32(i)
	}
	blocks, chains := make([]block, 0, left), make([]int32, 0, left)
	for i := range k.all {
		if v := &k.all[i]; !member(v) || !root(v) {
			continue
		}
		begin := len(chains)
		for j := int32(i); j != kit.None; j = next[j] {
			chains = append(chains, j)
		}
		blocks = append(blocks, k.block(chains[begin:len(chains):len(chains)]))
	}
	if len(chains) < left {
		return nil, k.circle(next, chains), true
	}
	return blocks, contradiction{}, false
}

// circle finds a chain without a root among the values that are in no chain.
func (k *values) circle(next, chained []int32) contradiction {
	in := make([]bool, len(k.all))
	for _, i := range chained {
		in[i] = true
	}
	for i := range k.all {
		if in[i] || next[i] == kit.None {
			continue
		}
		c := contradiction{flaw: watch.FlawCycle}
		certain, read := false, kit.None // some compare-and-set of the circle took effect, or what shows that
		for j := int32(i); !in[j]; j = next[j] {
			v := &k.all[j]
			in[j] = true
			c.positions = append(c.positions, v.write)
			certain = certain || v.fate == kit.Acked
			if v.readEndOp != kit.None {
				read = v.readEndOp
			}
		}
		if !certain {
			c.positions = append(c.positions, read)
		}
		return c
	}
	return contradiction{flaw: watch.FlawCycle}
}

func (k *values) block(chain []int32) block {
	b := block{f: kit.Never, s: kit.Beginning, chain: chain}
	for i, at := range chain {
		v := &k.all[at]
		if f := min(v.end, v.readEnd); f < b.f || i == 0 {
			b.f, b.fLink = f, int32(i)
		}
		if s := max(v.start, v.readStart); s > b.s || i == 0 {
			b.s, b.sLink = s, int32(i)
		}
	}
	return b
}

// link walks a block in its order: each value's write, then its reads. An
// operation that ended before one of an earlier place began is out of place.
func (k *values) link(b *block) (contradiction, bool) {
	latest := kit.Beginning
	for i, at := range b.chain {
		v := &k.all[at]
		if v.end < latest {
			return k.misplaced(b, i, v.end, v.write), true
		}
		latest = max(latest, v.start)
		if v.readEndOp != kit.None && v.readEnd < latest {
			return k.misplaced(b, i, v.readEnd, v.readEndOp), true
		}
		latest = max(latest, v.readStart)
	}
	return contradiction{}, false
}

// misplaced gives the operation that ended too early at a link of the block,
// the nearest earlier one that began after it, and what links them.
func (k *values) misplaced(b *block, at int, end int64, early int32) contradiction {
	c := contradiction{watch.FlawFuture, []int32{early}}
	for i := at; i >= 0; i-- {
		v := &k.all[b.chain[i]]
		c.positions = append(c.positions, v.write)
		if v.readStartOp != kit.None && v.readStart > end && i < at {
			c.positions = append(c.positions, v.readStartOp)
			break
		}
		if v.start > end {
			break
		}
	}
	return c
}

// between gives the operations that bound a block, and what links them.
func (k *values) between(b *block) []int32 {
	var positions []int32
	for i := min(b.fLink, b.sLink); i <= max(b.fLink, b.sLink); i++ {
		v := &k.all[b.chain[i]]
		positions = append(positions, v.write)
		if i == b.fLink && v.readEnd < v.end {
			positions = append(positions, v.readEndOp)
		}
		if i == b.sLink && v.readStart > v.start {
			positions = append(positions, v.readStartOp)
		}
	}
	return positions
}

// opposed finds two blocks each of which must precede the other, in time
// n·Log(n). A block with f < s is certainly there from f to s; two such blocks
// are opposed if their times overlap, and then two neighbours in the order of f
// do. Any other block is opposed to one of these if it lies within its time;
// two others never are opposed.
func opposed(blocks []block) (a, b int, found bool) {
	forward := make([]int32, 0, len(blocks))
	for i := range blocks {
		if blocks[i].f < blocks[i].s {
			forward = append(forward, int32(i))
		}
	}
	kit.SortNear(forward, func(a, b int32) int {
		return cmp.Or(cmp.Compare(blocks[a].f, blocks[b].f), cmp.Compare(a, b))
	})
	for i := 1; i < len(forward); i++ {
		if a, b := forward[i-1], forward[i]; blocks[b].f < blocks[a].s {
			return int(a), int(b), true
		}
	}
	for i := range blocks {
		if blocks[i].f < blocks[i].s {
			continue
		}
		at := sort.Search(len(forward), func(j int) bool { return blocks[forward[j]].f >= blocks[i].s })
		if at > 0 && blocks[i].f < blocks[forward[at-1]].s {
			return int(forward[at-1]), i, true
		}
	}
	return 0, 0, false
}
