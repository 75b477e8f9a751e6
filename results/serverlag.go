package results

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// answerStands is how long an answer stands: the next one may be a little late.
const answerStands = int64(3 * history.ServerLagEvery / 2)

// ServerLagRow is one replica's replication lag in the system's own words, in
// nanoseconds. The row of an empty node is that of all replicas. What the
// system does not tell has no value.
type ServerLagRow struct {
	Node    string `json:"node,omitempty"`
	Source  string `json:"source"` // the system's own names of the figures
	Answers int    `json:"answers"`
	P50     *int64 `json:"p50_ns,omitempty"`
	P99     *int64 `json:"p99_ns,omitempty"`
	Max     *int64 `json:"max_ns,omitempty"`
	Bytes   *int64 `json:"bytes_max,omitempty"`
}

// addServerLag adds what the system told of its lag, if it told anything.
func (m *Measured) addServerLag(log *history.Log) {
	answers := lag.ServerLagAnswers(log)
	if len(answers) == 0 {
		return
	}
	values := m.ByName()
	for i := -1; i < len(log.Meta.Nodes); i++ {
		prefix, row := "lag.server.", ServerLagRow{}
		if i >= 0 {
			row.Node = log.Meta.Nodes[i]
			prefix += row.Node + "."
		}
		var sources []string
		for _, answer := range answers {
			if i >= 0 && answer.Node != i || answer.At < m.begin || answer.At > m.end {
				continue
			}
			row.Answers++
			if !slices.Contains(sources, answer.Source) {
				sources = append(sources, answer.Source)
			}
		}
		slices.Sort(sources)
		row.Source = strings.Join(sources, ", ")
		row.P50, row.P99, row.Max = nanosOf(values, prefix+"p50"), nanosOf(values, prefix+"p99"), nanosOf(values, prefix+"max")
		row.Bytes = nanosOf(values, prefix+"bytes.max")
		if row.Answers > 0 {
			m.ServerLag = append(m.ServerLag, row)
		}
	}
	m.LagNotes = lagNotes(log, lag.LagSpans(log), answers)
}

// noteLag is the least lag that is worth a note: the system is asked twice in
// that time.
const noteLag = 2 * history.ServerLagEvery

// lagNotes says of each replica where what clients saw of its lag and what the
// system told of it contradict each other: at the worst that clients saw, and
// at the worst that the system told.
func lagNotes(log *history.Log, spans []lag.LagSpan, answers []lag.ServerLagAnswer) []string {
	var notes []string
	if len(spans) == 0 {
		return nil
	}
	begin, end, ok := log.MeasureSpan()
	if !ok {
		return nil
	}
	step := wholeSeconds(answers)
	for i, node := range log.Meta.Nodes {
		worst := worstSpan(spans, i, log.End())
		var most *lag.ServerLagAnswer // the worst that was told while measuring
		for t := range answers {
			if answer := &answers[t]; answer.Node == i && begin <= answer.At && answer.At <= end && (most == nil || answer.Time > most.Time) {
				most = answer
			}
		}
		if note := unseenByTheSystem(node, i, worst, answers, step); note != "" {
			notes = append(notes, note)
		}
		if most != nil && most.Time >= int64(noteLag) && most.Time-step > 2*seenAround(spans, i, most.At, log.End()) {
			notes = append(notes, fmt.Sprintf("%s: the system told %s (%s) at %s, when clients saw a lag of at most %s.", node,
				units.Nanos(most.Time), most.Source, units.Instant(most.At), units.Nanos(seenAround(spans, i, most.At, log.End()))))
		}
	}
	return notes
}

// wholeSeconds is by how much a time that the system told may be off because it tells
// whole seconds: one, unless some answer is of another length. Answers of nothing but 0
// may be such as well.
func wholeSeconds(answers []lag.ServerLagAnswer) int64 {
	const second = int64(time.Second)
	for i := range answers {
		if answers[i].Time%second != 0 && answers[i].Time > 0 {
			return 0
		}
	}
	return second
}

// worstSpan is a node's longest span of a marker of the measured phase; one
// that never ended lasts until last.
func worstSpan(spans []lag.LagSpan, node int, last int64) lag.LagSpan {
	worst := lag.LagSpan{}
	for _, s := range spans {
		s.Visible = min(s.Visible, max(last, s.Acked))
		if int(s.Node) == node && !s.Warmup && s.Visible-s.Acked > worst.Visible-worst.Acked {
			worst = s
		}
	}
	return worst
}

// unseenByTheSystem tells when the system knew less than half of a lag that
// clients saw, or nothing. A time that it told may be greater by step.
func unseenByTheSystem(node string, i int, worst lag.LagSpan, answers []lag.ServerLagAnswer, step int64) string {
	lag := worst.Visible - worst.Acked
	if lag < int64(noteLag) {
		return ""
	}
	count, most, bytes := 0, int64(-1), int64(-1)
	for _, answer := range answers {
		if answer.Node == i && worst.Acked <= answer.At && answer.At <= worst.Visible {
			count++
			most, bytes = max(most, answer.Time), max(bytes, answer.Bytes)
		}
	}
	if most > lag/2 || most >= 0 && most+step > lag/2 {
		return ""
	}
	said := ""
	switch {
	case count == 0:
		said = "told nothing of it"
	case most < 0:
		said = "told no time, and at most " + units.Bytes(float64(bytes))
	case bytes < 0:
		said = "told at most " + units.Nanos(most)
	default:
		said = fmt.Sprintf("told at most %s and %s", units.Nanos(most), units.Bytes(float64(bytes)))
	}
	return fmt.Sprintf("%s: clients waited %s for a marker, from %s on; in that time the system %s.", node, units.Nanos(lag), units.Instant(worst.Acked), said)
}

// seenAround is the greatest lag of a node for clients at some instant at which
// an answer stands, counted up to there and to its end.
func seenAround(spans []lag.LagSpan, node int, at, last int64) int64 {
	most := int64(0)
	for _, s := range spans {
		s.Visible = min(s.Visible, max(last, s.Acked))
		if int(s.Node) == node && s.Acked <= at+answerStands && s.Visible >= at-answerStands {
			most = max(most, s.Visible-s.Acked)
		}
	}
	return most
}
