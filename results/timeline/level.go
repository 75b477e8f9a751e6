package timeline

import (
	"math"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// How fine the picture over time is: at most so many bins at the finest level, each
// further level so many times as wide, down to a level of at most fewBins.
const (
	mostBins  = 3000
	fewBins   = 240
	widen     = 4
	leastBin  = int64(5 * time.Millisecond)
	perOctave = 16 // bins of latency for each doubling, of which percentiles are made
	perRow    = 4  // of which make one row of the heat map
	octaves   = 42 // from a microsecond up to more than a month
)

// group tells what changes data from what only looks.
type group int

const (
	reads group = iota
	writes
	groups
)

func (g group) String() string { return [...]string{"reads", "writes"}[g] }

// level is the run over time in bins of one width.
type Level struct {
	First  float64  `json:"first"` // where the first bin begins, seconds of the run's clock
	Width  float64  `json:"width"` // of a bin, seconds
	Bins   int      `json:"bins"`
	Reads  *Answers `json:"reads,omitempty"`
	Writes *Answers `json:"writes,omitempty"`
	Seen   []OfNode `json:"seen,omitempty"`  // lag of each replica, in milliseconds: for clients
	Told   []OfNode `json:"told,omitempty"`  // the same in the system's own words
	Stale  []OfNode `json:"stale,omitempty"` // greatest staleness of the reads that each node answered, in milliseconds
	first  int64
	width  int64
}

// answers are the operations of one group over time. Latencies belong to the bin in
// which the operation was intended, so that an outage shows when it began; counts to the
// bin in which the answer came.
type Answers struct {
	OK      Column `json:"ok"` // a second
	Failed  Column `json:"failed"`
	Unknown Column `json:"unknown"`
	P50     Column `json:"p50"` // milliseconds
	P99     Column `json:"p99"`
	Max     Column `json:"max"`
	Heat    heat   `json:"heat"`
}

// ofNode is what one node shows over time.
type OfNode struct {
	Node string `json:"node"`
	Max  Column `json:"max"`
}

// bin gathers one group in one stretch of time.
type bin struct {
	counts              []uint32 // of latencies
	most                int64
	ok, failed, unknown int
}

func (b *bin) record(ns int64) {
	at := latencyBin(ns)
	for len(b.counts) <= at {
		b.counts = append(b.counts, 0)
	}
	b.counts[at]++
	b.most = max(b.most, ns)
}

// latencyBin is the bin of a latency.
func latencyBin(ns int64) int {
	if ns <= 1000 {
		return 0
	}
	return min(int(math.Log2(float64(ns)/1000)*perOctave), octaves*perOctave-1)
}

func (b *bin) merge(from *bin) {
	for at, n := range from.counts {
		for len(b.counts) <= at {
			b.counts = append(b.counts, 0)
		}
		b.counts[at] += n
	}
	b.most = max(b.most, from.most)
	b.ok, b.failed, b.unknown = b.ok+from.ok, b.failed+from.failed, b.unknown+from.unknown
}

// at is a percentile in milliseconds: the middle of the bin of latency that has the
// nearest rank, and no more than the greatest.
func (b *bin) at(percent float64) float64 {
	total := uint64(0)
	for _, n := range b.counts {
		total += uint64(n)
	}
	if total == 0 {
		return math.NaN()
	}
	rank := min(max(uint64(math.Ceil(percent/100*float64(total))), 1), total)
	for at, n := range b.counts {
		if rank <= uint64(n) {
			return min(1000*math.Exp2((float64(at)+0.5)/perOctave), float64(b.most)) / 1e6
		}
		rank -= uint64(n)
	}
	return float64(b.most) / 1e6
}

// overTime gathers the finest level from operations in any order.
type overTime struct {
	first, width int64
	bins         [groups][]bin
}

// newOverTime makes room for a log's load from a time on; nil if there is none.
func newOverTime(log *history.Log, from int64) *overTime {
	first, last, any := log.LoadSpan()
	if !any {
		return nil
	}
	first = max(min(first, from), 0) // the clock starts at zero; an earlier time is damaged
	span := kit.Span(max(last, first), first)
	o := &overTime{first: first, width: binWidth(span)}
	for g := range o.bins {
		o.bins[g] = make([]bin, span/o.width+1)
	}
	return o
}

// binWidth is a round width of which at most mostBins make up a span.
func binWidth(span int64) int64 {
	for width := leastBin; width < math.MaxInt64/10; width *= 10 {
		for _, times := range [...]int64{1, 2, 4} {
			if span/(width*times) < mostBins {
				return width * times
			}
		}
	}
	return math.MaxInt64 / mostBins
}

func (o *overTime) bin(g group, at int64) *bin {
	return &o.bins[g][min(max(kit.Span(at, o.first), 0)/o.width, int64(len(o.bins[g])-1))]
}

func (o *overTime) add(op *history.Op) {
	if o == nil || !op.Load() || op.Final() {
		return
	}
	g := reads
	if op.Kind.Writes() {
		g = writes
	}
	switch {
	case op.Outcome == history.OK:
		o.bin(g, op.End).ok++
		o.bin(g, op.Intended).record(max(kit.Span(op.End, op.Intended), 0))
	case op.Error == history.ErrCompare: // it was answered, as it had to be
	case op.Outcome == history.Fail:
		o.bin(g, op.End).failed++
	default:
		o.bin(g, op.End).unknown++
	}
}

// levels are the finest one and those that are made of it, the coarsest first.
func (o *overTime) levels() []*Level {
	if o == nil {
		return nil
	}
	var all []*Level
	bins, width := o.bins, o.width
	for {
		all = append([]*Level{levelOf(bins, o.first, width)}, all...)
		if len(bins[0]) <= fewBins {
			return all
		}
		for g := range bins {
			bins[g] = widened(bins[g])
		}
		width *= widen
	}
}

func widened(bins []bin) []bin {
	wide := make([]bin, (len(bins)+widen-1)/widen)
	for i := range bins {
		wide[i/widen].merge(&bins[i])
	}
	return wide
}

func levelOf(bins [groups][]bin, first, width int64) *Level {
	l := &Level{First: float64(first) / 1e9, Width: float64(width) / 1e9, Bins: len(bins[0]), first: first, width: width}
	l.Reads, l.Writes = answersOf(bins[reads], width), answersOf(bins[writes], width)
	return l
}

// answersOf are the columns of one group; nil if it has no operations.
func answersOf(bins []bin, width int64) *Answers {
	a, any := &Answers{}, false
	perSecond := float64(time.Second) / float64(width)
	for i := range bins {
		b := &bins[i]
		any = any || b.ok+b.failed+b.unknown > 0
		a.OK = append(a.OK, float64(b.ok)*perSecond)
		a.Failed = append(a.Failed, float64(b.failed)*perSecond)
		a.Unknown = append(a.Unknown, float64(b.unknown)*perSecond)
		a.P50, a.P99 = append(a.P50, b.at(50)), append(a.P99, b.at(99))
		most := math.NaN()
		if b.most > 0 || len(b.counts) > 0 {
			most = float64(b.most) / 1e6
		}
		a.Max = append(a.Max, most)
		a.Heat = append(a.Heat, rowsOf(b))
	}
	if !any {
		return nil
	}
	return a
}

// rowsOf are the counts of a bin by the rows of the heat map.
func rowsOf(b *bin) []uint32 {
	var rows []uint32
	for at, n := range b.counts {
		for len(rows) <= at/perRow {
			rows = append(rows, 0)
		}
		rows[at/perRow] += n
	}
	return rows
}
