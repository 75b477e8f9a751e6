package report

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/results"
)

// shownFact is a fact's value for people; – for one that nobody measured or knows.
func shownFact(v *results.Verdict, name string) string {
	if f, ok := factOf(v, name); ok && f.Known {
		return f.String()
	}
	return "–"
}

// costLine is one part of what acknowledged writes cost.
type costLine struct{ Name, Value string }

// costLines are what is known of it, for each acknowledged write or in all.
func costLines(v *results.Verdict) []costLine {
	var lines []costLine
	for _, l := range [...]struct{ name, fact, after string }{
		{"cpu per write", "cost.cpu.per_write", ""}, {"network per write", "cost.network.per_write", ""}, {"disk per write", "cost.disk.per_write", ""},
		{"syncs per write", "cost.syncs.per_write", ""}, {"memory", "cost.memory", ""}, {"a million writes", "cost.money.per_million", v.Plan.Currency},
	} {
		if f, ok := factOf(v, l.fact); ok && f.Known {
			lines = append(lines, costLine{l.name, strings.TrimSpace(f.String() + " " + l.after)})
		}
	}
	return lines
}

// nodeCost is what one node took in the measured phase.
type nodeCost struct{ Node, CPU, Memory, Disk, Network string }

func nodeCosts(v *results.Verdict) []nodeCost {
	var rows []nodeCost
	for _, node := range v.Nodes {
		prefix := "cost." + node + "."
		if f, ok := factOf(v, prefix+"cpu"); ok && f.Known {
			rows = append(rows, nodeCost{node, f.String(), shownFact(v, prefix+"memory"), shownFact(v, prefix+"disk"), shownFact(v, prefix+"network")})
		}
	}
	return rows
}

// costs writes what acknowledged writes cost in one line, or two.
func (t *text) costs(v *results.Verdict) {
	lines := costLines(v)
	if len(lines) == 0 {
		return
	}
	parts := make([]string, len(lines))
	for i, l := range lines {
		parts[i] = l.Name + " " + l.Value
	}
	const head = "  cost  "
	t.line()
	for i, line := range t.wrap(plain(strings.Join(parts, ", ")), t.width-len(head), 2) {
		lead := head
		if i > 0 {
			lead = fmt.Sprintf("%*s", len(head), "")
		}
		t.line(styleDim, lead, styleNone, line)
	}
}
