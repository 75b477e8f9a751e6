package register

import (
	"cmp"
	"math"
	"sort"
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// delta says how far a register is from being linearizable: a history is
// D-atomic if it is linearizable once the start of every read is moved D
// earlier, which allows reads to be stale by that much (Golab, Li and Shah,
// "Analyzing consistency properties for fun and profit", PODC 2011). Moving it
// further allows only more, so there is a least D, 0 if the register is
// linearizable, or no D suffices, where something other than staleness is
// wrong: a value that nobody wrote, one seen before its write began, or
// compare-and-sets that contradict each other. Reads are acknowledged reads
// and failed compare-and-sets that told the current value.
//
// The least D is no less than the greatest staleness (see supersession) and
// more where readers disagree on the order of concurrent writes.

// boundless is the delta of a register for which no D suffices.
const boundless int64 = math.MaxInt64

// zone is a block with the starts of its writes and of its reads apart.
type zone struct {
	f    int64 // least end
	w, r int64 // greatest start of a write and of a read; beginning: there is none
}

// s is the greatest start once reads begin d earlier.
func (z *zone) s(d int64) int64 { return max(z.w, kit.Span(z.r, d)) }

// delta is the least D of a register, but for what is at most floor already:
// then it is floor. Values must be unique.
func (k *values) delta(torn bool, floor int64) int64 {
	if _, found := k.impossible(torn); found {
		return boundless
	}
	blocks, _, found := k.blocks(torn)
	if found {
		return boundless
	}
	zones, most := make([]zone, len(blocks)), kit.Beginning
	for i := range blocks {
		b := &blocks[i]
		need := k.linkDelta(b)
		if need == boundless {
			return boundless
		}
		floor = max(floor, need)
		z := zone{f: b.f, w: kit.Beginning, r: kit.Beginning}
		for _, at := range b.chain {
			z.w, z.r = max(z.w, k.all[at].start), max(z.r, k.all[at].readStart)
		}
		zones[i], most = z, max(most, z.r)
	}
	kit.SortNear(zones, func(a, b zone) int { return cmp.Compare(a.f, b.f) })
	forward := make([]int32, 0, len(zones))
	if !opposedZones(zones, floor, forward) {
		return floor
	}
	// With all reads moved before the first f, only writes contradict each other.
	first := sort.Search(len(zones), func(i int) bool { return zones[i].f > kit.Beginning })
	high := floor
	if first < len(zones) {
		high = max(floor, kit.Span(most, zones[first].f))
	}
	if opposedZones(zones, high, forward) {
		return boundless
	}
	for low := floor; high-low > 1; { // low does not suffice, high does
		if middle := low + (high-low)/2; opposedZones(zones, middle, forward) {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// linkDelta is the least D with which the operations of a block agree with its
// order, see link.
func (k *values) linkDelta(b *block) int64 {
	written, read, need := kit.Beginning, kit.Beginning, int64(0)
	after := func(end int64) bool {
		if end < written {
			return false
		}
		need = max(need, kit.Span(read, end))
		return true
	}
	for _, at := range b.chain {
		v := &k.all[at]
		if !after(v.end) {
			return boundless
		}
		written = max(written, v.start)
		if v.readEndOp != kit.None && !after(v.readEnd) {
			return boundless
		}
		read = max(read, v.readStart)
	}
	return need
}

// opposedZones tells whether two zones must precede each other once reads
// begin d earlier: opposed, on zones in order of f. forward is room for its
// use.
func opposedZones(zones []zone, d int64, forward []int32) bool {
	forward = forward[:0]
	for i := range zones {
		if zones[i].f >= zones[i].s(d) {
			continue
		}
		if n := len(forward); n > 0 && zones[i].f < zones[forward[n-1]].s(d) {
			return true
		}
		forward = append(forward, int32(i))
	}
	if len(forward) == 0 {
		return false
	}
	for i := range zones {
		z := &zones[i]
		s := z.s(d)
		if z.f < s {
			continue
		}
		at := sort.Search(len(forward), func(j int) bool { return zones[forward[j]].f >= s })
		if at > 0 && z.f < zones[forward[at-1]].s(d) {
			return true
		}
	}
	return false
}

// decideDelta fills in the delta of a register that was decided. most is the
// greatest delta of the registers so far: each is asked first whether its own is
// more, which takes one pass; few are.
func (k *values) decideDelta(l *linearity, torn bool, most *atomic.Int64) {
	switch {
	case l.Truth == checkers.True:
	case k.Twice:
		l.deltaUnknown = true
	default:
		l.delta = k.delta(torn, most.Load())
		for old := most.Load(); l.delta != boundless && l.delta > old && !most.CompareAndSwap(old, l.delta); old = most.Load() {
		}
	}
}

// deltaValue is the greatest delta of all registers. It is unknown if there is
// one for which no D suffices.
func deltaValue(found []judged, torn bool) checkers.Value {
	v := checkers.Value{Name: "reads.delta_atomicity"}
	most, flawed, unknown, reads := int64(0), 0, 0, 0
	for i := range found {
		l := &found[i].linear
		reads += found[i].register.reads
		switch {
		case l.deltaUnknown:
			unknown++
		case l.delta == boundless:
			flawed++
		default:
			most = max(most, l.delta)
		}
	}
	switch {
	case flawed > 0:
		v.Why = "staleness alone does not explain " + units.Plural(flawed, "key", "keys") +
			": a value was seen that nobody wrote, or before it was there, or compare-and-sets contradict each other"
		return v
	case unknown > 0:
		v.Why = "a value was written twice to " + units.Plural(unknown, "key", "keys")
	case torn:
		v.Why = kit.TornWhy
	case reads == 0 && most == 0:
		v.Why = noReads
	}
	v.Known, v.N = v.Why == "" || most > 0, float64(most)
	if v.Why != "" && v.Known {
		v.AtLeast, v.Why = true, "at least; "+v.Why
	}
	return v
}
