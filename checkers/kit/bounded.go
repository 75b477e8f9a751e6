package kit

import (
	"math"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// Bounded is a distribution of durations of which not all are known exactly.
type Bounded struct {
	Sure    Distribution // as they were measured
	Least   Distribution // what is in doubt, as long as it was at least
	Doubted Distribution // the same, as it was measured
	Failed  Distribution // what might not have failed without doubt: any time up to this
	Waiting Distribution // never answered: at least that long
	Any     int64        // so many that may not be of this kind, or took any time
}

// Add takes an operation that took so long, or, if that is in doubt, at least so
// long.
func (b *Bounded) Add(op *history.Op, took, least int64, doubted bool) {
	switch {
	case op.Outcome == history.OK && doubted:
		b.Doubted.Record(took)
		b.Least.Record(least)
	case op.Outcome == history.OK:
		b.Sure.Record(took)
	case doubted && op.Error != history.ErrCompare:
		b.Failed.Record(took)
	}
}

// Merge takes in all of another.
func (b *Bounded) Merge(from *Bounded) {
	b.Sure.Merge(&from.Sure)
	b.Least.Merge(&from.Least)
	b.Doubted.Merge(&from.Doubted)
	b.Failed.Merge(&from.Failed)
	b.Waiting.Merge(&from.Waiting)
	b.Any += from.Any
}

// Acked is the number of those that were acknowledged.
func (b *Bounded) Acked() int64 { return b.Sure.Count() + b.Doubted.Count() }

// Value is a percentile as a fact: unknown if there is no duration, and bounds, and why, where
// not all are known. Without any of the first it would rest on nothing.
func (b *Bounded) Value(name string, percent float64, empty, why string) checkers.Value {
	if b.Acked()+b.Waiting.Count() == 0 {
		return checkers.Value{Name: name, Why: empty}
	}
	least, most := b.bounds(percent)
	switch {
	case math.IsInf(most, 1) && least == 0:
		return checkers.Value{Name: name, Why: why}
	case math.IsInf(most, 1):
		return checkers.Value{Name: name, N: least, Known: true, AtLeast: true, Why: "at least; " + why}
	}
	return Between(name, least, most, why)
}

// bounds are the least and the greatest that a percentile can be. It is least if
// all that is in doubt took no more time than is sure. It is greatest if that took
// as long as was measured, or if it is left out, whichever is more.
func (b *Bounded) bounds(percent float64) (least, most float64) {
	if b.Doubted.Count()+b.Failed.Count()+b.Waiting.Count()+b.Any == 0 {
		exact := float64(b.Sure.At(percent))
		return exact, exact
	}
	var low, high Distribution
	low.Merge(&b.Sure)
	low.Merge(&b.Waiting)
	low.Merge(&b.Least)
	zeros := b.Failed.Count() + b.Any
	if rank := rankOf(percent, low.Count()+zeros); rank > zeros {
		least = float64(low.ranked(rank - zeros))
	}
	if least < float64(LowestLatency) {
		least = 0 // which the histograms do not tell from a little
	}
	above := b.Waiting.Count() + b.Any
	high.Merge(&b.Sure)
	most = high.below(percent, above)
	for _, more := range [...]*Distribution{&b.Doubted, &b.Failed} {
		high.Merge(more)
		most = max(most, high.below(percent, above))
	}
	return least, max(least, most)
}

// below is a percentile of the durations and so many longer ones; infinite if it is
// one of those.
func (d *Distribution) below(percent float64, above int64) float64 {
	n := d.Count()
	if n+above == 0 {
		return 0
	}
	rank := rankOf(percent, n+above)
	if rank > n {
		return math.Inf(1)
	}
	return float64(d.ranked(rank))
}
