package study

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/aftershock-chaos/aftershock/internal/units"
)

// JSON writes studies as data.
func JSON(w io.Writer, list ...*Study) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Studies []*Study `json:"studies"`
	}{list})
}

// Title is the sentence with its number.
func (s *Study) Title() string {
	if s.Sentence > 0 {
		return fmt.Sprintf("%d. %s", s.Sentence, s.Says)
	}
	return s.Says
}

// Text writes studies for people: of each target the decisions, then the table.
func Text(w io.Writer, list ...*Study) error {
	var out bytes.Buffer
	for i, s := range list {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintln(&out, s.Title())
		if s.Quick {
			fmt.Fprintln(&out, "  "+QuickWords)
		}
		for j := range s.Parts {
			s.Parts[j].text(&out)
		}
		for _, e := range s.Except {
			fmt.Fprintf(&out, "not asked of %s: %s\n", e.Target, e.Why)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// QuickWords say what a quick study is.
const QuickWords = "quick: fewer variants and fewer, shorter runs than the plan asks for"

func (p *Part) text(out *bytes.Buffer) {
	fmt.Fprintf(out, "\n%s, %s\n", p.System, p.RunsWords())
	for _, d := range p.Decisions {
		fmt.Fprintf(out, "  %s %s\n    %s: %s\n", d.Answer.Mark(), d.Says, d.Answer, d.Words)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	heads, rows := p.Table()
	fmt.Fprintln(table, "  "+strings.Join(heads, "\t"))
	for _, row := range rows {
		fmt.Fprintln(table, "  "+strings.Join(row, "\t"))
	}
	_ = table.Flush() // a buffer takes all
	for _, note := range p.Notes {
		fmt.Fprintln(out, "  ! "+note)
	}
	if p.Machine != nil {
		fmt.Fprintf(out, "  on %s, %s\n", p.Host, p.Machine.Words())
	}
}

// Table is the part's table, heads first: the varied values, the runs, the facts.
func (p *Part) Table() (heads []string, rows [][]string) {
	for _, path := range p.Across {
		heads = append(heads, Short(path))
	}
	heads = append(heads, "runs")
	for _, c := range p.Columns {
		heads = append(heads, c.Head())
	}
	for _, r := range p.Rows {
		var row []string
		for _, path := range p.Across {
			row = append(row, r.Value(path))
		}
		row = append(row, fmt.Sprint(r.Runs))
		for _, c := range r.Cells {
			row = append(row, c.Text())
		}
		rows = append(rows, row)
	}
	return heads, rows
}

// Short is a path without what every plan has before it.
func Short(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, "target.options."), "target.")
}

// Mark is a sign for the answer.
func (a Answer) Mark() string {
	switch a {
	case Measured:
		return "✓"
	case Refuted:
		return "✗"
	case Machine:
		return "!"
	}
	return "?"
}

// Markdown writes studies with a table for each target.
func Markdown(w io.Writer, list ...*Study) error {
	var out bytes.Buffer
	for i, s := range list {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintf(&out, "## %s\n", escape(s.Title()))
		for j := range s.Parts {
			fmt.Fprintf(&out, "\n%s", s.Parts[j].Markdown(s.Quick))
		}
		for _, e := range s.Except {
			fmt.Fprintf(&out, "\nNot asked of %s: %s.\n", escape(e.Target), escape(e.Why))
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// mostNotes is how many notes of a part Markdown has; the page has all.
const mostNotes = 3

// Markdown is the part with its decisions, table, notes and machine.
func (p *Part) Markdown(quick bool) string {
	var out strings.Builder
	made := p.RunsWords()
	if quick {
		made += ", quick"
	}
	fmt.Fprintf(&out, "**%s** (%s)\n\n", escape(p.System), made)
	for _, d := range p.Decisions {
		fmt.Fprintf(&out, "- %s: **%s**: %s\n", escape(d.Says), d.Answer, escape(d.Words))
	}
	heads, rows := p.Table()
	fmt.Fprintf(&out, "\n| %s |\n|%s\n", strings.Join(escaped(heads), " | "), strings.Repeat("---|", len(heads)))
	for _, row := range rows {
		fmt.Fprintf(&out, "| %s |\n", strings.Join(escaped(row), " | "))
	}
	for i, note := range p.Notes {
		if i == mostNotes {
			fmt.Fprintf(&out, "\n%s on the page.\n", units.Plural(len(p.Notes)-i, "more note", "more notes"))
			break
		}
		fmt.Fprintf(&out, "\n%s.\n", escape(strings.TrimSuffix(note, ".")))
	}
	if p.Machine != nil {
		fmt.Fprintf(&out, "\n<sub>%s, %s</sub>\n", escape(p.Host), escape(p.Machine.Words()))
	}
	return out.String()
}

func escaped(cells []string) []string {
	all := make([]string, len(cells))
	for i, c := range cells {
		all[i] = escape(c)
	}
	return all
}

// escape keeps a text in its cell, and from being markup.
func escape(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "`", "\\`").Replace(s)
}
