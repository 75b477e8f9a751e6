package study

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness/question"
)

// counts is the table of what replicas cost and buy: a row for each variant of the
// studies that search for a greatest rate, of all targets below each other.
type counts struct {
	rows [][]string // cells in Markdown, by countHeads
}

// countColumns are the facts of the table, and what they are called there.
var countColumns = []struct{ head, fact, of string }{
	{"greatest rate", question.MaxRate, question.Limit},
	{"write p50", "latency.write.p50", question.Steady},
	{"write p99", "latency.write.p99", question.Steady},
	{"lag p50", "lag.p50", question.Steady},
	{"lag p99", "lag.p99", question.Steady},
	{"CPU per write", "cost.cpu.per_write", question.Steady},
	{"network per write", "cost.network.per_write", question.Steady},
	{"disk per write", "cost.disk.per_write", question.Steady},
	{"outage", "availability.write_gap.max", question.Killed},
	{"lost", "writes.lost", question.Killed},
	{"rate with one less", "load." + question.OneLess + ".throughput", question.Killed},
}

const replicasPath = "target.replicas"

var countHeads = func() []string {
	heads := []string{"system", "replicas", "with"}
	for _, c := range countColumns {
		heads = append(heads, c.head)
	}
	return heads
}()

// searches tells whether a greatest rate was searched for in each variant.
func (p *Part) searches() bool {
	return slices.ContainsFunc(p.Columns, func(c Column) bool { return c.Of == question.Limit })
}

// counted is the table of some studies; of a target that was studied several times the
// last one counts, but not one without a run.
func counted(list []*Study) *counts {
	var t counts
	for _, s := range list {
		for i := range s.Parts {
			if p := &s.Parts[i]; p.Runs > 0 && p.searches() {
				t = *p.counts(s.Quick).over(t.rows)
			}
		}
	}
	return &t
}

// counts are the part's rows.
func (p *Part) counts(quick bool) *counts {
	var t counts
	for _, r := range p.Rows {
		system := escape(p.System)
		if quick {
			system += quickMark
		}
		cells := []string{system, escape(r.Value(replicasPath)), escape(p.with(r))}
		for _, of := range countColumns {
			text := noCell
			if at := slices.IndexFunc(p.Columns, func(c Column) bool { return c.Fact == of.fact && c.Of == of.of }); at >= 0 && at < len(r.Cells) {
				text, _ = r.Cells[at].Told()
			}
			cells = append(cells, escape(text))
		}
		t.rows = append(t.rows, cells)
	}
	return &t
}

// with is what of a row is varied beside the number of replicas.
func (p *Part) with(r Row) string {
	var words []string
	for _, path := range p.Across {
		if value := r.Value(path); path != replicasPath && value != "" {
			words = append(words, Short(path)+"="+value)
		}
	}
	if len(words) == 0 {
		return noCell
	}
	return strings.Join(words, ", ")
}

// over is the table with the rows of an older one about other targets: these keep their
// places, and what is newer takes that of its target or comes after them.
func (t *counts) over(old [][]string) *counts {
	var all counts
	done := map[string]bool{}
	for _, r := range slices.Concat(old, t.rows) {
		target := systemOf(r)
		if mine := t.of(target); len(mine) == 0 {
			all.rows = append(all.rows, r)
		} else if !done[target] {
			all.rows, done[target] = append(all.rows, mine...), true
		}
	}
	return &all
}

// of are the rows of a target.
func (t *counts) of(target string) (rows [][]string) {
	for _, r := range t.rows {
		if systemOf(r) == target {
			rows = append(rows, r)
		}
	}
	return rows
}

// systemOf is a row's target without its version.
func systemOf(row []string) string { return targetOf(strings.TrimSuffix(row[0], quickMark)) }

// markdown is the table and what its columns mean.
func (t *counts) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "| %s |\n|---|---:|---|%s\n", strings.Join(countHeads, " | "), strings.Repeat("---:|", len(countColumns)))
	for _, r := range t.rows {
		fmt.Fprintf(&out, "| %s |\n", strings.Join(r, " | "))
	}
	out.WriteString("\nThe greatest rate that keeps the plan's service level; latency, lag and what an acknowledged write costs at the share of it that the plan says; and there the same with the primary lost: the longest time without a write, acknowledged writes that are gone, and the rate while a node is missing. Medians; the pages have intervals and every run.")
	if strings.Contains(out.String(), quickMark) {
		fmt.Fprintf(&out, " %s quick: fewer, shorter runs.", quickMark)
	}
	out.WriteString("\n")
	return out.String()
}
