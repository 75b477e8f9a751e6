package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
)

// tables writes latency, staleness, the times of sets and lag under common
// percentiles.
func (t *text) tables(v *results.Verdict) {
	rows := [][]string{}
	for _, r := range v.Latency {
		if r.Phase == "" {
			rows = append(rows, []string{r.Kind, fmt.Sprint(r.Count), units.Nanos(r.P50), units.Nanos(r.P99), units.Nanos(r.P999), units.Nanos(r.Max), ""})
		}
	}
	rows = append(rows, serviceTexts(v)...)
	if r := staleTotal(v); r != nil && r.Stale > 0 {
		rows = append(rows, []string{"staleness", fmt.Sprint(r.Reads), units.Nanos(r.P50), units.Nanos(r.P99), "", units.Nanos(r.Max), fmt.Sprintf("%d stale", r.Stale)})
	}
	for _, r := range setRows(v) {
		rows = append(rows, []string{r.Name, "", r.P50.String(), r.P99.String(), "", r.Max.String(), ""})
	}
	rows = append(rows, lagTexts(v)...)
	if len(rows) == 0 {
		return
	}
	more := 0
	if len(rows) > maxTextRows {
		more = len(rows) - maxTextRows + 1
		rows = rows[:maxTextRows-1]
	}
	t.line()
	head := []string{"latency", "acked", "p50", "p99", "p99.9", "max", ""}
	for i, line := range align(append([][]string{head}, rows...)) {
		style := styleNone
		if i == 0 {
			style = styleDim
		}
		t.line(style, "  "+line)
	}
	if more > 0 {
		t.line(styleDim, fmt.Sprintf("  and %d more in the report", more))
	}
}

// serviceTexts is the row of service times, from when operations were sent.
func serviceTexts(v *results.Verdict) [][]string {
	row := []string{"service", "", "", "", "", "", ""}
	for i, name := range []string{"service.p50", "service.p99", "service.p999", "service.max"} {
		value, ok := v.Fact(name)
		if !ok || !value.Known {
			return nil
		}
		row[i+2] = figure(value)
	}
	return [][]string{row}
}

// lagTexts are the rows of lag.
func lagTexts(v *results.Verdict) [][]string {
	var rows [][]string
	for _, r := range v.Lag {
		name := "lag " + plain(r.Node)
		if r.Node == "" {
			name = "lag"
		}
		unseen := ""
		if r.Unseen > 0 {
			unseen = fmt.Sprintf("%d unseen", r.Unseen)
		}
		rows = append(rows, []string{name, "", formatLag(r.P50), formatLag(r.P99), "", formatLag(r.Max), unseen})
	}
	for _, r := range v.ServerLag {
		if r.Node == "" && r.P50 != nil {
			rows = append(rows, []string{"lag as told", "", formatServerLag(r.P50), formatServerLag(r.P99), "", formatServerLag(r.Max), ""})
		}
	}
	return rows
}

// promises tells which session guarantees reads kept, and how isolated
// transactions were.
func (t *text) promises(v *results.Verdict) {
	all, isolation := guarantees(v), isolationWords(v)
	if len(all) > 0 || isolation != "" {
		t.line()
	}
	broken := slices.ContainsFunc(all, func(g guarantee) bool { return g.Answer() != results.Holds })
	if len(all) > 0 && !broken {
		t.line(answerStyle(results.Holds), "  "+answerMark(results.Holds)+" ", styleNone, fmt.Sprintf("every session guarantee kept in %s", units.Plural(all[0].Reads, "read", "reads")))
	}
	if broken {
		rows := [][]string{{"session guarantee", "reads", "broken", "", ""}}
		for _, g := range all {
			first := ""
			if g.First != nil {
				first = fmt.Sprintf("first at %s, key %s", units.Instant(g.First.At), cmp.Or(g.First.KeyName, fmt.Sprint(g.First.Key)))
			}
			rows = append(rows, []string{g.Name, fmt.Sprint(g.Reads), g.Times(), "", first})
		}
		for i, line := range align(rows) {
			if i == 0 {
				t.line(styleDim, "    "+line)
				continue
			}
			answer := all[i-1].Answer()
			t.line(answerStyle(answer), "  "+answerMark(answer)+" ", styleNone, line)
		}
	}
	for i, line := range t.wrap(plain(isolation), t.width-13, 2) {
		head := "             "
		if i == 0 {
			head = "  isolation  "
		}
		t.line(styleDim, head, styleNone, line)
	}
}

// align pads cells into columns: the first to the left, the others to the right.
func align(rows [][]string) []string { return alignAfter(1, rows) }

