package study

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// File is what a study's folder keeps the study in, as JSON wrote it.
const File = "study.json"

// Read reads studies that JSON wrote. Errors are about the data.
func Read(r io.Reader) ([]*Study, error) {
	var file struct {
		Studies []*Study `json:"studies"`
	}
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, fmt.Errorf("no study: %w", err)
	}
	if len(file.Studies) == 0 {
		return nil, errors.New("no study: it has no studies")
	}
	return file.Studies, nil
}

// Summary is Markdown with one table of sentences: a row for each, a column for each
// target, and in each cell the answers; and one of replica counts, of the studies that
// search for a greatest rate. Of a plan that was studied several times the last one
// counts, but not one without a run.
func Summary(list []*Study) string { return summarized(list).markdown() }

// summary is what is told of studies.
type summary struct {
	sentences *table
	counts    *counts
}

func summarized(list []*Study) *summary {
	rows, targets := gather(list)
	t := &table{heads: escaped(heads(rows, targets))}
	for _, r := range rows {
		cells := make([]string, len(targets))
		for i, of := range targets {
			cells[i] = r.cell(of)
		}
		t.rows = append(t.rows, tableRow{escape(r.title()), cells})
	}
	return &summary{t, counted(list)}
}

func (s *summary) markdown() string {
	var tables []string
	if len(s.sentences.rows) > 0 {
		tables = append(tables, s.sentences.markdown())
	}
	if len(s.counts.rows) > 0 {
		tables = append(tables, s.counts.markdown())
	}
	return strings.Join(tables, "\n")
}

// over is the summary with what is told beside it in text, an older one in Markdown.
func (s *summary) over(text string) *summary {
	all := *s
	for _, rows := range tablesOf(text) {
		switch rows[0][0] {
		case countHeads[0]:
			all.counts = all.counts.over(rows[1:])
		case "":
			all.sentences = all.sentences.over(parsed(rows))
		}
	}
	return &all
}

const quickMark = "<sup>q</sup>"

// summaryRow is one sentence with what was answered of each plan.
type summaryRow struct {
	sentence int
	name     string
	says     string
	parts    []answered
}

type answered struct {
	Part
	quick bool
}

func (r *summaryRow) title() string {
	return (&Study{Sentence: r.sentence, Says: r.says}).Title()
}

// gather has each plan once, sentences in order, and targets as they come, without the
// studies of replica counts.
func gather(list []*Study) (rows []*summaryRow, targets []string) {
	for _, s := range list {
		if slices.ContainsFunc(s.Parts, func(p Part) bool { return p.searches() }) {
			continue
		}
		at := slices.IndexFunc(rows, func(r *summaryRow) bool { return r.name == s.Name })
		if at < 0 {
			rows, at = append(rows, &summaryRow{sentence: s.Sentence, name: s.Name, says: s.Says}), len(rows)
		}
		r := rows[at]
		for _, p := range s.Parts {
			if p.Runs == 0 {
				continue
			}
			if !slices.Contains(targets, p.Target) {
				targets = append(targets, p.Target)
			}
			if old := slices.IndexFunc(r.parts, func(a answered) bool { return a.Plan == p.Plan }); old >= 0 {
				r.parts = slices.Delete(r.parts, old, old+1)
			}
			r.parts = append(r.parts, answered{p, s.Quick})
		}
	}
	slices.SortStableFunc(rows, func(a, b *summaryRow) int { return inOrder(a.sentence, b.sentence) })
	return rows, targets
}

// heads are the targets with the version that was studied, where it is one.
func heads(rows []*summaryRow, targets []string) []string {
	all := slices.Clone(targets)
	for i, t := range targets {
		var systems []string
		for _, r := range rows {
			for _, p := range r.parts {
				if p.Target == t && !slices.Contains(systems, p.System) {
					systems = append(systems, p.System)
				}
			}
		}
		if len(systems) == 1 {
			all[i] = systems[0]
		}
	}
	return all
}

// cell has the answers of a target: of a claim its mark, of a change its ratio too.
func (r *summaryRow) cell(target string) string {
	var words []string
	quick := false
	for _, p := range r.parts {
		if p.Target != target {
			continue
		}
		quick = quick || p.quick
		for _, d := range p.Decisions {
			words = append(words, d.short())
		}
	}
	if len(words) == 0 {
		return noCell
	}
	text := strings.Join(words, ", ")
	if quick {
		text += quickMark
	}
	return text
}

// short is the answer in a word.
func (d *Decision) short() string {
	if d.Ratio == nil || d.Answer == NoAnswer || d.Answer == Machine {
		return d.Answer.Mark()
	}
	return d.Answer.Mark() + " ×" + rangeWords(*d.Ratio)
}
