// Package study is what a study came to: of a sentence that people believe, what
// was measured of it on each target, and what that says of the sentence. It is
// pure; the runs are made by harness/studies, the page is results/study/page's.
package study

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/results/compare"
)

// Version of study.json; it changes when a field's meaning does.
const Version = 1

// Study is one sentence with what was measured of it.
type Study struct {
	Version  int      `json:"version"`
	Name     string   `json:"name"` // of its file, without folders
	Sentence int      `json:"sentence,omitempty"`
	Says     string   `json:"says"`
	Quick    bool     `json:"quick,omitempty"`
	Command  string   `json:"command"` // that makes it again
	Parts    []Part   `json:"parts"`
	Except   []Except `json:"except,omitempty"`
}

// Except is a target that the sentence is not asked of.
type Except struct {
	Target string `json:"target"`
	Why    string `json:"why"`
}

// Part is what was measured of one target.
type Part struct {
	Plan      string           `json:"plan"`
	About     string           `json:"about,omitempty"`
	Target    string           `json:"target"` // its name
	System    string           `json:"system"` // with version and options
	Host      string           `json:"host,omitempty"`
	Machine   *results.Machine `json:"machine,omitempty"`
	Across    []string         `json:"across"` // the varied paths
	Columns   []Column         `json:"columns"`
	Rows      []Row            `json:"rows"`
	Decisions []Decision       `json:"decisions"`
	Runs      int              `json:"runs"`   // that were made and count
	Wanted    int              `json:"wanted"` // 0: nobody knew beforehand, as of a search
	Notes     []string         `json:"notes,omitempty"`
}

// Column is a fact of the table.
type Column struct {
	Fact   string          `json:"fact"`
	Of     string          `json:"of,omitempty"` // a kind of runs
	Unit   checkers.Unit   `json:"unit"`
	Better checkers.Better `json:"better"`
}

// Head is what the column is called.
func (c Column) Head() string {
	switch c.Of {
	case question.Steady, question.Killed:
		return c.Fact + " (" + c.Of + ")"
	}
	return c.Fact
}

// Row is one variant.
type Row struct {
	Settings []results.Setting `json:"settings"`
	Cells    []Cell            `json:"cells"` // of the columns
	Runs     int               `json:"runs"`
	Left     int               `json:"left,omitempty"`    // runs that do not count
	Missing  string            `json:"missing,omitempty"` // why there is nothing
	Dirs     []string          `json:"-"`                 // of the runs that count
}

// Name is the row's settings.
func (r Row) Name() string {
	if len(r.Settings) == 0 {
		return "as the plan says"
	}
	return compare.Label(r.Settings)
}

// Value is one of the row's settings.
func (r Row) Value(path string) string {
	for _, s := range r.Settings {
		if s.Path == path {
			return s.Value
		}
	}
	return ""
}

// Cell is a fact of a variant: nil summary where no run measured it.
type Cell struct {
	*compare.Summary
	Words string `json:"words,omitempty"` // of a search, in place of a value
}

// Text is the cell for a table: the median and, where there is one, its interval.
func (c Cell) Text() string {
	median, interval := c.Told()
	if interval != "" {
		return median + " [" + interval + "]"
	}
	return median
}

// Told is the median in words, or what is told in its place, and its interval where
// there is one.
func (c Cell) Told() (median, interval string) {
	switch {
	case c.Words != "":
		return c.Words, ""
	case c.Summary == nil || c.Unknown == len(c.Values):
		return "–", ""
	case c.Interval != nil && !c.Interval.Exact():
		interval = c.Interval.Format(c.Unit)
	}
	return c.Median.Format(c.Unit), interval
}

// Variant is what was measured of one variant of a plan.
type Variant struct {
	Settings []results.Setting
	Runs     map[string][]*results.Verdict // by kind; "" in a study without At
	Limit    *Limit                        // of a study with At; nil: no search was made
	Missing  string                        // why there is nothing
}

