package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cmd/aftershock/live"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/report"
)

// runFlags are the flags of `run`.
type runFlags struct {
	set        []string
	seed       uint64
	host       string
	replay     string
	out        string
	format     string
	quiet      bool
	verbose    bool
	memory     memoryFlag
	control    string
	alone      bool   // no control
	breaks     string // the name of the deployment that may be broken
	agentImage string
	strict     bool          // a plan without claims is no success
	timeout    time.Duration // of all runs together; 0: none
	retries    int           // of a run that is unknown, or that the infrastructure failed
	fast       bool          // the first run that does not hold is the last
	shard      shardFlag

	repeat    *string     // nil: as the plan says
	listen    string      // address at which the metrics are served
	events    string      // how runs are told of while they go on
	otlp      string      // address of a collector that they are sent to
	base      string      // a binary or an image that every plan runs on as well
	tolerance percentFlag // that a fact may be worse by than on the base
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run PLAN…",
		Short: "Run plans and judge their claims",
		Long: `Run every plan of the named files, one after the other, and judge its claims.
What is no file is looked for among the plans that are shipped with aftershock,
by its file (postgres/kill) or by its name; see aftershock list plans.

With --repeat, or where a plan says repeat, every variant of a plan runs once a
round, with the round's seed and in an order of its own; the runs are kept in one
folder, and the summary has each fact's median, its 95 % interval (from 6 rounds
on) and all values. A plan that says find: max-rate is searched for the greatest
rate at which its claims hold.

With --base, every variant runs on a base as well, interleaved, and is compared
with it as aftershock compare does. A base that is a file is an aftershock binary:
base's nodes are made of it, so that it is their agent and ripple's server, and on
the local host also what drives and judges them. Any other word is the target's
image. A fact that is worse by more than --tolerance gives exit code 1.

Exit codes: 0 every claim holds, 1 a claim is violated, 2 unknown (too little
evidence, or interrupted), 3 the input is wrong, 4 the infrastructure failed.`,
		Example: `  aftershock run quickstart
  aftershock run my-plan.yaml --set target.replicas=4 --seed 7
  aftershock run --repeat 6 --base /usr/bin/aftershock my-plan.yaml
  aftershock run --replay runs/latest`,
	}
	repeat := c.Flags().String("repeat", "", "rounds, in each of which every variant runs once (default: the plan's, else 1)")
	c.ValidArgsFunction = completePlans
	c.RunE = func(c *cobra.Command, args []string) error {
		if c.Flags().Changed("repeat") {
			f.repeat = repeat
		}
		return runPlans(c.Context(), f, args)
	}
	c.Flags().StringVar(&f.listen, "listen", "", "serve metrics for Prometheus at this address while running, e.g. 127.0.0.1:9100")
	c.Flags().StringVar(&f.otlp, "otlp", "", "send metrics, and phases and faults as spans, to an OpenTelemetry collector by HTTP while running, e.g. http://127.0.0.1:4318")
	c.Flags().StringVar(&f.events, "events", "text", "how to tell on standard error what happens: text, or json, an object a line (docs/events.md)")
	f.tolerance = defaultTolerance
	c.Flags().StringVar(&f.base, "base", "", "binary or image that every plan runs on as well, to be compared with")
	c.Flags().Var(&f.tolerance, "tolerance", "with --base: how much worse a fact may be")
	c.Flags().StringArrayVar(&f.set, "set", nil, "override a path of the plan, e.g. target.replicas=4, claims=[linearizable], or faults=[] for the baseline (repeatable)")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of operations, victims and schedule (0: the plan's)")
	c.Flags().StringVar(&f.host, "host", "", "where nodes live: "+orList(harness.HostNames())+" (default: the plan's)")
	c.Flags().StringVar(&f.agentImage, "agent-image", "", "host kubernetes: an image whose entrypoint is this binary (default: $"+harness.AgentImageVariable+")")
	c.Flags().StringVar(&f.replay, "replay", "", "execute the saved plan and schedule of an earlier run again")
	c.Flags().StringVarP(&f.out, "out", "o", "runs", "folder in which run directories are made")
	c.Flags().StringVar(&f.format, "format", "text", "what to print on standard output: "+formatNames())
	c.Flags().StringVar(&f.control, "control", "cached", "the plans' negative controls: cached (made once for a plan, version and host), always, no")
	c.Flags().BoolVar(&f.alone, "no-control", false, "leave the plans' negative controls out, as --control no does")
	c.Flags().StringVar(&f.breaks, "break", "", "the name, typed out, of the deployment that a plan attaches to: it may be broken (without: load and checks only)")
	c.Flags().BoolVar(&f.strict, "strict", false, "a plan that claims nothing gives exit code 2")
	c.Flags().DurationVar(&f.timeout, "timeout", 0, "end the runs after this time, as an interrupt does (0: never)")
	c.Flags().IntVar(&f.retries, "retry-unknown", 0, "how often a run is made again that is unknown, or that the infrastructure failed; one that is violated never is")
	c.Flags().BoolVar(&f.fast, "fail-fast", false, "the first run that does not hold is the last")
	c.Flags().Var(&f.shard, "shard", "make only this share of the runs, e.g. 2/5, as where several machines share them")
	f.memory.register(c)
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no live line, and of each run its verdict alone")
	complete(c, "set", completeSet)
	complete(c, "host", completeHosts)
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "log what the harness does to standard error")
	return c
}

