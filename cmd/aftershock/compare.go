package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/harness/series"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/internal/wholefile"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/compare/page"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// compareFlags are the flags of `compare`.
type compareFlags struct {
	format    string
	html      string
	baseline  []string
	facts     []string
	tolerance percentFlag
}

func compareCommand() *cobra.Command {
	f := compareFlags{tolerance: defaultTolerance}
	c := &cobra.Command{
		Use:   "compare BASE HEAD | compare GROUP | compare --baseline BASE HEAD…",
		Short: "Tell whether the runs of two groups differ",
		Long: `Compare runs of one plan, fact by fact: better, worse, no difference, or no answer
where what is known of the values allows both. BASE and HEAD are run directories,
the group directories that run --repeat makes, or patterns of such in quotes. Of a
group alone, the first variant is compared with each of the others.

The test is Mann and Whitney's U test, as benchstat's, with Holm's correction over
the facts that are tested: those that the plan claims and a few others of every
run, or those of --facts. Six runs on each side are the fewest that can tell a
dozen facts apart; make them interleaved, with run --repeat 6 and vary or --base,
or the machine's moods are compared.

--html draws the latest runs of both over each other: percentiles, and operations,
latency and lag over time, aligned at the first fault; with the facts that differ.

Exit codes: 0 nothing is worse, 1 a fact is worse by more than --tolerance, 3 the
input is wrong, also where the plans of the runs differ in more than they vary.`,
		Example: `  aftershock compare runs/20260101T120000-kill-7-abcdefgh-group runs/20260102T120000-kill-7-ijklmnop-group
  aftershock compare 'runs/*-before-*' 'runs/*-after-*' --format markdown
  aftershock compare --baseline baselines/main runs/latest
  aftershock compare runs/before runs/after --html compare.html`,
		RunE: func(c *cobra.Command, args []string) error {
			return untilInterrupted(c.Context(), func(context.Context) error { return f.run(args) })
		},
	}
	c.Flags().StringVar(&f.format, "format", "text", "text, markdown or json")
	c.Flags().StringVar(&f.html, "html", "", "write a page that draws both over each other into this file as well")
	c.Flags().StringArrayVar(&f.baseline, "baseline", nil, "directory of runs to compare with (repeatable)")
	c.Flags().StringSliceVar(&f.facts, "facts", nil, "facts to test, or all")
	c.Flags().Var(&f.tolerance, "tolerance", "how much worse a fact may be")
	return c
}

func (f compareFlags) run(args []string) error {
	print, ok := map[string]func(io.Writer, ...*compare.Comparison) error{"text": compare.Text, "markdown": compare.Markdown, "json": compare.JSON}[f.format]
	if !ok {
		return fmt.Errorf("unknown --format %q; use text, markdown or json", f.format)
	}
	options := compare.Options{Tolerance: float64(f.tolerance) / 100, All: slices.Equal(f.facts, []string{"all"})}
	if !options.All {
		options.Facts = f.facts
	}
	for _, name := range options.Facts {
		if _, known := claims.LookupFact(name); !known {
			return fmt.Errorf("unknown fact %q in --facts; %s", spelling.Short(name), nearFact(name))
		}
	}
	pairs, warnings, err := f.pairs(args)
	if err != nil {
		return err
	}
	var all []*compare.Comparison
	worse := false
	for _, pair := range pairs {
		c := compare.Compare(pair[0], pair[1], options)
		c.Warnings = append(c.Warnings, warnings...)
		all, worse = append(all, c), worse || c.Worse()
	}
	if err := print(stdout, all...); err != nil {
		return fmt.Errorf("print the comparison: %w", err)
	}
	if f.html != "" {
		if err := drawPairs(f.html, pairs, all); err != nil {
			return err
		}
	}
	if worse {
		return exitError{exitViolated}
	}
	return nil
}

// drawPairs writes the page that draws the latest runs of each pair over each other.
func drawPairs(path string, pairs [][2]compare.Group, all []*compare.Comparison) error {
	in := page.Input{}
	for _, pair := range pairs {
		for _, g := range pair {
			v := g.Runs[len(g.Runs)-1]
			if slices.ContainsFunc(in.Runs, func(r page.Run) bool { return r.ID == v.Dir }) {
				continue
			}
			dir, err := rundir.Open(v.Dir)
			if err != nil {
				return fmt.Errorf("%w: %w", failure.ErrInput, err)
			}
			over, _, err := judge.Timeline(dir, v, 0)
			if err != nil {
				return fmt.Errorf("%w: draw %s: %w", failure.ErrInput, v.Dir, err)
			}
			in.Runs = append(in.Runs, page.Run{ID: v.Dir, Verdict: v, Over: over})
		}
	}
	for _, c := range all {
		if max(c.Runs[0], c.Runs[1]) > 1 {
			in.Groups = append(in.Groups, c)
		}
	}
	err := wholefile.Write(path, 0o644, func(w io.Writer) error { return page.HTML(w, in) })
	return failure.Infrastructure("write "+path, err)
}

func nearFact(name string) string {
	if near := claims.SuggestFact(name); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "`aftershock list facts` tells all of them"
}

// pairs are the groups that the command line names.
func (f compareFlags) pairs(args []string) (pairs [][2]compare.Group, warnings []string, err error) {
	base, head := f.baseline, args
	switch {
	case len(base) > 0 && len(args) == 0:
		return nil, nil, errors.New("name the runs to compare with --baseline")
	case len(base) == 0 && len(args) == 0:
		return nil, nil, errors.New("name two groups of runs, or a group that varies something")
	case len(base) == 0 && len(args) > 2:
		return nil, nil, fmt.Errorf("%d paths are no two groups; put a pattern into quotes, such as 'runs/*-before-*', or use --baseline", len(args))
	case len(base) == 0:
		base, head = args[:1], args[1:]
	}
	baseGroups, left, err := series.Load(base...)
	if err != nil {
		return nil, nil, err
	}
	var headGroups []compare.Group
	if len(head) > 0 {
		var more int
		if headGroups, more, err = series.Load(head...); err != nil {
			return nil, nil, err
		}
		left += more
	}
	if left > 0 {
		warnings = append(warnings, fmt.Sprintf("%d runs are left out, as they did not end; see group.json", left))
	}
	pairs, err = series.Pairs(baseGroups, headGroups)
	if err != nil && !errors.Is(err, failure.ErrInput) {
		err = fmt.Errorf("compare %s: %w", strings.Join(args, " "), err)
	}
	return pairs, warnings, err
}
