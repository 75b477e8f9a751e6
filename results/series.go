package results

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// Series is the run over time in buckets of equal width, for the picture.
// Latencies belong to the bucket in which the operation was intended, so that
// an outage shows when it began; answers belong to the bucket in which they
// came. A dequeue counts as a read. All columns have the same length.
type Series struct {
	Width    int64  `json:"width_ns"`
	T        Column `json:"t"` // middle of the bucket, seconds of the run's clock
	ReadP50  Column `json:"read_p50"`
	ReadP99  Column `json:"read_p99"`
	ReadMax  Column `json:"read_max"`
	WriteP50 Column `json:"write_p50"`
	WriteP99 Column `json:"write_p99"`
	WriteMax Column `json:"write_max"` // latencies in milliseconds
	Acked    Column `json:"acked"`     // acknowledged operations per second
	Errors   Column `json:"errors"`    // failed and unknown operations per second
	LagSeen  Column `json:"lag_seen"`  // how far the furthest replica was behind, in milliseconds: for clients
	LagTold  Column `json:"lag_told"`  // the same in the system's own words
}

// Column is a list of numbers; what was not measured is NaN, and null in JSON.
type Column []float64

// MarshalJSON writes NaN as null and bounds the digits.
func (c Column) MarshalJSON() ([]byte, error) {
	cells := make([]*float64, len(c))
	for i, x := range c {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			r := math.Round(x*1e4) / 1e4
			cells[i] = &r
		}
	}
	return json.Marshal(cells)
}

const (
	maxBuckets = 4000
	fineWidth  = int64(100 * time.Millisecond)
	broadWidth = int64(250 * time.Millisecond)
)

// bucketWidth keeps a run's picture between a few and maxBuckets buckets.
func bucketWidth(span int64) int64 {
	switch {
	case span <= 400*fineWidth:
		return fineWidth
	case span/broadWidth < maxBuckets:
		return broadWidth
	}
	perBucket := span/(maxBuckets-1) + 1
	second := int64(time.Second)
	if perBucket > math.MaxInt64-second {
		return perBucket
	}
	return (perBucket + second - 1) / second * second
}

// cell gathers one bucket.
type cell struct {
	reads, writes []int64
	acked, errors int
}

func measureSeries(log *history.Log, t *timeline) Series {
	first, last, any := seriesSpan(log)
	if !any {
		return Series{Width: fineWidth}
	}
	if n := len(t.spans); n > 0 {
		first = min(first, t.spans[0].Begin)
	}
	first = max(first, 0) // the clock starts at zero; an earlier time is damaged
	span := since(max(last, first), first)
	width := bucketWidth(span)
	cells := make([]cell, span/width+1)
	bucket := func(at int64) *cell {
		return &cells[min(max(since(at, first), 0)/width, int64(len(cells)-1))]
	}
	for i := range log.Ops {
		op := &log.Ops[i]
		if !isLoad(op) || op.Final() {
			continue
		}
		switch {
		case op.Outcome == history.OK:
			bucket(op.End).acked++
			c, latency := bucket(op.Intended), max(since(op.End, op.Intended), 0)
			if op.Kind.Writes() {
				c.writes = append(c.writes, latency)
			} else {
				c.reads = append(c.reads, latency)
			}
		case op.Error != history.ErrCompare:
			bucket(op.End).errors++
		}
	}
	s := seriesOf(cells, first, width)
	s.addLag(log, first)
	return s
}

func seriesSpan(log *history.Log) (first, last int64, any bool) {
	first = math.MaxInt64
	for i := range log.Ops {
		op := &log.Ops[i]
		if isLoad(op) && !op.Final() {
			first, last, any = min(first, op.Intended), max(last, op.End, op.Intended), true
		}
	}
	return first, last, any
}

func seriesOf(cells []cell, first, width int64) Series {
	s := Series{Width: width}
	perSecond := float64(time.Second) / float64(width)
	for i := range cells {
		c := &cells[i]
		s.T = append(s.T, (float64(first)+(float64(i)+0.5)*float64(width))/1e9)
		slices.Sort(c.reads)
		slices.Sort(c.writes)
		s.ReadP50 = append(s.ReadP50, exact(c.reads, 50))
		s.ReadP99 = append(s.ReadP99, exact(c.reads, 99))
		s.ReadMax = append(s.ReadMax, exact(c.reads, 100))
		s.WriteP50 = append(s.WriteP50, exact(c.writes, 50))
		s.WriteP99 = append(s.WriteP99, exact(c.writes, 99))
		s.WriteMax = append(s.WriteMax, exact(c.writes, 100))
		s.Acked = append(s.Acked, float64(c.acked)*perSecond)
		s.Errors = append(s.Errors, float64(c.errors)*perSecond)
	}
	return s
}

// exact is the nearest-rank percentile of sorted nanoseconds, in milliseconds.
func exact(sorted []int64, percent float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(percent / 100 * float64(len(sorted))))
	return float64(sorted[min(max(rank, 1), len(sorted))-1]) / 1e6
}
