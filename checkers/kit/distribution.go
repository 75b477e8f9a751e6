package kit

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The histograms' precision, and the range that they have at first; they grow
// where a time needs it.
const (
	LowestLatency  = int64(time.Microsecond)
	HighestLatency = int64(time.Hour)
	LatencyDigits  = 3
)

// NewHistogram is an empty histogram of that range and precision.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(LowestLatency, HighestLatency, LatencyDigits)
}

// RecordLatency records so many times of so long in a histogram, or in one of a
// greater range that takes its place; it returns the one that has them.
func RecordLatency(h *hdrhistogram.Histogram, ns, count int64) *hdrhistogram.Histogram {
	ns = max(ns, 0)
	if h.RecordValues(ns, count) == nil {
		return h
	}
	wide := hdrhistogram.New(h.LowestTrackableValue(), math.MaxInt64, int(h.SignificantFigures()))
	wide.Merge(h)
	_ = wide.RecordValues(ns, count) // in range: there is no greater time
	return wide
}

// Distribution is a histogram of durations in nanoseconds that also knows its exact maximum.
type Distribution struct {
	h   *hdrhistogram.Histogram
	max int64
}

// Record takes a duration; a negative one counts as none.
func (d *Distribution) Record(ns int64) { d.RecordMany(ns, 1) }

// RecordMany takes so many durations of one length.
func (d *Distribution) RecordMany(ns, count int64) {
	if d.h == nil {
		d.h = NewHistogram()
	}
	d.h = RecordLatency(d.h, ns, count)
	d.max = max(d.max, ns)
}

// Merge takes in all durations of another.
func (d *Distribution) Merge(from *Distribution) {
	if from.h == nil {
		return
	}
	if d.h == nil {
		d.h = NewHistogram()
	}
	if from.h.HighestTrackableValue() > d.h.HighestTrackableValue() {
		d.h = RecordLatency(d.h, math.MaxInt64, 0)
	}
	d.h.Merge(from.h)
	d.max = max(d.max, from.max)
}

// Count is the number of durations.
func (d *Distribution) Count() int64 {
	if d.h == nil {
		return 0
	}
	return d.h.TotalCount()
}

// At is the value at a percentile (0 to 100). The histogram gives the upper
// end of a bucket, which is not allowed to exceed the maximum.
func (d *Distribution) At(percent float64) int64 {
	if d.h == nil {
		return 0
	}
	if percent >= 100 {
		return d.max
	}
	return min(d.h.ValueAtPercentile(percent), d.max)
}

// ranked is the duration of a rank, from 1 on.
func (d *Distribution) ranked(rank int64) int64 {
	n := d.Count()
	if rank >= n {
		return d.At(100)
	}
	return d.At(100 * float64(rank) / float64(n))
}

// rankOf is the rank of a percentile among n durations, as the histograms have it.
func rankOf(percent float64, n int64) int64 {
	if percent >= 100 {
		return n
	}
	return min(max(int64(percent/100*float64(n)+0.5), 1), n)
}
