package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/aftershock-chaos/aftershock/internal/units"
)

// JSON writes comparisons as data.
func JSON(w io.Writer, list ...*Comparison) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Comparisons []*Comparison `json:"comparisons"`
		Worse       bool          `json:"worse"`
	}{list, anyWorse(list)})
}

func anyWorse(list []*Comparison) bool {
	for _, c := range list {
		if c.Worse() {
			return true
		}
	}
	return false
}

// columns of a comparison's table.
var columns = []string{"fact", "base", "head", "ratio", "effect", "p (Holm)", "answer"}

// Columns are the heads of what Cells tells.
func Columns() []string { return slices.Clone(columns) }

// Cells of a row: medians with their intervals, head over base, how many more of
// the pairs of runs have the greater value in head (rank-biserial), the p-value.
func (r *Row) Cells() []string {
	ratio := "–"
	if r.Ratio != nil {
		if ratio = round3(r.Ratio.Least); !r.Ratio.Exact() {
			ratio += " to " + round3(r.Ratio.Most)
		}
	}
	p := "–"
	if r.Holm != nil {
		if p = round3(r.Holm.Least); !r.Holm.Exact() {
			p += " to " + round3(r.Holm.Most)
		}
	}
	effect := fmt.Sprintf("%+.2f", r.Biserial.Least)
	if !r.Biserial.Exact() {
		effect += fmt.Sprintf(" to %+.2f", r.Biserial.Most)
	}
	answer := string(r.Answer)
	if r.Why != "" {
		answer += " (" + r.Why + ")"
	}
	return []string{r.Fact, r.Base.brief(), r.Head.brief(), ratio, effect, p, answer}
}

// brief is "1.2ms [1.1ms to 1.4ms]".
func (s Summary) brief() string {
	return s.Median.Format(s.Unit) + " [" + s.IntervalWords() + "]"
}

// Text writes comparisons for people: what was tested, then in one line how many
// facts were not.
func Text(w io.Writer, list ...*Comparison) error {
	var out bytes.Buffer
	for i, c := range list {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		c.head(&out)
		table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "  "+strings.Join(columns, "\t"))
		rest := 0
		for j := range c.Rows {
			if c.Rows[j].Answer == Untested {
				rest++
				continue
			}
			fmt.Fprintln(table, "  "+strings.Join(c.Rows[j].Cells(), "\t"))
		}
		_ = table.Flush() // a buffer takes all
		if rest > 0 {
			fmt.Fprintf(&out, "  %s measured and not tested: --facts all tests them, or name some; --format json has them all\n", units.Plural(rest, "more fact was", "more facts were"))
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (c *Comparison) head(w io.Writer) {
	fmt.Fprintf(w, "base %s, %s\nhead %s, %s\n", c.Base, units.Plural(c.Runs[0], "run", "runs"), c.Head, units.Plural(c.Runs[1], "run", "runs"))
	fmt.Fprintf(w, "medians [95 %% intervals]; Mann–Whitney U test, alpha %g, Holm's correction over %s\n", c.Alpha, units.Plural(c.Tested, "fact", "facts"))
	for _, warning := range c.Warnings {
		fmt.Fprintln(w, "  ! "+warning)
	}
}

// Markdown writes a table for each comparison.
func Markdown(w io.Writer, list ...*Comparison) error {
	var out bytes.Buffer
	for i, c := range list {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintf(&out, "**%s** (%d) → **%s** (%d)\n\n", escape(c.Base), c.Runs[0], escape(c.Head), c.Runs[1])
		for _, warning := range c.Warnings {
			fmt.Fprintf(&out, "> %s\n\n", escape(warning))
		}
		fmt.Fprintf(&out, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
		for j := range c.Rows {
			if c.Rows[j].Answer == Untested {
				continue
			}
			cells := c.Rows[j].Cells()
			for k := range cells {
				cells[k] = escape(cells[k])
			}
			fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | "))
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// escape keeps a text in its cell.
func escape(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}

// Summaries writes one table for each group: the facts that Compare would test,
// with median, interval and all values.
func Summaries(w io.Writer, groups ...Group) error {
	var out bytes.Buffer
	for i, g := range groups {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintf(&out, "%s, %s: median, 95 %% interval, values of the rounds\n", g.Name, units.Plural(len(g.Runs), "run", "runs"))
		table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		for _, name := range (Options{}).chosen(g, Group{}, facts(g)) {
			s, measured := SummaryOf(g, name)
			if !measured {
				continue
			}
			values := make([]string, len(s.Values))
			for j, v := range s.Values {
				values[j] = v.Format(s.Unit)
			}
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", s.Fact, s.Median.Format(s.Unit), s.IntervalWords(), strings.Join(values, ", "))
		}
		_ = table.Flush() // a buffer takes all
	}
	_, err := w.Write(out.Bytes())
	return err
}