// Limit is what a search for the greatest rate came to: between two rates, of
// which the lower is 0 where none held, and the upper infinite where the greatest
// that was tried did.
type Limit struct {
	Least, Most float64
	Words       string
	Used        []results.FactValue // BusyFact of the runs at the least rate that did not hold
}

// Made is a plan with what its runs measured.
type Made struct {
	Plan     string
	About    string
	Target   string
	Host     string
	Across   []string
	Study    question.Study
	Variants []Variant
	Wanted   int
	Notes    []string
}

// Of is the part that some runs come to. Runs whose gates are not met are left out:
// they are not what the plan asked for.
func Of(m Made) Part {
	p := Part{Plan: m.Plan, About: m.About, Target: m.Target, System: m.Target, Host: m.Host, Across: m.Across, Wanted: m.Wanted, Notes: slices.Clone(m.Notes)}
	p.Columns = columns(m.Study)
	var groups []measured
	for i := range m.Variants {
		g := sort(&m.Variants[i])
		groups = append(groups, g)
		p.Rows = append(p.Rows, g.row(p.Columns))
		p.Runs += g.made
		p.Notes = append(p.Notes, g.notes...)
	}
	p.describe(groups)
	for _, d := range m.Study.Decide {
		p.Decisions = append(p.Decisions, decide(d, m.Study.RunsOf(d), groups))
	}
	return p
}

// describe takes target and machine from the first run.
func (p *Part) describe(groups []measured) {
	for _, g := range groups {
		for _, kind := range []string{"", question.Steady, question.Killed} {
			if runs := g.groups[kind].Runs; len(runs) > 0 {
				v := runs[0]
				p.Machine, p.Host = v.Machine, v.Plan.Host
				if p.System = p.Target; v.Plan.Version != "" {
					p.System += " " + v.Plan.Version
				}
				return
			}
		}
	}
}

// BusyFact tells whether the machine was the limit.
const BusyFact = "machine.cpu.used"

// columns of a study's table.
func columns(s question.Study) []Column {
	var all []Column
	add := func(fact, of string) {
		if !slices.ContainsFunc(all, func(c Column) bool { return c.Fact == fact && c.Of == of }) {
			known, _ := claims.LookupFact(fact)
			c := Column{Fact: fact, Of: of, Unit: known.Unit, Better: known.Direction()}
			if fact == question.MaxRate {
				c.Unit, c.Better = checkers.PerSec, checkers.Higher
			}
			all = append(all, c)
		}
	}
	shown := s.Shows
	if len(shown) == 0 {
		for _, d := range s.Decide {
			shown = append(shown, d.Facts()...)
			if d.Fact == question.MaxRate {
				shown = append(shown, d.Fact)
			}
		}
	}
	if s.At == 0 {
		for _, fact := range append(slices.Clone(shown), BusyFact) {
			add(fact, "")
		}
		return all
	}
	if len(s.Shows) == 0 {
		for _, c := range limitColumns {
			add(c.Fact, c.Of)
		}
		return all
	}
	for _, fact := range shown {
		of := question.Steady
		if fact == question.MaxRate {
			of = question.Limit
		} else if at := slices.IndexFunc(limitColumns, func(c Column) bool { return c.Fact == fact }); at >= 0 {
			of = limitColumns[at].Of
		}
		add(fact, of)
	}
	add(BusyFact, question.Steady)
	return all
}

// limitColumns are those of a study with At, which says nothing else.
var limitColumns = []Column{
	{Fact: question.MaxRate, Of: question.Limit},
	{Fact: "latency.write.p50", Of: question.Steady}, {Fact: "latency.write.p99", Of: question.Steady},
	{Fact: "lag.p50", Of: question.Steady}, {Fact: "lag.p99", Of: question.Steady}, {Fact: "lag.slope", Of: question.Steady},
	{Fact: "cost.cpu.per_write", Of: question.Steady}, {Fact: "cost.network.per_write", Of: question.Steady}, {Fact: "cost.disk.per_write", Of: question.Steady},
	{Fact: "availability.write_gap.max", Of: question.Killed}, {Fact: "writes.lost", Of: question.Killed},
	{Fact: "load." + question.OneLess + ".throughput", Of: question.Killed}, {Fact: BusyFact, Of: question.Steady},
}

