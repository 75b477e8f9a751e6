package report

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// headlineWords say in a few words what the facts of a headline are.
var headlineWords = map[string]string{"ops.rate": "", "errors.rate": "errors", "latency.p50": "p50", "latency.p99": "p99",
	"availability.write_gap.max": "write gap", "failover.max": "failover"}

// summaryLine is a run's headline in one line: "498/s, 0.2 % errors, p50 1.1ms, …".
func summaryLine(v *results.Verdict) string {
	var parts []string
	for _, value := range v.Headline() {
		figure, word := figure(value), headlineWords[value.Name]
		switch {
		case value.Name == "failover.max" && noFailover(v):
			parts = append(parts, "no failover")
		case word == "":
			parts = append(parts, figure)
		case unitOf(value) == checkers.Ratio:
			parts = append(parts, figure+" "+word)
		default:
			parts = append(parts, word+" "+figure)
		}
	}
	return strings.Join(parts, ", ")
}

// noFailover tells whether nothing hit the primary.
func noFailover(v *results.Verdict) bool {
	count, ok := v.Fact("failover.count")
	return ok && count.Known && count.N == 0
}

// unitOf is a fact's unit, also in a verdict that does not tell it.
func unitOf(v results.FactValue) checkers.Unit {
	fact, _ := claims.LookupFact(v.Name)
	return cmp.Or(v.Unit, fact.Unit)
}

// figure writes a fact as short as a table has it: "498/s", "0.2 %", "≥1.1ms"; ? if
// it is unknown.
func figure(v results.FactValue) string {
	if !v.Known {
		return "?"
	}
	format := func(n float64) string {
		switch unitOf(v) {
		case checkers.PerSec:
			return strconv.FormatFloat(n, 'f', 0, 64) + "/s"
		case checkers.Ratio:
			return units.Digits(n*100) + " %"
		case checkers.Nanos:
			return units.FloatNanos(n)
		}
		return units.Digits(n)
	}
	least, most := v.Bounds()
	switch {
	case least == most:
		return format(least)
	case v.AtMost == 0:
		return "≥" + format(least)
	}
	return format(least) + " to " + format(most)
}

func (t *text) summary(v *results.Verdict) {
	if line := summaryLine(v); line != "" {
		t.line(styleNone, "  "+line)
	}
}

// loadColumns are the facts of a phase of the load that tables show.
var loadColumns = [...]struct{ head, fact string }{
	{"asked", "asked"}, {"acked", "throughput"}, {"errors", "error_rate"}, {"p50", "latency.p50"}, {"p99", "latency.p99"}, {"lag p99", "lag.p99"},
	{"late", "late"}, {"dropped", "dropped"}, {"max", "latency.max"},
}

// loadTable is a row for each phase of the load under the heads; empty without
// phases. What no run of its kind has is no column.
func loadTable(v *results.Verdict) [][]string {
	if len(v.Load) == 0 {
		return nil
	}
	rows := [][]string{{"load", "rate"}}
	for _, p := range v.Load {
		rows = append(rows, []string{p.Name, p.Rule})
	}
	for _, c := range loadColumns {
		cells, any := make([]string, len(v.Load)), false
		for i, p := range v.Load {
			cells[i] = unmeasured
			if value, ok := v.Fact("load." + p.Name + "." + c.fact); ok {
				cells[i], any = figure(value), true
			}
		}
		if !any {
			continue
		}
		rows[0] = append(rows[0], c.head)
		for i, cell := range cells {
			rows[i+1] = append(rows[i+1], cell)
		}
	}
	return rows
}

// maxLoadRows is how many phases of the load the text shows.
const maxLoadRows = 6

// load writes the phases of the load.
func (t *text) load(v *results.Verdict) {
	rows := loadTable(v)
	if len(rows) == 0 {
		return
	}
	more := 0
	if len(rows) > maxLoadRows+1 {
		more = len(rows) - maxLoadRows
		rows = rows[:maxLoadRows]
	}
	t.line()
	for i, line := range alignAfter(2, rows) {
		style := styleNone
		if i == 0 {
			style = styleDim
		}
		t.line(style, "  "+line)
	}
	if more > 0 {
		t.line(styleDim, "  and "+units.Plural(more, "more phase", "more phases")+" in the report")
	}
}