// alignAfter pads the first left columns to the left, the others to the right.
func alignAfter(left int, rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		var b strings.Builder
		for i, c := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			switch {
			case i == 0:
				b.WriteString(c + gap)
			case i < left:
				b.WriteString("  " + c + gap)
			case widths[i] > 0:
				b.WriteString("  " + gap + c)
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

func (t *text) faults(v *results.Verdict) {
	if len(v.Faults) > 0 || v.Dir != "" {
		t.line()
	}
	for i, f := range v.Faults {
		if i == t.most(maxFaultsText)-1 && len(v.Faults) > t.most(maxFaultsText) {
			t.line(styleDim, "  "+restOfFaults(v.Faults[i:]))
			return
		}
		style := styleNone
		if !f.Executed || f.Error != "" {
			style = styleWarn
		}
		t.line(styleDim, "  "+pad(plain(f.ID), 3)+" ", style, plain(faultLine(&f)))
	}
}

// maxPlaceText is how many lines the summary has for what a place did.
const maxPlaceText = 10

// place tells what a deployment that somebody else runs did by itself.
func (t *text) place(v *results.Verdict) {
	if len(v.Place) == 0 {
		return
	}
	t.line()
	for i := range v.Place {
		if i == maxPlaceText-1 && len(v.Place) > maxPlaceText {
			t.line(styleDim, fmt.Sprintf("  and %d more in the report", len(v.Place)-i))
			return
		}
		t.line(styleDim, "  "+pad(units.Instant(v.Place[i].At), 8)+" ", styleNone, plain(placeLine(&v.Place[i])))
	}
}

// placeLine tells one happening in one line.
func placeLine(h *results.Happening) string {
	words := h.Who + " " + h.What
	if h.Until > h.At {
		words += " for " + units.Nanos(h.Until-h.At)
	}
	if h.Detail != "" {
		words += ": " + h.Detail
	}
	return words
}

// faultLine tells one fault in one line.
func faultLine(f *results.Fault) string {
	what := f.Name
	if len(f.Victims) > 0 {
		what += " " + strings.Join(f.Victims, ", ")
	} else {
		what = f.Title() // begins with the kind already where it tells what was planned
	}
	if !f.Executed {
		return fmt.Sprintf("%s: not executed: %s", what, f.Error)
	}
	what += fmt.Sprintf(" at %s (%s from plan) for %s", units.Instant(f.At), units.Signed(f.Precision), units.Nanos(f.End-f.At))
	if f.Dropped > 0 {
		what += fmt.Sprintf(", %d packets dropped", f.Dropped)
	}
	for _, words := range slices.Sorted(maps.Keys(f.Counts)) {
		what += fmt.Sprintf(", %d %s", f.Counts[words], words)
	}
	if f.Error != "" {
		what += "; " + f.Error
	}
	return what
}

func restOfFaults(faults []results.Fault) string {
	failed, worst := 0, int64(0)
	for _, f := range faults {
		if !f.Executed {
			failed++
			continue
		}
		worst = max(worst, results.Abs(f.Precision))
	}
	line := fmt.Sprintf("and %d more faults, each within %s of its plan", len(faults), units.Nanos(worst))
	if failed > 0 {
		line += fmt.Sprintf(", %d not executed", failed)
	}
	return line
}

// tableFacts are the columns of Table; the first fact that was measured counts.
var tableFacts = [...]struct {
	head  string
	facts []string
}{
	{"lost", []string{"writes.lost", "set.lost", "queue.lost", "append.lost"}},
	{"staleness p99", []string{"reads.staleness.p99"}},
	{"lag p99", []string{"lag.p99"}},
	{"failover max", []string{"failover.max"}},
	{"write p99", []string{"latency.write.p99", "latency.add.p99", "latency.enqueue.p99", "latency.txn.p99"}},
	{"ops/s", []string{"ops.rate"}},
	{"errors", []string{"errors.rate"}},
	{"p50", []string{"latency.p50"}},
	{"write gap", []string{"availability.write_gap.max"}},
}

// Table writes one row for each run: the plan's name if they differ, the values
// of the varied paths (those of the verdicts themselves if none are named), the
// verdict, and what people compare. Facts that were not measured are shown as
// -, unknown ones as ?.
func Table(w io.Writer, verdicts []*results.Verdict, paths ...string) error {
	if len(paths) == 0 {
		paths = variedPaths(verdicts)
	}
	named := len(paths) == 0 || slices.ContainsFunc(verdicts, func(v *results.Verdict) bool { return v.Plan.Name != verdicts[0].Plan.Name })
	var head []string
	if named {
		head = append(head, "plan")
	}
	for _, p := range paths {
		head = append(head, plain(p))
	}
	head = append(head, "verdict")
	for _, c := range tableFacts {
		head = append(head, c.head)
	}
	rows := [][]string{head}
	for _, v := range verdicts {
		row := tableRow(v, paths)
		if named {
			row = slices.Insert(row, 0, plain(v.Plan.Name))
		}
		rows = append(rows, row)
	}
	for _, line := range align(rows) {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func variedPaths(verdicts []*results.Verdict) []string {
	var paths []string
	for _, v := range verdicts {
		for _, s := range v.Plan.Varied {
			if !slices.Contains(paths, s.Path) {
				paths = append(paths, s.Path)
			}
		}
	}
	return paths
}

func tableRow(v *results.Verdict, paths []string) []string {
	var row []string
	for _, p := range paths {
		row = append(row, settingOf(v, p))
	}
	row = append(row, string(v.Verdict))
	for _, c := range tableFacts {
		row = append(row, factCell(v, c.facts))
	}
	return row
}

func settingOf(v *results.Verdict, path string) string {
	for _, s := range v.Plan.Varied {
		if s.Path == path {
			return plain(s.Value)
		}
	}
	return "-"
}

func factCell(v *results.Verdict, facts []string) string {
	for _, fact := range facts {
		for _, value := range v.Values {
			switch {
			case value.Name != fact:
			case !value.Known:
				return "?"
			case value.Unit == checkers.PerSec:
				return strconv.FormatFloat(value.N, 'f', 0, 64)
			default:
				return value.String()
			}
		}
	}
	return "-"
}

// formatServerLag writes a time that the system told, or that it told none.
func formatServerLag(ns *int64) string {
	if ns == nil {
		return "–"
	}
	return units.Nanos(*ns)
}

// formatLag writes a percentile of the lag; one that is a marker never seen is
// "never".
func formatLag(ns *int64) string {
	if ns == nil {
		return "never"
	}
	return units.Nanos(*ns)
}
