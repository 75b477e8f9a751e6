package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// ServerLagEvery is the time between two questions to a node for the
// replication lag that the system itself tells.
const ServerLagEvery = 250 * time.Millisecond

// toldFor is how long an answer stands: the next one may be a little late.
const toldFor = int64(3 * ServerLagEvery / 2)

// ToldRow is one replica's replication lag in the system's own words, in
// nanoseconds. The row of an empty node is that of all replicas. What the
// system does not tell has no value.
type ToldRow struct {
	Node    string `json:"node,omitempty"`
	Source  string `json:"source"` // the system's own names of the figures
	Answers int    `json:"answers"`
	P50     *int64 `json:"p50_ns,omitempty"`
	P99     *int64 `json:"p99_ns,omitempty"`
	Max     *int64 `json:"max_ns,omitempty"`
	Bytes   *int64 `json:"bytes_max,omitempty"`
}

// addTold adds what the system told of its lag, if it told anything.
func (m *Measured) addTold(log *history.Log) {
	tolds := checkers.Tolds(log)
	if len(tolds) == 0 {
		return
	}
	values := m.ByName()
	for i := -1; i < len(log.Meta.Nodes); i++ {
		prefix, row := "lag.server.", ToldRow{}
		if i >= 0 {
			row.Node = log.Meta.Nodes[i]
			prefix += row.Node + "."
		}
		var sources []string
		for _, told := range tolds {
			if i >= 0 && told.Node != i || told.At < m.begin || told.At > m.end {
				continue
			}
			row.Answers++
			if !slices.Contains(sources, told.Source) {
				sources = append(sources, told.Source)
			}
		}
		slices.Sort(sources)
		row.Source = strings.Join(sources, ", ")
		row.P50, row.P99, row.Max = nanosOf(values, prefix+"p50"), nanosOf(values, prefix+"p99"), nanosOf(values, prefix+"max")
		row.Bytes = nanosOf(values, prefix+"bytes.max")
		if row.Answers > 0 {
			m.Told = append(m.Told, row)
		}
	}
	m.LagNotes = lagNotes(log, checkers.LagSpans(log), tolds)
}

// noteLag is the least lag that is worth a note: the system is asked twice in
// that time.
const noteLag = 2 * ServerLagEvery

// lagNotes says of each replica where what clients saw of its lag and what the
// system told of it contradict each other: at the worst that clients saw, and
// at the worst that the system told.
func lagNotes(log *history.Log, spans []checkers.LagSpan, tolds []checkers.Told) []string {
	var notes []string
	if len(spans) == 0 {
		return nil
	}
	begin, end, ok := log.MeasureSpan()
	if !ok {
		return nil
	}
	for i, node := range log.Meta.Nodes {
		worst := worstSpan(spans, i, log.End())
		var most *checkers.Told // the worst that was told while measuring
		for t := range tolds {
			if told := &tolds[t]; told.Node == i && begin <= told.At && told.At <= end && (most == nil || told.Time > most.Time) {
				most = told
			}
		}
		if note := unseenByTheSystem(node, i, worst, tolds); note != "" {
			notes = append(notes, note)
		}
		if most != nil && most.Time >= int64(noteLag) && most.Time > 2*seenAround(spans, i, most.At, log.End()) {
			notes = append(notes, fmt.Sprintf("%s: the system told %s (%s) at %s, when clients saw a lag of at most %s.", node,
				FormatNanos(most.Time), most.Source, seconds(most.At), FormatNanos(seenAround(spans, i, most.At, log.End()))))
		}
	}
	return notes
}

// worstSpan is a node's longest span of a marker of the measured phase; one
// that never ended lasts until last.
func worstSpan(spans []checkers.LagSpan, node int, last int64) checkers.LagSpan {
	worst := checkers.LagSpan{}
	for _, s := range spans {
		s.Visible = min(s.Visible, max(last, s.Acked))
		if int(s.Node) == node && !s.Warmup && s.Visible-s.Acked > worst.Visible-worst.Acked {
			worst = s
		}
	}
	return worst
}

// unseenByTheSystem tells when the system knew less than half of a lag that
// clients saw, or nothing.
func unseenByTheSystem(node string, i int, worst checkers.LagSpan, tolds []checkers.Told) string {
	lag := worst.Visible - worst.Acked
	if lag < int64(noteLag) {
		return ""
	}
	answers, most, bytes := 0, int64(-1), int64(-1)
	for _, told := range tolds {
		if told.Node == i && worst.Acked <= told.At && told.At <= worst.Visible {
			answers++
			most, bytes = max(most, told.Time), max(bytes, told.Bytes)
		}
	}
	if most > lag/2 {
		return ""
	}
	said := ""
	switch {
	case answers == 0:
		said = "told nothing of it"
	case most < 0:
		said = "told no time, and at most " + FormatBytes(float64(bytes))
	case bytes < 0:
		said = "told at most " + FormatNanos(most)
	default:
		said = fmt.Sprintf("told at most %s and %s", FormatNanos(most), FormatBytes(float64(bytes)))
	}
	return fmt.Sprintf("%s: clients waited %s for a marker, from %s on; in that time the system %s.", node, FormatNanos(lag), seconds(worst.Acked), said)
}

