package report

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

// objective is what one fault did, or all cycles: how long until it was noticed,
// another node was the primary, writes and reads were served and redundancy was
// restored, and what was lost. "–" is not known.
type objective struct{ Fault, Detect, Role, Write, Read, Restored, Lost, Age string }

// objectiveHead is the head of a table of them.
var objectiveHead = []string{"fault to", "error", "primary", "write", "read", "caught up", "lost", "oldest"}

func (o *objective) cells() []string {
	return []string{o.Fault, o.Detect, o.Role, o.Write, o.Read, o.Restored, o.Lost, o.Age}
}

// objectives are those of each fault, and where there are several cycles their
// median and worst. It is empty where nothing is known of any.
func objectives(v *results.Verdict) []objective {
	var rows []objective
	known := false
	row := func(name string, fact func(rest string) string) {
		cell := func(name string) string {
			f, ok := factOf(v, name)
			if !ok || !f.Known {
				return "–"
			}
			known = true
			return shortBounds(f)
		}
		rows = append(rows, objective{name, cell(fact("rto.detect")), cell(fact("rto.role")), cell(fact("rto.client.write")), cell(fact("rto.client.read")),
			cell(fact("redundancy.restored")), cell(fact("rpo.ops")), cell(fact("rpo.time"))})
	}
	for i := range v.Faults {
		if f := &v.Faults[i]; f.Executed {
			row(strings.TrimSpace(plain(f.ID)+" "+plain(f.Kind())), func(name string) string {
				head, rest, _ := strings.Cut(name, ".")
				return head + "." + f.ID + "." + rest
			})
		}
	}
	if cycles, ok := factOf(v, "rto.cycles"); ok && cycles.N > 1 {
		row("median", func(name string) string { return name + ".p50" })
		row("worst", func(name string) string { return name + ".max" })
	}
	if !known {
		return nil
	}
	return rows
}

// shortBounds shows a value with what is known of it in little room: ≥5s, 150ms–200ms.
func shortBounds(f results.FactValue) string {
	text := f.Format(f.Unit)
	text = strings.Replace(text, "at least ", "≥", 1)
	if f.Unit != checkers.Boolean {
		text = strings.Replace(text, " to ", "–", 1)
	}
	return text
}

// maxObjectives bounds the faults of a text's table: with more, only the median
// and the worst of the cycles are told.
const maxObjectives = 4

// objectives writes the table.
func (t *text) objectives(v *results.Verdict) {
	rows := objectives(v)
	if len(rows) > maxObjectives+2 {
		rows = rows[len(rows)-2:]
		if rows[0].Fault != "median" {
			return // they are in the report
		}
	}
	if len(rows) == 0 {
		return
	}
	table := [][]string{objectiveHead}
	for i := range rows {
		table = append(table, rows[i].cells())
	}
	t.line()
	for i, line := range align(table) {
		style := styleNone
		if i == 0 {
			style = styleDim
		}
		t.line(style, "  "+line)
	}
}
