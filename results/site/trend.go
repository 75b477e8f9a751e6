package site

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/report"
	"github.com/aftershock-chaos/aftershock/results/web"
)

// mostTrend is how many of a plan's newest runs its page draws.
const mostTrend = 100

// trends is what the template of a plan's page shows.
type trends struct {
	Parts  *web.Parts
	Index  string
	Plan   string
	About  string
	System string
	Runs   string // how many, in words
	First  string // when the oldest began, and the newest
	Last   string
	Note   string
	Main   []trend // of what runs are for, and of what the plan claims
	Rest   []trend
	Counts string
}

// trend is a fact over the runs of one plan, the oldest at the left.
type trend struct {
	ID      string
	Fact    string
	Meaning string
	Ticks   []tick
	Line    string // through the values
	Dots    []dot
	Log     bool
	Unknown string // of how many runs it is not known
	Words   string
}

type tick struct {
	Y    float64
	Text string
}

// dot is one run. A value that is known in part is a bar from Top to Bottom, about Y.
type dot struct {
	X, Y, Top, Bottom float64
	Tone              string
	Link              string
	Title             string
}

// Violated and Unknown tell the shape of a dot.
func (d dot) Violated() bool { return d.Tone == string(results.Violated) }
func (d dot) Unknown() bool  { return d.Tone == string(results.Unproven) }

// Triangle and Square are the shapes' paths.
func (d dot) Triangle() string {
	return fmt.Sprintf("M%.1f %.1fL%.1f %.1fL%.1f %.1fZ", d.X, d.Y-5, d.X+5, d.Y+4, d.X-5, d.Y+4)
}
func (d dot) Square() string {
	return fmt.Sprintf("M%.1f %.1fh7v7h-7Z", d.X-3.5, d.Y-3.5)
}

// The pictures' measures.
const (
	trendWide, trendHigh  = 340.0, 150.0
	trendLeft, trendRight = 66.0, 12.0
	trendTop, trendBottom = 10.0, 14.0
	trendBase             = trendHigh - trendBottom
	trendFrom, trendTo    = trendLeft + 8, trendWide - trendRight
)

// writeTrends writes the page of a plan; its runs are the newest first.
func writeTrends(w io.Writer, runs []*Run) error {
	parts, err := web.Told(assets, []string{"site.css", "trend.css"}, []string{"filter.js", "trend.js"})
	if err != nil {
		return err
	}
	in := trends{Parts: parts, Index: "../" + indexFile, Runs: units.Plural(len(runs), "run", "runs")}
	if len(runs) > mostTrend {
		in.Runs = fmt.Sprintf("the newest %d of %d runs", mostTrend, len(runs))
		runs = runs[:mostTrend]
	}
	runs = slices.Clone(runs)
	slices.Reverse(runs)
	last := runs[len(runs)-1]
	in.Plan, in.About, in.System = report.Plain(last.Verdict.Plan.Name), report.Plain(last.Verdict.Plan.About), report.Plain(last.Verdict.Plan.System())
	in.First, in.Last = runs[0].Started.UTC().Format("2006-01-02 15:04"), last.Started.UTC().Format("2006-01-02 15:04")
	var answers, machines []string
	var claimed []string
	for _, r := range runs {
		answers = append(answers, string(r.Verdict.Verdict))
		claimed = append(claimed, compare.Claimed(r.Verdict)...)
		if r.Verdict.Machine != nil {
			machines = append(machines, r.Verdict.Machine.Words())
		}
	}
	in.Counts = countsOf(answers)
	if slices.Sort(machines); len(slices.Compact(machines)) > 1 {
		in.Note = "These runs were made on several machines, or by several programs: times and rates are theirs as well."
	}
	for _, name := range factNames(runs) {
		t, ok := trendOf(runs, name)
		switch {
		case !ok:
		case slices.Contains(claimed, name) || compare.Rank(name) < len(compare.Headline):
			in.Main = append(in.Main, t)
		default:
			in.Rest = append(in.Rest, t)
		}
	}
	for i, list := 0, [][]trend{in.Main, in.Rest}; i < len(list); i++ {
		for k := range list[i] {
			list[i][k].ID = fmt.Sprintf("f%d-%d", i, k)
		}
	}
	return execute(w, "trend.html.tmpl", in)
}

// factNames are the facts that some run measured, those that matter most first.
func factNames(runs []*Run) []string {
	var names []string
	for _, r := range runs {
		for _, v := range r.Verdict.Values {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(compare.Rank(a), compare.Rank(b)) })
	return names
}

// trendOf draws one fact; false where no run knows it.
func trendOf(runs []*Run, name string) (trend, bool) {
	t := trend{Fact: report.Plain(name)}
	fact, _ := claims.LookupFact(name)
	t.Meaning = fact.Meaning
	low, high, unit := math.Inf(1), math.Inf(-1), checkers.Unit("")
	for _, r := range runs {
		if v, ok := r.Verdict.Fact(name); ok {
			unit = v.Unit
			if least, most, ok := bounded(v); ok {
				low, high = min(low, least), max(high, most)
			}
		}
	}
	if math.IsInf(low, 1) {
		return t, false
	}
	scale := web.NewScale(low, high, trendTop, trendBase)
	t.Log = scale.Log
	for _, n := range scale.Ticks() {
		t.Ticks = append(t.Ticks, tick{scale.Y(n), report.Plain(checkers.FormatValue(unit, n))})
	}
	t.place(runs, name, scale)
	t.Words = report.Plain(fmt.Sprintf("%s in %s: from %s to %s", name, units.Plural(len(t.Dots), "run", "runs"), checkers.FormatValue(unit, low), checkers.FormatValue(unit, high)))
	if unknown := len(runs) - len(t.Dots); unknown > 0 {
		t.Unknown = fmt.Sprintf("not known in %s", units.Plural(unknown, "run", "runs"))
	}
	return t, true
}

// place puts a dot for each run that knows the fact, and a line through them.
func (t *trend) place(runs []*Run, name string, scale web.Scale) {
	step := (trendTo - trendFrom) / float64(max(len(runs)-1, 1))
	var line strings.Builder
	for i, r := range runs {
		v, ok := r.Verdict.Fact(name)
		least, most, known := bounded(v)
		if !ok || !known {
			continue
		}
		d := dot{X: round(trendFrom + step*float64(i)), Tone: string(r.Verdict.Verdict), Link: "../" + r.link("report.html")}
		if len(runs) == 1 {
			d.X = round((trendFrom + trendTo) / 2)
		}
		d.Top, d.Bottom = scale.Y(most), scale.Y(least)
		d.Y = (d.Top + d.Bottom) / 2
		d.Title = report.Plain(fmt.Sprintf("%s: %s, %s, seed %d", r.Started.UTC().Format("2006-01-02 15:04:05"), v.String(), r.Verdict.Verdict, r.Verdict.Plan.Seed))
		verb := "L"
		if line.Len() == 0 {
			verb = "M"
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", verb, d.X, d.Y)
		t.Dots = append(t.Dots, d)
	}
	t.Line = line.String()
}

// bounded is between what a fact lies; false where that has no end.
func bounded(v results.FactValue) (least, most float64, ok bool) {
	if !v.Known {
		return 0, 0, false
	}
	least, most = v.Bounds()
	if math.IsNaN(least) || math.IsInf(least, 0) || math.IsNaN(most) {
		return 0, 0, false
	}
	if math.IsInf(most, 1) {
		most = least // at least so much: the dot is the bound
	}
	return least, most, true
}