// seenAround is the greatest lag of a node for clients at some instant at which
// an answer stands, counted up to there and to its end.
func seenAround(spans []checkers.LagSpan, node int, at, last int64) int64 {
	most := int64(0)
	for _, s := range spans {
		s.Visible = min(s.Visible, max(last, s.Acked))
		if int(s.Node) == node && s.Acked <= at+toldFor && s.Visible >= at-toldFor {
			most = max(most, s.Visible-s.Acked)
		}
	}
	return most
}

// addLag adds the columns of lag to a series whose first bucket begins at first.
func (s *Series) addLag(log *history.Log, first int64) {
	s.LagSeen, s.LagTold = empty(len(s.T)), empty(len(s.T))
	spans := map[int8][]checkers.LagSpan{}
	for _, span := range checkers.LagSpans(log) {
		spans[span.Node] = append(spans[span.Node], span)
	}
	for _, of := range spans {
		s.LagSeen.raise(behind(of, first, s.Width, len(s.T), log.End()))
	}
	tolds := map[int][]checkers.Told{}
	for _, told := range checkers.Tolds(log) {
		if told.Time >= 0 {
			tolds[told.Node] = append(tolds[told.Node], told)
		}
	}
	for _, of := range tolds {
		s.LagTold.raise(toldColumn(of, first, s.Width, len(s.T)))
	}
}

// HasLag tells whether there is anything to draw of lag.
func (s Series) HasLag() bool { return s.LagSeen.any() || s.LagTold.any() }

func (c Column) any() bool {
	return slices.ContainsFunc(c, func(x float64) bool { return !math.IsNaN(x) })
}

func empty(n int) Column {
	c := make(Column, n)
	for i := range c {
		c[i] = math.NaN()
	}
	return c
}

// raise makes each cell the greater of the two that are there.
func (c Column) raise(o Column) {
	for i, x := range o {
		if math.IsNaN(c[i]) || x > c[i] {
			c[i] = x
		}
	}
}

// toldColumn is the greatest time, in milliseconds, that stood in each bucket.
// An answer stands until the replica's next one, and no longer than toldFor.
func toldColumn(tolds []checkers.Told, first, width int64, n int) Column {
	column := empty(n)
	for i, told := range tolds { // by time
		end := told.At + toldFor
		if i+1 < len(tolds) {
			end = min(end, tolds[i+1].At)
		}
		for b := max(since(told.At, first), 0) / width; b < int64(n) && first+b*width <= end; b++ {
			if x := float64(told.Time) / 1e6; math.IsNaN(column[b]) || x > column[b] {
				column[b] = x
			}
		}
	}
	return column
}

// behind is how far behind one replica was for clients: the greatest age, in
// milliseconds, that an acknowledged and not yet visible marker reached in each
// bucket; nothing where there was no such marker.
//
// In a bucket [b, e) a span [a, v) reaches the age min(e, v) − a. Of those with
// v ≥ e the one with the least a counts, which is a minimum over a suffix of the
// spans by v; those with v in the bucket are looked at one by one. So it takes
// one pass after sorting.
func behind(spans []checkers.LagSpan, first, width int64, n int, last int64) Column {
	column := empty(n)
	spans = slices.Clone(spans)
	for i := range spans {
		spans[i].Visible = min(spans[i].Visible, max(last, spans[i].Acked))
	}
	slices.SortFunc(spans, func(a, b checkers.LagSpan) int { return cmp.Compare(a.Visible, b.Visible) })
	oldest := make([]int64, len(spans)+1) // the least Acked of spans[i:]
	oldest[len(spans)] = math.MaxInt64
	for i := len(spans) - 1; i >= 0; i-- {
		oldest[i] = min(oldest[i+1], spans[i].Acked)
	}
	next := 0 // the first span that ends in this bucket or later
	for b := range column {
		from, to := first+int64(b)*width, first+int64(b+1)*width
		most := int64(-1)
		for ; next < len(spans) && spans[next].Visible < to; next++ {
			if spans[next].Visible >= from {
				most = max(most, spans[next].Visible-spans[next].Acked)
			}
		}
		if oldest[next] < to {
			most = max(most, to-oldest[next])
		}
		if most >= 0 {
			column[b] = float64(most) / 1e6
		}
	}
	return column
}
