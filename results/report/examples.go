package report

import (
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/say"
)

// worded is a text in which the values of our own clients are told by who wrote them,
// as “client 5, write 234”.
func worded(v *results.Verdict, text string) string {
	var b strings.Builder
	for _, p := range say.Parts(text, v.Plan.Foreign) {
		if p.Value {
			b.WriteString("“" + p.Text + "”")
			continue
		}
		b.WriteString(p.Text)
	}
	return b.String()
}

// examples chooses at most n findings: one of each class, the gravest class
// first, then seconds of each class, and so on.
func examples(findings []results.Finding, n int) []results.Finding {
	type ranked struct{ round, severity, at int }
	seen := map[checkers.Class]int{}
	order := make([]ranked, 0, len(findings))
	for i := range findings {
		class := findings[i].Class
		order = append(order, ranked{seen[class], say.Gravity(class), i})
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
