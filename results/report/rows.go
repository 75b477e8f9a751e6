package report

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
)

// Rows are the tables of a verdict that every form of report makes of it, its cells
// words for people. A table that there is nothing to say in has no rows.
type Rows struct {
	Summary    string     // what everybody asks first, in one line
	Load       [][]string // phases of the load, under their heads
	Cost       []costLine
	Nodes      []nodeCost
	Recovery   []objective
	StaleWords string // of reads of registers, in one sentence
	Stale      []checkers.StaleReads
	Guarantees []guarantee
	SetTimes   []setRow
	SetNodes   []setNode
	Isolation  string // of transactions, in one sentence
	Anomalies  []anomalyRow
	Decisive   int // index of the finding that rules the next level of isolation out; -1: none
	Lag        []lagLine
}

// RowsOf makes them.
func RowsOf(v *results.Verdict) Rows {
	return Rows{
		Summary: summaryLine(v), Load: loadTable(v), Cost: costLines(v), Nodes: nodeCosts(v), Recovery: objectives(v),
		StaleWords: staleWords(v), Stale: staleRows(v), Guarantees: guarantees(v), SetTimes: setRows(v), SetNodes: setNodes(v),
		Isolation: isolationWords(v), Anomalies: anomalyRows(v), Decisive: decisive(v), Lag: lagLines(v),
	}
}

// lagLine is one replica's lag as clients saw it and as the system told it;
// either may be missing.
type lagLine struct {
	Node       string
	Seen, Told *lagCells
	Unseen     int64
	Source     string // the system's own name of what it told
}

// lagCells are percentiles in words.
type lagCells struct{ P50, P99, Max, Bytes string }

func lagLines(v *results.Verdict) []lagLine {
	var lines []lagLine
	for _, r := range v.Lag {
		lines = append(lines, lagLine{Node: r.Node, Unseen: r.Unseen, Seen: &lagCells{P50: formatLag(r.P50), P99: formatLag(r.P99), Max: formatLag(r.Max)}})
	}
	for _, r := range v.ServerLag {
		at := slices.IndexFunc(lines, func(l lagLine) bool { return l.Node == r.Node })
		if at < 0 {
			at = len(lines)
			lines = append(lines, lagLine{Node: r.Node})
		}
		told := &lagCells{P50: formatServerLag(r.P50), P99: formatServerLag(r.P99), Max: formatServerLag(r.Max), Bytes: "–"}
		if r.Bytes != nil {
			told.Bytes = units.Bytes(float64(*r.Bytes))
		}
		lines[at].Told, lines[at].Source = told, r.Source
	}
	return lines
}

// Mark is an answer as a sign that needs no colour.
func Mark(a results.Answer) string { return answerMark(a) }

// Happened is what a place did by itself, in words.
func Happened(h *results.Happening) string { return placeLine(h) }

// Plain is a text without what could control a terminal, in one line.
func Plain(s string) string { return plain(s) }
