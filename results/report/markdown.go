package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
)

// The marks in a Markdown file between which Splice puts a table.
const (
	TableBegin = "<!-- table:begin -->"
	TableEnd   = "<!-- table:end -->"
)

// ErrMarks is wrapped by Splice's error.
var ErrMarks = errors.New("no place for the table")

// Splice puts a table between the two marks of a Markdown file, in place of
// what is there. Each mark must be there once, the begin before the end.
func Splice(file, table string) (string, error) {
	if strings.Count(file, TableBegin) != 1 || strings.Count(file, TableEnd) != 1 {
		return "", fmt.Errorf("%w: put one line %s and, below it, one line %s where it belongs", ErrMarks, TableBegin, TableEnd)
	}
	before, rest, _ := strings.Cut(file, TableBegin)
	_, after, ok := strings.Cut(rest, TableEnd)
	if !ok {
		return "", fmt.Errorf("%w: %s is before %s; exchange them", ErrMarks, TableEnd, TableBegin)
	}
	return before + TableBegin + "\n" + strings.TrimSpace(table) + "\n" + TableEnd + after, nil
}

// Markdown writes a comparison of runs as a table: a row for each plan, under
// it where the figures come from.
func Markdown(w io.Writer, verdicts ...*results.Verdict) error {
	groups := compare(verdicts)
	hosts := hostsOf(verdicts)
	head := append([]string{"target", "plan and mode", "faults"}, heads(groups)...)
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	head = append(head, "claims")
	controls, last := hasControls(groups), "---|"
	if controls {
		head, last = append(head, "could fail"), "---|---|"
	}
	line(head)
	b.WriteString("|---|---|---|" + strings.Repeat("---:|", len(comparedColumns)) + last + "\n")
	for i := range groups {
		c := &groups[i]
		mode := c.replicas()
		if len(c.mode) > 0 {
			mode = code(strings.Join(c.mode, " ")) + ", " + mode
		}
		if len(hosts) > 1 {
			mode += ", " + escape(c.plan().Host)
		}
		row := []string{escape(c.target), "**" + escape(c.plan().Name) + "**<br>" + mode, escape(c.faults())}
		for _, column := range comparedColumns {
			row = append(row, escape(column.cell(c)))
		}
		row = append(row, c.answer())
		if count, by := c.controlled(); controls {
			if by != "" {
				count += "<br>" + escape(by)
			}
			row = append(row, cmp.Or(count, unmeasured))
		}
		line(row)
	}
	b.WriteString("\n" + provenance(groups, verdicts) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// provenance says what the figures are made of.
func provenance(groups []compared, verdicts []*results.Verdict) string {
	text := "Lost: acknowledged, not overwritten, and gone from the settled cluster. `?` is unknown, `≥` a lower bound, `–` not measured."
	if hasControls(groups) {
		text += " Could fail: in how many runs the plan's negative control, the same plan with other values, was violated."
	}
	if len(verdicts) == 0 {
		return text
	}
	if len(groups) < len(verdicts) {
		text += " A row is all runs of its plan: of what was lost the worst run, of the rest the median."
	}
	first, last := verdicts[0].Started, verdicts[0].Started
	var images, machines []string
	for _, v := range verdicts {
		if v.Started.Before(first) {
			first = v.Started
		}
		if v.Started.After(last) {
			last = v.Started
		}
		if v.Plan.Image != "" && !slices.Contains(images, code(v.Plan.Image)) {
			images = append(images, code(v.Plan.Image))
		}
		if v.Machine != nil && !slices.Contains(machines, escape(v.Machine.Words())) {
			machines = append(machines, escape(v.Machine.Words()))
		}
	}
	days := first.Format(time.DateOnly)
	if until := last.Format(time.DateOnly); until != days {
		days += " to " + until
	}
	text += fmt.Sprintf(" %s on host %s, %s", units.Plural(len(verdicts), "run", "runs"), escape(strings.Join(hostsOf(verdicts), " and ")), days)
	if slices.Sort(images); len(images) > 0 {
		text += "; images " + strings.Join(images, ", ")
	}
	if slices.Sort(machines); len(machines) > 0 {
		text += "; on " + strings.Join(machines, "; ")
	}
	return text + "."
}

func hostsOf(verdicts []*results.Verdict) []string {
	var hosts []string
	for _, v := range verdicts {
		if !slices.Contains(hosts, v.Plan.Host) {
			hosts = append(hosts, v.Plan.Host)
		}
	}
	slices.Sort(hosts)
	return hosts
}

// escape makes text from outside a part of a table's cell that shows as it is.
func escape(s string) string {
	var b strings.Builder
	for _, r := range plain(s) {
		if strings.ContainsRune("\\`*_|<>[]&~!#$", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// code shows text from outside in the letters of code.
func code(s string) string {
	s = plain(s)
	if s == "" || strings.ContainsAny(s, "`\\") {
		return escape(s)
	}
	return "`" + strings.ReplaceAll(s, "|", "\\|") + "`"
}