func runPlans(ctx context.Context, f runFlags, paths []string) error {
	print, err := printer(f.format)
	if err != nil {
		return err
	}
	if f.quiet && f.format == "text" {
		print = printHeadline
	}
	if f.retries < 0 || f.timeout < 0 {
		return errors.New("--retry-unknown and --timeout cannot be negative")
	}
	control, err := f.controlMode()
	if err != nil {
		return err
	}
	jobs, err := f.jobs(paths)
	if err != nil {
		return err
	}
	jobs = f.shard.share(jobs)
	display, err := f.display()
	if err != nil {
		return err
	}
	log := newLogger(display, f.verbose)
	beside, err := live.Tell(display, f.listen, f.otlp, log)
	if err != nil {
		return err
	}
	defer beside.Close()
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("--timeout %s is over", f.timeout))
		defer cancel()
	}
	r := runner{flags: f, live: display, options: f.options(control, log, beside.With(display.Show)), print: print}
	if err := r.run(ctx, jobs); err != nil {
		return err
	}
	if err := f.printAll(print, jobs, r.verdicts); err != nil {
		return err
	}
	if err := conclude(r.verdicts, r.failures); err != nil || r.code == exitHolds {
		if err == nil && f.strict && slices.ContainsFunc(r.verdicts, func(v *results.Verdict) bool { return v.Verdict == results.OnlyMeasured }) {
			return exitError{exitUnknown}
		}
		return err
	}
	return exitError{r.code}
}

// printAll writes what is told of all runs at once: in other formats than text the
// verdicts, and in text a table of several.
func (f runFlags) printAll(print func(io.Writer, ...*results.Verdict) error, jobs []job, verdicts []*results.Verdict) error {
	isSeries := func(j job) bool { return j.series != nil }
	searched := slices.ContainsFunc(jobs, func(j job) bool { return isSeries(j) && f.findOf(j.series) })
	switch {
	case f.format != "text" && (len(verdicts) > 0 || !searched):
		if err := print(stdout, verdicts...); err != nil {
			return fmt.Errorf("print the verdicts: %w", err)
		}
	case f.format == "text" && !f.quiet && len(verdicts) > 1 && !slices.ContainsFunc(jobs, isSeries):
		fmt.Fprintln(stdout)
		if err := report.Table(stdout, verdicts); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
	}
	return nil
}

// options are those of a run.
func (f runFlags) options(control harness.ControlMode, log *slog.Logger, show func(harness.Progress)) harness.Options {
	return harness.Options{RunsDir: f.out, Memory: uint64(f.memory), Control: control, Logger: log, Progress: show, Metrics: f.listen != "" || f.otlp != "", Break: f.breaks, AgentImage: f.agentImage}
}

// display is what is shown of runs while they go on.
func (f runFlags) display() (*live.Display, error) {
	switch f.events {
	case "text":
		return live.New(os.Stderr, f.quiet), nil
	case "json":
		return live.NewEvents(os.Stderr), nil
	}
	return nil, fmt.Errorf("--events cannot be %q; %s", spelling.Short(f.events), spelling.DidYouMean(f.events, []string{"text", "json"}))
}

// controlMode is what the flags say about negative controls.
func (f runFlags) controlMode() (harness.ControlMode, error) {
	words := map[string]harness.ControlMode{"cached": harness.ControlCached, "always": harness.ControlAlways, "no": harness.ControlNo}
	mode, ok := words[f.control]
	switch {
	case !ok:
		return "", fmt.Errorf("--control cannot be %q; %s", spelling.Short(f.control), spelling.DidYouMean(f.control, []string{"cached", "always", "no"}))
	case f.alone && f.control == "always":
		return "", errors.New("--no-control and --control always contradict each other; leave one out")
	case f.alone:
		return harness.ControlNo, nil
	}
	return mode, nil
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
