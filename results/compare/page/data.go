// Package page draws runs over each other: percentiles of both, and operations, latency
// and lag over time, aligned at the first fault; and it lists the facts in which they
// differ. One page has the data of all runs that can be chosen, and needs nothing else.
// It is pure.
package page

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/report"
	"github.com/aftershock-chaos/aftershock/results/say"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

// Run is a run that can be chosen.
type Run struct {
	ID      string // by which the page's address names it: #a=ID&b=ID
	Link    string // to its report, from the page; empty: there is none
	Verdict *results.Verdict
	Over    *timeline.Data // nil: nothing of it can be drawn
}

// data is what the page's script has.
type data struct {
	Runs  []runData  `json:"runs"`
	Facts []factData `json:"facts"`
}

// runData is one run. Times are seconds of its own clock.
type runData struct {
	ID       string          `json:"id"`
	Link     string          `json:"link,omitempty"`
	Plan     string          `json:"plan"`
	Digest   string          `json:"digest,omitempty"`
	Varied   string          `json:"varied,omitempty"`
	System   string          `json:"system,omitempty"`
	Machine  string          `json:"machine,omitempty"`
	Started  string          `json:"started"`
	Seed     uint64          `json:"seed"`
	Answer   results.Answer  `json:"answer"`
	Mark     string          `json:"mark"`
	Headline string          `json:"headline"`
	Begin    float64         `json:"begin"`
	End      float64         `json:"end"`
	Fault    *float64        `json:"fault"` // when the first fault began; nil: there was none
	Bands    []timeline.Band `json:"bands"`
	Bins     *bins           `json:"bins"`
	Lines    []line          `json:"lines"`
	Facts    map[int]value   `json:"facts"` // by index of data.Facts
}

// bins are the run over time.
type bins struct {
	First  float64         `json:"first"`
	Width  float64         `json:"width"`
	N      int             `json:"n"`
	OK     timeline.Column `json:"ok"`               // acknowledged operations a second
	Bad    timeline.Column `json:"bad"`              // failed and unknown ones
	Writes timeline.Column `json:"writes,omitempty"` // p99 in milliseconds
	Reads  timeline.Column `json:"reads,omitempty"`
	Lag    timeline.Column `json:"lag,omitempty"` // of the replica furthest behind, in milliseconds
}

// line is a distribution under the name by which it is compared with the other run's.
type line struct {
	Name string `json:"name"`
	timeline.SpreadLine
}

// factData is a fact that some run measured.
type factData struct {
	Name    string          `json:"name"`
	Meaning string          `json:"meaning,omitempty"`
	Better  checkers.Better `json:"better,omitempty"`
	Main    bool            `json:"main,omitempty"` // it is what runs are for, or claimed
}

// value is a fact in a run: in words and, where it is known, the least and the most that
// it can be.
type value struct {
	Text string    `json:"text"`
	N    []float64 `json:"n,omitempty"`
}

func dataOf(runs []Run) *data {
	d := &data{Runs: []runData{}, Facts: factsOf(runs)}
	place := map[string]int{}
	for i, f := range d.Facts {
		place[f.Name] = i
	}
	for i := range runs {
		d.Runs = append(d.Runs, runDataOf(&runs[i], place))
	}
	return d
}

// factsOf are the facts of all runs: those that matter most first.
func factsOf(runs []Run) []factData {
	all := []factData{}
	seen, claimed := map[string]bool{}, map[string]bool{}
	for _, r := range runs {
		for _, name := range compare.Claimed(r.Verdict) {
			claimed[name] = true
		}
	}
	for _, r := range runs {
		for _, v := range r.Verdict.Values {
			if seen[v.Name] {
				continue
			}
			seen[v.Name] = true
			fact, _ := claims.LookupFact(v.Name)
			fact.Unit = v.Unit
			all = append(all, factData{report.Plain(v.Name), fact.Meaning, fact.Direction(), claimed[v.Name] || compare.Rank(v.Name) < len(compare.Headline)})
		}
	}
	slices.SortStableFunc(all, func(a, b factData) int {
		return cmp.Or(cmp.Compare(compare.Rank(a.Name), compare.Rank(b.Name)), strings.Compare(a.Name, b.Name))
	})
	return all
}

func runDataOf(r *Run, place map[string]int) runData {
	v := r.Verdict
	d := runData{
		ID: r.ID, Link: r.Link, Plan: report.Plain(v.Plan.Name), Digest: v.Plan.Digest(), Varied: report.Plain(compare.Label(v.Plan.Varied)), System: report.Plain(v.Plan.System()),
		Started: v.Started.UTC().Format("2006-01-02 15:04:05 UTC"), Seed: v.Plan.Seed, Answer: v.Verdict, Mark: report.Mark(v.Verdict), Headline: report.Plain(say.Headline(v)),
		Bands: []timeline.Band{}, Lines: []line{}, Facts: map[int]value{},
	}
	if v.Machine != nil {
		d.Machine = report.Plain(v.Machine.Words())
	}
	for _, f := range v.Values {
		one := value{Text: report.Plain(f.String())}
		if least, most := f.Bounds(); f.Known && !math.IsInf(most-least, 0) && !math.IsNaN(most-least) {
			one.N = []float64{least, most}
		}
		d.Facts[place[f.Name]] = one
	}
	if r.Over != nil {
		d.draw(r.Over)
	}
	return d
}

// draw adds what the pictures are drawn from: one level of time is enough for them.
func (d *runData) draw(over *timeline.Data) {
	d.Begin, d.End = over.Begin, over.End
	for _, b := range over.Bands {
		if b.Kind != "fault" {
			continue
		}
		if d.Fault == nil || b.Begin < *d.Fault {
			begin := b.Begin
			d.Fault = &begin
		}
		b.Label = report.Plain(b.Label)
		d.Bands = append(d.Bands, b)
	}
	d.Bins = binsOf(over.Levels[0])
	for _, s := range over.Spreads {
		for _, l := range s.Lines {
			d.Lines = append(d.Lines, line{report.Plain(s.Name + " " + l.Label), l})
		}
	}
}

func binsOf(l *timeline.Level) *bins {
	b := &bins{First: l.First, Width: l.Width, N: l.Bins, OK: make(timeline.Column, l.Bins), Bad: make(timeline.Column, l.Bins)}
	for _, g := range []*timeline.Answers{l.Reads, l.Writes} {
		if g == nil {
			continue
		}
		for i := range l.Bins {
			b.OK[i] += g.OK[i]
			b.Bad[i] += g.Failed[i] + g.Unknown[i]
		}
	}
	if l.Reads != nil {
		b.Reads = l.Reads.P99
	}
	if l.Writes != nil {
		b.Writes = l.Writes.P99
	}
	for _, of := range l.Seen {
		if b.Lag == nil {
			b.Lag = slices.Clone(of.Max)
			continue
		}
		for i, x := range of.Max {
			if math.IsNaN(b.Lag[i]) || x > b.Lag[i] {
				b.Lag[i] = x
			}
		}
	}
	return b
}
