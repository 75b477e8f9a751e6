package studies

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/harness/series"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/results/study"
)

// limitOf is what a search that was not interrupted came to. A rate of which nobody
// could say whether it holds is no upper bound of the system's limit.
func limitOf(found *series.Found, g *rundir.Group) *study.Limit {
	l := &study.Limit{Most: math.Inf(1), Words: strings.TrimPrefix(found.Answer(), "max rate: ")}
	if found.Least != nil {
		l.Least = *found.Least
	}
	if found.Most == nil {
		return l
	}
	l.Most = *found.Most
	for _, p := range found.Points {
		if p.Rate != *found.Most || p.Holds {
			continue
		}
		if p.Undecided {
			l.Most = math.Inf(1)
		}
		if p.Undecided && !strings.Contains(l.Words, "could tell") {
			l.Words += fmt.Sprintf("; at %.4g/s nobody could tell", p.Rate)
		}
		l.Used = append(l.Used, used(g, p.Runs)...)
	}
	return l
}

// used tells how busy the machine was in some runs of a group.
func used(g *rundir.Group, runs []string) []results.FactValue {
	var all []results.FactValue
	for _, name := range runs {
		dir, err := rundir.Open(filepath.Join(g.Path(), name))
		if err != nil {
			continue // it left nothing that could be told
		}
		v, err := dir.ReadVerdict()
		if err != nil {
			continue
		}
		if at := slices.IndexFunc(v.Values, func(f results.FactValue) bool { return f.Name == study.BusyFact }); at >= 0 {
			all = append(all, v.Values[at])
		}
	}
	return all
}

// limits searches for the limit of each variant, and runs it at a share of that.
func (r *partRun) limits(ctx context.Context) {
	guess := 0.0 // what the variant before held is near to what this one does
	for i, c := range r.part.cells {
		if ctx.Err() != nil {
			r.missing(i, errNotBegun)
			return
		}
		v := study.Variant{Settings: told(c), Runs: map[string][]*results.Verdict{}}
		search := c
		search.Plan = c.Plan.Clone()
		if search.Plan.Faults = nil; r.part.plan.Study.Search > 0 {
			search.Plan.Duration = r.part.plan.Study.Search
		}
		s := r.series([]series.Cell{c}, 1)
		s.Guess = guess
		found, g, err := s.Find(ctx, search, r.options())
		r.fail(err)
		r.failed(g)
		switch {
		case found == nil:
			v.Missing = "the search for the greatest rate did not begin"
		case err != nil:
			v.Missing = "the search for the greatest rate was ended early"
		default:
			v.Limit = limitOf(found, g)
			if guess = v.Limit.Least; found.Least == nil {
				v.Missing = "no rate held, so that there is none to run at: " + v.Limit.Words
				break
			}
			r.at(ctx, c, *found.Least*r.part.plan.Study.At/100, &v)
		}
		r.made.Variants = append(r.made.Variants, v)
	}
}

// stepSetting tells the runs of a variant at its rate apart.
const stepSetting = "study.run"

// at runs a variant at a rate, without the plan's faults and with them.
func (r *partRun) at(ctx context.Context, c series.Cell, rate float64, v *study.Variant) {
	rate = math.Round(rate*100) / 100
	kinds := []string{question.Steady}
	if len(c.Plan.Faults) > 0 {
		kinds = append(kinds, question.Killed)
	}
	var cells []series.Cell
	for _, kind := range kinds {
		one := c
		one.Plan = steady(c.Plan, rate)
		if kind == question.Killed {
			one.Plan = killed(c.Plan, rate)
		}
		one.Settings = append(slices.Clone(c.Settings), results.Setting{Path: stepSetting, Value: kind})
		cells = append(cells, one)
	}
	rounds := max(1, r.part.plan.Study.Runs)
	g, err := r.series(cells, rounds).Run(ctx, r.options())
	r.fail(err)
	for i, runs := range r.verdicts(g, len(cells)) {
		v.Runs[kinds[i]] = runs
		if len(runs) < rounds {
			v.Missing = fmt.Sprintf("%d of %d %s runs were not made", rounds-len(runs), rounds, kinds[i])
		}
	}
	r.failed(g)
}