// measured is a variant with the runs that count, by kind.
type measured struct {
	variant *Variant
	groups  map[string]compare.Group
	made    int
	left    int
	notes   []string
}

func sort(v *Variant) measured {
	m := measured{variant: v, groups: map[string]compare.Group{}}
	for _, kind := range append([]string{""}, question.Kinds...) {
		g := compare.Group{Name: compare.Label(v.Settings), Settings: v.Settings}
		for _, run := range v.Runs[kind] {
			if at := slices.IndexFunc(run.Gates, func(gate results.Gate) bool { return !gate.Met }); at >= 0 {
				m.left++
				m.note(fmt.Sprintf("%s is left out: %s: %s", m.called(kind), run.Gates[at].Name, run.Gates[at].Detail))
				continue
			}
			g.Runs = append(g.Runs, run)
			m.made++
		}
		m.groups[kind] = g
	}
	if v.Missing != "" {
		m.note(m.name() + ": " + v.Missing)
	}
	return m
}

func (m *measured) name() string { return Row{Settings: m.variant.Settings}.Name() }

func (m *measured) called(kind string) string {
	return strings.TrimSpace("a " + kind + " run of " + m.name())
}

// note adds what was not said yet.
func (m *measured) note(text string) {
	if !slices.Contains(m.notes, text) {
		m.notes = append(m.notes, text)
	}
}

func (m *measured) row(columns []Column) Row {
	r := Row{Settings: m.variant.Settings, Runs: m.made, Left: m.left, Missing: m.variant.Missing}
	for _, kind := range append([]string{""}, question.Kinds...) {
		for _, run := range m.groups[kind].Runs {
			if run.Dir != "" {
				r.Dirs = append(r.Dirs, run.Dir)
			}
		}
	}
	for _, c := range columns {
		r.Cells = append(r.Cells, m.cell(c))
	}
	return r
}

func (m *measured) cell(c Column) Cell {
	if c.Fact == question.MaxRate {
		if m.variant.Limit == nil {
			return Cell{}
		}
		s, _ := compare.SummaryOf(m.limit(), c.Fact)
		return Cell{Summary: &s, Words: m.variant.Limit.Words}
	}
	s, ok := compare.SummaryOf(m.groups[c.Of], c.Fact)
	if !ok {
		return Cell{}
	}
	return Cell{Summary: &s}
}

// limit is the answer of the search as a group of one run.
func (m *measured) limit() compare.Group {
	g := compare.Group{Name: m.name(), Settings: m.variant.Settings}
	if l := m.variant.Limit; l != nil {
		v := checkers.Value{Name: question.MaxRate, N: l.Least, Known: true, AtLeast: true}
		if !math.IsInf(l.Most, 1) {
			v.AtMost = l.Most
		}
		g.Runs = []*results.Verdict{{Values: []results.FactValue{{Value: v, Unit: checkers.PerSec}}}}
		for _, busy := range l.Used { // of several runs the least busy one
			if at := &g.Runs[0].Values; len(*at) == 1 {
				*at = append(*at, busy)
			} else if busy.N < (*at)[1].N {
				(*at)[1] = busy
			}
		}
	}
	return g
}

func (m *measured) setting(path string) string {
	return Row{Settings: m.variant.Settings}.Value(path)
}

// RunsWords tells how many runs the part rests on.
func (p *Part) RunsWords() string {
	words := units.Plural(p.Runs, "run", "runs")
	if p.Wanted > p.Runs {
		words = fmt.Sprintf("%d of %d runs", p.Runs, p.Wanted)
	}
	return words
}
