package study

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// table is a summary: a column for each target, a row for each sentence. All text in it is
// Markdown.
type table struct {
	heads []string // the targets' names, each with its version where it is one
	rows  []tableRow
}

type tableRow struct {
	title string
	cells []string // by head
}

const noCell = "–"

// markdown is the table and what its marks mean.
func (t *table) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "| | %s |\n|---|%s\n", strings.Join(t.heads, " | "), strings.Repeat("---|", len(t.heads)))
	for _, r := range t.rows {
		fmt.Fprintf(&out, "| %s | %s |\n", r.title, strings.Join(r.cells, " | "))
	}
	quick := strings.Contains(out.String(), quickMark)
	fmt.Fprintf(&out, "\n%s measured, %s does not hold here, %s no answer, %s the machine is the limit; × is how the fact changes, as a ratio of medians.", Measured.Mark(), Refuted.Mark(), NoAnswer.Mark(), Machine.Mark())
	if quick {
		fmt.Fprintf(&out, " %s quick: fewer, shorter runs.", quickMark)
	}
	out.WriteString("\n")
	return out.String()
}

// parsed is the table that markdown wrote, of its lines' cells.
func parsed(lines [][]string) *table {
	t := &table{heads: lines[0][1:]}
	for _, cells := range lines[1:] {
		t.rows = append(t.rows, tableRow{cells[0], cells[1:]})
	}
	return t
}

// tablesOf are the tables of a text: of each the cells of its lines, heads first, and of
// those below the ones that have as many. A table has at least two columns.
func tablesOf(text string) (tables [][][]string) {
	inside := false
	for line := range strings.Lines(text) {
		cells := cellsOf(line)
		switch {
		case len(cells) < 2:
			inside = false
		case !inside:
			inside = true
			tables = append(tables, [][]string{cells})
		case strings.HasPrefix(line, "|---"):
		case len(cells) == len(tables[len(tables)-1][0]):
			tables[len(tables)-1] = append(tables[len(tables)-1], cells)
		}
	}
	return tables
}

// cellsOf are the cells of a line of a table, as they are written; nil of any other line.
func cellsOf(line string) []string {
	const bar = "\x00" // that of an escaped one
	line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, bar)
	if len(line) < 2 || line[0] != '|' || line[len(line)-1] != '|' {
		return nil
	}
	cells := strings.Split(line[1:len(line)-1], "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(c, bar, `\|`))
	}
	return cells
}

// over is the table with what an older one has beside it: its columns first, and its cells
// where this one has none.
func (t *table) over(old *table) *table {
	all := &table{heads: slices.Clone(old.heads)}
	for _, head := range t.heads {
		switch at := old.column(targetOf(head)); {
		case at < 0:
			all.heads = append(all.heads, head)
		case old.heads[at] != head: // two versions
			all.heads[at] = targetOf(head)
		}
	}
	for _, from := range []*table{t, old} {
		for _, r := range from.rows {
			if all.row(r.title) == nil {
				all.rows = append(all.rows, tableRow{r.title, slices.Repeat([]string{noCell}, len(all.heads))})
			}
			cells := all.row(r.title).cells
			for i, c := range r.cells {
				if at := all.column(targetOf(from.heads[i])); cells[at] == noCell {
					cells[at] = c
				}
			}
		}
	}
	slices.SortStableFunc(all.rows, func(a, b tableRow) int { return inOrder(sentenceOf(a.title), sentenceOf(b.title)) })
	return all
}

func (t *table) column(target string) int {
	return slices.IndexFunc(t.heads, func(h string) bool { return targetOf(h) == target })
}

// row is that of a sentence, by its number if it has one; nil if there is none.
func (t *table) row(title string) *tableRow {
	for i := range t.rows {
		is := t.rows[i].title
		if n := sentenceOf(title); is == title || n != 0 && n == sentenceOf(is) {
			return &t.rows[i]
		}
	}
	return nil
}

func targetOf(head string) string {
	target, _, _ := strings.Cut(head, " ")
	return target
}

// sentenceOf is the number that a row's title begins with, 0 if with none.
func sentenceOf(title string) int {
	number, _, _ := strings.Cut(title, ".")
	n, _ := strconv.Atoi(number)
	return n
}

// inOrder compares the numbers of sentences; what is none comes last.
func inOrder(a, b int) int {
	if a == 0 || b == 0 {
		return b - a
	}
	return a - b
}
