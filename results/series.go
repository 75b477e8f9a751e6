package results

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// Series is the run over time in buckets of equal width, for the picture.
// Latencies belong to the bucket in which the operation was intended, so that
// an outage shows when it began, staleness to that in which the read began; answers belong to the bucket in which they
// came. A dequeue counts as a read. All columns have the same length.
type Series struct {
	Width     int64        `json:"width_ns"`
	T         Column       `json:"t"` // middle of the bucket, seconds of the run's clock
	ReadP50   Column       `json:"read_p50"`
	ReadP99   Column       `json:"read_p99"`
	ReadMax   Column       `json:"read_max"`
	WriteP50  Column       `json:"write_p50"`
	WriteP99  Column       `json:"write_p99"`
	WriteMax  Column       `json:"write_max"`       // latencies in milliseconds
	Acked     Column       `json:"acked"`           // acknowledged operations per second
	Errors    Column       `json:"errors"`          // failed and unknown operations per second
	LagSeen   Column       `json:"lag_seen"`        // how far the furthest replica was behind, in milliseconds: for clients
	ServerLag Column       `json:"lag_told"`        // the same in the system's own words
	Stale     []NodeColumn `json:"stale,omitempty"` // greatest staleness of reads of registers, by node, in milliseconds
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
	FineWidth  = int64(100 * time.Millisecond)
	broadWidth = int64(250 * time.Millisecond)
)

// bucketWidth keeps a run's picture between a few and maxBuckets buckets.
func bucketWidth(span int64) int64 {
	switch {
	case span <= 400*FineWidth:
		return FineWidth
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
	reads, writes sample
	acked, errors int
}

// sample is latencies, exact up to a number of them. From there on they are
// counted in a histogram of one digit, which is enough for the picture.
type sample struct {
	all    []int64
	counts *hdrhistogram.Histogram
	most   int64
}

// keptSamples is how many latencies a bucket of a log on disk keeps.
const keptSamples = 512

func (s *sample) add(ns int64, limited bool) {
	s.most = max(s.most, ns)
	if s.counts == nil && (!limited || len(s.all) < keptSamples) {
		s.all = append(s.all, ns)
		return
	}
	if s.counts == nil {
		s.counts = hdrhistogram.New(kit.LowestLatency, kit.HighestLatency, 1)
		for _, ns := range s.all {
			s.counts = kit.RecordLatency(s.counts, ns, 1)
		}
		s.all = nil
	}
	s.counts = kit.RecordLatency(s.counts, ns, 1)
}

// At is a percentile in milliseconds.
func (s *sample) at(percent float64) float64 {
	switch {
	case s.counts == nil:
		return exact(s.all, percent)
	case percent >= 100:
		return float64(s.most) / 1e6
	}
	return float64(min(s.counts.ValueAtPercentile(percent), s.most)) / 1e6
}

// seriesTally gathers a series from the operations in any order.
type seriesTally struct {
	first, width int64
	cells        []cell // empty: there is no load
	limited      bool
}

func newSeriesTally(log *history.Log, t *timeline) *seriesTally {
	first, last, any := log.LoadSpan()
	if !any {
		return &seriesTally{width: FineWidth}
	}
	if n := len(t.spans); n > 0 {
		first = min(first, t.spans[0].Begin)
	}
	first = max(first, 0) // the clock starts at zero; an earlier time is damaged
	span := kit.Span(max(last, first), first)
	width := bucketWidth(span)
	return &seriesTally{first: first, width: width, cells: make([]cell, span/width+1), limited: log.OnDisk()}
}

func (s *seriesTally) bucket(at int64) *cell {
	return &s.cells[min(max(kit.Span(at, s.first), 0)/s.width, int64(len(s.cells)-1))]
}

func (s *seriesTally) add(op *history.Op) {
	if len(s.cells) == 0 || !IsLoad(op) || op.Final() {
		return
	}
	switch {
	case op.Outcome == history.OK:
		s.bucket(op.End).acked++
		c, latency := s.bucket(op.Intended), max(kit.Span(op.End, op.Intended), 0)
		if op.Kind.Writes() {
			c.writes.add(latency, s.limited)
		} else {
			c.reads.add(latency, s.limited)
		}
	case op.Error != history.ErrCompare:
		s.bucket(op.End).errors++
	}
}

func (s *seriesTally) series(log *history.Log, stale []checkers.StaleSample) Series {
	if len(s.cells) == 0 {
		return Series{Width: s.width}
	}
	series := seriesOf(s.cells, s.first, s.width)
	series.addLag(log, s.first)
	series.addStaleness(log, stale, s.first)
	return series
}

func seriesOf(cells []cell, first, width int64) Series {
	s := Series{Width: width}
	perSecond := float64(time.Second) / float64(width)
	for i := range cells {
		c := &cells[i]
		s.T = append(s.T, (float64(first)+(float64(i)+0.5)*float64(width))/1e9)
		slices.Sort(c.reads.all)
		slices.Sort(c.writes.all)
		s.ReadP50 = append(s.ReadP50, c.reads.at(50))
		s.ReadP99 = append(s.ReadP99, c.reads.at(99))
		s.ReadMax = append(s.ReadMax, c.reads.at(100))
		s.WriteP50 = append(s.WriteP50, c.writes.at(50))
		s.WriteP99 = append(s.WriteP99, c.writes.at(99))
		s.WriteMax = append(s.WriteMax, c.writes.at(100))
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
