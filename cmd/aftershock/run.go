package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/results"
)

// runFlags are the flags of `run`.
type runFlags struct {
	set     []string
	seed    uint64
	host    string
	replay  string
	out     string
	format  string
	quiet   bool
	verbose bool
	memory  memoryFlag
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run PLAN…",
		Short: "Run plans and judge their claims",
		Long: `Run every plan of the named files, one after the other, and judge its claims.

Exit codes: 0 every claim holds, 1 a claim is violated, 2 unknown (too little
evidence, or interrupted), 3 the input is wrong, 4 the infrastructure failed.`,
		Example: `  aftershock run plans/quickstart.yaml
  aftershock run plans/quickstart.yaml --set target.replicas=4 --seed 7
  aftershock run --replay runs/latest`,
		RunE: func(c *cobra.Command, args []string) error { return runPlans(c.Context(), f, args) },
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "override a path of the plan, e.g. target.replicas=4 (repeatable)")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of operations, victims and schedule (0: the plan's)")
	c.Flags().StringVar(&f.host, "host", "", "where nodes live: auto, docker or local (default: the plan's)")
	c.Flags().StringVar(&f.replay, "replay", "", "execute the saved plan and schedule of an earlier run again")
	c.Flags().StringVarP(&f.out, "out", "o", "runs", "folder in which run directories are made")
	c.Flags().StringVar(&f.format, "format", "text", "what to print on standard output: text, json, junit, table or markdown")
	f.memory.register(c)
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no live line")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "log what the harness does to standard error")
	return c
}

// job is one run to make.
type job struct {
	plan   *aftershock.Plan
	varied []results.Setting
	replay *aftershock.Replay
}

func runPlans(ctx context.Context, f runFlags, paths []string) error {
	print, err := printer(f.format)
	if err != nil {
		return err
	}
	jobs, err := f.jobs(paths)
	if err != nil {
		return err
	}
	live := newLiveLine(os.Stderr, f.quiet)
	log := newLogger(live, f.verbose)
	var verdicts []*results.Verdict
	var failures []error
	for i, j := range jobs {
		options := aftershock.Options{RunsDir: f.out, Varied: j.varied, Memory: uint64(f.memory), Logger: log, Progress: live.show}
		if j.replay != nil {
			options.Replay = j.replay.Schedule
		}
		live.begin(i, len(jobs), j)
		result, err := aftershock.Run(ctx, j.plan, options)
		live.clear()
		if err != nil {
			failures = append(failures, fmt.Errorf("plan %s: %w", j.plan.Name, err))
			fmt.Fprintln(os.Stderr, "aftershock:", failures[len(failures)-1])
		}
		if result != nil && result.Verdict != nil {
			verdicts = append(verdicts, result.Verdict)
			if f.format == "text" {
				if len(verdicts) > 1 {
					fmt.Println()
				}
				if err := print(os.Stdout, result.Verdict); err != nil {
					return fmt.Errorf("print the summary: %w", err)
				}
			}
		}
		if ctx.Err() != nil || errors.Is(err, aftershock.ErrInfrastructure) {
			break
		}
	}
	if f.format != "text" {
		if err := print(os.Stdout, verdicts...); err != nil {
			return fmt.Errorf("print the verdicts: %w", err)
		}
	} else if len(verdicts) > 1 {
		fmt.Println()
		if err := results.Table(os.Stdout, verdicts); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
	}
	return conclude(verdicts, failures)
}

// jobs reads the plans, or the run to replay, and expands what varies.
func (f runFlags) jobs(paths []string) ([]job, error) {
	set := f.set
	if f.seed != 0 {
		set = append(set, fmt.Sprintf("seed=%d", f.seed))
	}
	if f.host != "" {
		set = append(set, "host="+f.host)
	}
	overrides, err := parseOverrides(set)
	if err != nil {
		return nil, err
	}
	if f.replay != "" {
		if len(paths) > 0 {
			return nil, fmt.Errorf("--replay takes the plan from the run; leave %s out", strings.Join(paths, " "))
		}
		replay, err := aftershock.LoadReplay(f.replay, overrides)
		if err != nil {
			return nil, err
		}
		return []job{{plan: replay.Plan, replay: replay}}, nil
	}
	if len(paths) == 0 {
		return nil, errors.New("name a plan file, e.g. `aftershock run plans/quickstart.yaml`")
	}
	var jobs []job
	var wrong []error
	for _, path := range paths {
		plans, err := aftershock.LoadPlans(path, overrides)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, p := range plans {
			expanded, err := p.Expand()
			if err != nil {
				wrong = append(wrong, err)
			}
			for _, e := range expanded {
				jobs = append(jobs, job{plan: e.Plan, varied: settings(e.Labels)})
			}
		}
	}
	return jobs, errors.Join(wrong...)
}

// settings splits labels like "target.replicas=4".
func settings(labels []string) []results.Setting {
	var all []results.Setting
	for _, l := range labels {
		path, value, _ := strings.Cut(l, "=")
		all = append(all, results.Setting{Path: path, Value: value})
	}
	return all
}

func parseOverrides(set []string) ([]aftershock.Override, error) {
	var overrides []aftershock.Override
	for _, s := range set {
		o, err := aftershock.ParseOverride(s)
		if err != nil {
			return nil, err
		}
		overrides = append(overrides, o)
	}
	return overrides, nil
}

// conclude turns verdicts and failures into the command's exit code; the
// failures have been printed already.
func conclude(verdicts []*results.Verdict, failures []error) error {
	code := exitHolds
	worse := map[int]int{exitHolds: 0, exitUnknown: 1, exitViolated: 2, exitInput: 3, exitInfrastructure: 4}
	note := func(c int) {
		if worse[c] > worse[code] {
			code = c
		}
	}
	for _, v := range verdicts {
		note(v.ExitCode())
	}
	for _, err := range failures {
		note(exitCode(err))
	}
	if code == exitHolds {
		return nil
	}
	return exitError{code}
}

// printer is the writer of a --format.
func printer(format string) (func(io.Writer, ...*results.Verdict) error, error) {
	switch format {
	case "text":
		return printText, nil
	case "json":
		return results.JSON, nil
	case "junit":
		return results.JUnit, nil
	case "table":
		return results.Comparison, nil
	case "markdown":
		return results.Markdown, nil
	}
	return nil, fmt.Errorf("unknown --format %q; use text, json, junit, table or markdown", format)
}

// printText writes summaries for the terminal they go to.
func printText(w io.Writer, verdicts ...*results.Verdict) error {
	options := results.TextOptions{Width: 100}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		options.Color = os.Getenv("NO_COLOR") == ""
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			options.Width = min(max(width, 60), 140)
		}
	}
	for _, v := range verdicts {
		if err := results.Text(w, v, options); err != nil {
			return err
		}
	}
	return nil
}

// newLogger writes to the live line's place, so that lines do not mix.
func newLogger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: drop}))
}
