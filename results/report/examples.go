package report

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

// severity orders the classes for the examples: what loses data first, then
// what shows data that is not there, then what shows old data.
var severity = []checkers.Class{
	checkers.LostWrite, checkers.LostElement, checkers.LostMessage, checkers.NotRecovered, checkers.Crash, checkers.Resurrected, checkers.Phantom, checkers.Future,
	checkers.UnexpectedMessage, checkers.Duplicate, checkers.DuplicateMessage, checkers.NotLinear, checkers.Diverged, checkers.StaleRead, checkers.StaleSet,
	checkers.ReadYourWrites, checkers.MonotonicRead, checkers.MonotonicWrite, checkers.WriteAfterRead, checkers.OrderFlip, checkers.Flapping, checkers.ReorderedMessage, checkers.NotFIFO,
}

func severityOf(c checkers.Class) int {
	if i := slices.Index(severity, c); i >= 0 {
		return i
	}
	return len(severity)
}

// examples chooses at most n findings: one of each class, the gravest class
// first, then seconds of each class, and so on.
func examples(findings []results.Finding, n int) []results.Finding {
	type ranked struct{ round, severity, at int }
	seen := map[checkers.Class]int{}
	order := make([]ranked, 0, len(findings))
	for i := range findings {
		class := findings[i].Class
		order = append(order, ranked{seen[class], severityOf(class), i})
		seen[class]++
	}
	slices.SortStableFunc(order, func(a, b ranked) int {
		if a.round != b.round {
			return a.round - b.round
		}
		return a.severity - b.severity
	})
	var chosen []results.Finding
	for _, r := range order[:min(n, len(order))] {
		chosen = append(chosen, findings[r.at])
	}
	return chosen
}
