package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/cmd/aftershock/live"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/judge"
)

// runner makes the runs of a command, one after the other, and keeps what came of
// them.
type runner struct {
	flags   runFlags
	live    *live.Display
	options harness.Options
	print   func(io.Writer, ...*results.Verdict) error

	verdicts []*results.Verdict // of those that count: not of what was made again
	failures []error
	code     int // of exit, of what is no verdict: a comparison, a search
}

// run makes the runs. The error is of printing.
func (r *runner) run(ctx context.Context, jobs []job) error {
	for i, j := range jobs {
		var failed error
		if j.series != nil {
			failed = r.series(ctx, j)
		} else {
			r.live.Begin(j.told(i+1, len(jobs)))
			var printing error
			if failed, printing = r.tries(ctx, j); printing != nil {
				return printing
			}
		}
		if ctx.Err() != nil || errors.Is(failed, failure.ErrInfrastructure) || r.flags.fast && conclude(r.verdicts, r.failures) != nil {
			return nil
		}
	}
	return nil
}

// series makes the runs of a series, and says what failed.
func (r *runner) series(ctx context.Context, j job) error {
	s := seriesRun{flags: r.flags, live: r.live, options: r.options}
	made, failed := s.run(ctx, j)
	r.verdicts, r.failures = append(r.verdicts, made...), append(r.failures, failed...)
	if s.code == exitViolated || r.code == exitHolds {
		r.code = s.code
	}
	return errors.Join(failed...)
}

// tries makes a run, and makes it again as often as the flags allow where it is unknown
// or the infrastructure failed. It says what failed in the last try, and what failed to
// be printed.
func (r *runner) tries(ctx context.Context, j job) (failed, printing error) {
	for try := 0; ; try++ {
		result, err := j.run(ctx, r.options)
		r.live.Clear()
		again := try < r.flags.retries && ctx.Err() == nil && hiccup(result, err)
		if err != nil {
			failed := fmt.Errorf("plan %s: %w", j.name, err)
			r.live.Fail(failed)
			if !again {
				r.failures = append(r.failures, failed)
			}
		}
		if result != nil && result.Verdict != nil {
			judged(r.live, result.Verdict)
			if err := r.show(result.Verdict, try > 0); err != nil {
				return nil, fmt.Errorf("print the summary: %w", err)
			}
			if !again {
				r.verdicts = append(r.verdicts, result.Verdict)
			}
		}
		if !again {
			return err, nil
		}
		fmt.Fprintf(r.live, "plan %s: once more, as nothing was decided (--retry-unknown, %d of %d)\n", j.name, try+1, r.flags.retries)
	}
}

// judged tells a verdict where events are told.
func judged(display *live.Display, v *results.Verdict) {
	display.Judged(v.Plan.Name, v.Run, string(v.Verdict), v.ExitCode(), v.Dir)
}

// hiccup tells whether nothing was decided, so that another try may decide it. What was
// violated is.
func hiccup(result *judge.Result, err error) bool {
	if result != nil && result.Verdict != nil {
		return result.Verdict.Verdict == results.Unproven
	}
	return errors.Is(err, failure.ErrInfrastructure)
}

// show prints a verdict where each is printed as it comes.
func (r *runner) show(v *results.Verdict, again bool) error {
	if r.flags.format != "text" {
		return nil
	}
	if (len(r.verdicts) > 0 || again) && !r.flags.quiet {
		fmt.Fprintln(stdout)
	}
	return r.print(stdout, v)
}

// shardFlag is a flag like 2/5; the zero value is all.
type shardFlag struct{ part, parts int }

func (s *shardFlag) String() string {
	if s.parts == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.part, s.parts)
}

func (s *shardFlag) Type() string { return "part/of" }

func (s *shardFlag) Set(text string) error {
	part, of, ok := strings.Cut(text, "/")
	k, err := strconv.Atoi(part)
	n, err2 := strconv.Atoi(of)
	if !ok || err != nil || err2 != nil || n < 1 || k < 1 || k > n || n > 10_000 {
		return fmt.Errorf("it cannot be %q; write which part of how many it is, like 2/5", text)
	}
	s.part, s.parts = k, n
	return nil
}

// share is the shard's share of the runs: every n-th, so that plans that are told one after
// the other, and take about as long, are spread.
func (s shardFlag) share(jobs []job) []job {
	if s.parts == 0 {
		return jobs
	}
	var share []job
	for i, j := range jobs {
		if i%s.parts == s.part-1 {
			share = append(share, j)
		}
	}
	if len(share) == 0 {
		fmt.Fprintf(os.Stderr, "--shard %s: nothing to do, there are %d runs\n", s.String(), len(jobs))
	}
	return share
}
