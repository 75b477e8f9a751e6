package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/cmd/aftershock/live"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/series"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// several tells whether a plan asks for more than one run of a variant.
func several(p *plan.Plan) bool {
	if p.Rounds() > 1 || p.Find.Asked() {
		return true
	}
	for _, v := range p.Vary {
		if strings.HasPrefix(v.Path, "find.") || v.Path == "find" {
			return true
		}
	}
	return false
}

// seriesOf is the job of a plan that asks for several runs.
func (f runFlags) seriesOf(p *plan.Plan) (job, error) {
	if p.Study.At > 0 {
		return job{}, fmt.Errorf("%w: plan %s says what to do with the limit that it finds (study.at); use `aftershock study`", failure.ErrInput, p.Name)
	}
	s, err := series.Of(p)
	if err != nil {
		return job{}, err
	}
	if f.base != "" {
		if f.findOf(s) {
			return job{}, fmt.Errorf("%w: plan %s searches for a limit, and --base compares runs of one rate; leave one of them out", failure.ErrInput, p.Name)
		}
		if err := s.WithBase(f.base); err != nil {
			return job{}, err
		}
	}
	return job{name: p.Name, series: s}, nil
}

func (runFlags) findOf(s *series.Series) bool { return s.Cells[0].Plan.Find.Asked() }

// seriesRun makes the runs of one series and prints what they come to.
type seriesRun struct {
	flags   runFlags
	live    *live.Display
	options harness.Options
	code    int // of exit: a fact is worse than on the base, or nothing holds where a search began

	verdicts []*results.Verdict
	failures []error
}

func (r *seriesRun) run(ctx context.Context, j job) ([]*results.Verdict, []error) {
	j.series.Watch = func(m series.Moment) { r.moment(j, m) }
	if r.flags.findOf(j.series) {
		for _, c := range j.series.Cells {
			if ctx.Err() == nil {
				r.find(ctx, j, c)
			}
		}
		return r.verdicts, r.failures
	}
	g, err := j.series.Run(ctx, r.options)
	r.fail(j, err)
	if g == nil {
		return r.verdicts, r.failures
	}
	if err := r.summarize(g, len(j.series.Cells)); err != nil {
		r.fail(j, err)
	}
	return r.verdicts, r.failures
}

// moment shows the begin and the end of a run.
func (r *seriesRun) moment(j job, m series.Moment) {
	if !m.Ended {
		name := j
		for _, s := range m.Cell.Settings {
			name.varied = append(name.varied, plan.Override(s))
		}
		r.live.Begin(name.told(m.Run, max(m.Of, m.Run+1)))
		return
	}
	r.live.Clear()
	if m.Result == nil || m.Result.Verdict == nil {
		return
	}
	r.verdicts = append(r.verdicts, m.Result.Verdict)
	judged(r.live, m.Result.Verdict)
	if r.flags.format == "text" {
		fmt.Fprintf(stdout, "round %d  %-9s %s  %s\n", m.Round, m.Result.Verdict.Verdict, m.Cell.Name(), m.Result.Dir)
	}
}

func (r *seriesRun) fail(j job, err error) {
	if err != nil {
		r.failures = append(r.failures, fmt.Errorf("plan %s: %w", j.name, err))
		r.live.Fail(r.failures[len(r.failures)-1])
	}
}

// summarize prints the group's medians, and base against head.
func (r *seriesRun) summarize(g *rundir.Group, cells int) error {
	groups, err := series.Groups(g)
	if err != nil {
		return err
	}
	if r.flags.format == "text" {
		fmt.Fprintln(stdout)
		if err := compare.Summaries(stdout, groups...); err != nil {
			return fmt.Errorf("print the summary: %w", err)
		}
	}
	if r.flags.base != "" {
		var all []*compare.Comparison
		for _, pair := range series.Sides(cells) {
			all = append(all, compare.Compare(groups[pair[0]], groups[pair[1]], compare.Options{Tolerance: float64(r.flags.tolerance) / 100}))
			if all[len(all)-1].Worse() {
				r.code = exitViolated
			}
		}
		if err := g.Write("comparison.json", all); err != nil {
			return fmt.Errorf("%w: %w", failure.ErrInfrastructure, err)
		}
		if r.flags.format == "text" {
			fmt.Fprintln(stdout)
			if err := compare.Text(stdout, all...); err != nil {
				return fmt.Errorf("print the comparison: %w", err)
			}
		}
	}
	if r.flags.format == "text" {
		fmt.Fprintln(stdout, "group", g.Path())
	}
	return nil
}

// find searches for one variant's limit.
func (r *seriesRun) find(ctx context.Context, j job, c series.Cell) {
	before := len(r.verdicts)
	found, g, err := j.series.Find(ctx, c, r.options)
	r.fail(j, err)
	// The runs of a search are there to fail: only what was found is an answer.
	r.verdicts = r.verdicts[:before]
	if found == nil {
		return
	}
	switch {
	case err != nil || found.Least != nil:
	case found.Undecided && r.code != exitViolated:
		r.code = exitUnknown
	case !found.Undecided:
		r.code = exitViolated
	}
	if err := r.printFound(c, found, g); err != nil {
		r.fail(j, fmt.Errorf("print what was found: %w", err))
	}
}

// printFound writes what was found as text or, in the format json, as one document
// for each variant; the other formats are of verdicts, and there is none to give.
func (r *seriesRun) printFound(c series.Cell, found *series.Found, g *rundir.Group) error {
	if r.flags.format == "json" {
		return printJSON(struct {
			Group   string            `json:"group"`
			Variant []results.Setting `json:"variant,omitempty"`
			*series.Found
		}{g.Path(), c.Settings, found})
	}
	fmt.Fprintln(stdout)
	if len(c.Settings) > 0 {
		fmt.Fprintln(stdout, c.Name())
	}
	if err := found.Text(stdout); err != nil {
		return err
	}
	_, err := fmt.Fprintln(stdout, "group", g.Path())
	return err
}

// percentFlag is a flag like 5%.
type percentFlag float64

const defaultTolerance percentFlag = 5

func (p *percentFlag) String() string { return strconv.FormatFloat(float64(*p), 'f', -1, 64) + "%" }

func (p *percentFlag) Type() string { return "percent" }

func (p *percentFlag) Set(text string) error {
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "%")), 64)
	if err != nil || !(n >= 0 && n <= 1000) {
		return fmt.Errorf("it cannot be %q; write it like 5%%", text)
	}
	*p = percentFlag(n)
	return nil
}
