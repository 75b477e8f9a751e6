// Command bugs runs the plans of plans/bugs and tells as what each defect was
// found: every claim has to be violated, the classes of finding that the defect
// must cause have to be there, and none that it cannot cause.
//
//	go run ./scripts/bugs [-runs 3] [-sound] [plan…]
//
// The table is Markdown, on standard output. It fails if a defect was found as
// what it is in less than nine of ten runs, or once as what it is not. With
// -sound the defects are switched off, and every claim has to hold.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/report"
)

func main() {
	r := runner{out: os.Stdout, progress: os.Stderr}
	flag.IntVar(&r.runs, "runs", 1, "runs of each plan, each with its own seed")
	flag.BoolVar(&r.sound, "sound", false, "switch the defects off")
	flag.IntVar(&r.pipeline, "pipeline", 0, "operations that each client has under way at once; 0: one")
	flag.StringVar(&r.binary, "binary", "bin/aftershock", "the program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.all(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bugs:", err)
		stop()
		os.Exit(1)
	}
}

type runner struct {
	binary        string
	runs          int
	sound         bool
	pipeline      int
	dir           string // of the runs
	out, progress io.Writer
}

// all runs the named plans, or all, and prints the table.
func (r *runner) all(ctx context.Context, names []string) (err error) {
	if r.dir, err = os.MkdirTemp("", "bugs-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)
	for _, name := range names {
		if !slices.ContainsFunc(expected, func(e expectation) bool { return e.plan == name }) {
			return fmt.Errorf("nothing is expected of a plan %q", name)
		}
	}
	head := "defect | found | as | besides"
	if r.sound {
		head = "without its defect | held | as | besides"
	}
	fmt.Fprintf(r.out, "| %s |\n|---|---|---|---|\n", head)
	for i := range expected {
		if e := &expected[i]; len(names) == 0 || slices.Contains(names, e.plan) {
			t, wrong := r.plan(ctx, e)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			must := e.must
			if r.sound {
				must = nil
			}
			fmt.Fprintln(r.out, t.row(e.plan, must))
			if wrong {
				err = errors.New("not every run found what it should, and only that")
			}
		}
	}
	return err
}

// plan runs one plan as often as asked; wrong tells that it fails.
func (r *runner) plan(ctx context.Context, e *expectation) (t tally, wrong bool) {
	t = tally{runs: r.runs, found: map[checkers.Class][]int{}}
	for n := range r.runs {
		if ctx.Err() != nil {
			return t, true
		}
		began := time.Now()
		v, err := r.once(ctx, e.plan, 1001+n)
		var complaints []string
		if err != nil {
			complaints = []string{err.Error()}
		} else {
			t.add(v)
			accused := e.accused(v, r.sound)
			wrong = wrong || len(accused) > 0
			complaints = append(accused, r.unmet(e, v)...)
		}
		if len(complaints) == 0 {
			t.right++
		}
		fmt.Fprintf(r.progress, "%s, run %d of %d: %d s\n", e.plan, n+1, r.runs, int(time.Since(began).Seconds()))
		for _, text := range complaints {
			fmt.Fprintf(r.progress, "  %s\n", text)
		}
	}
	return t, wrong || t.right*10 < r.runs*9 || r.sound && t.right < r.runs
}

// unmet says what a run should have found, or held.
func (r *runner) unmet(e *expectation, v *results.Verdict) []string {
	switch {
	case !r.sound:
		return e.missed(v)
	case v.Verdict != results.Holds:
		return []string{fmt.Sprintf("the verdict without the defect is %s", v.Verdict)}
	}
	return nil
}

// pipelinedClients are how many clients a plan has with a pipeline, where they are not as
// many as without: every operation under way is a session of its own, and of very many
// hardly one reads a key twice within the run of a defect that shows in that alone.
var pipelinedClients = map[string]int{"stale-replica-read": 2}

// once makes one run. The exit code of one that is judged says no more than
// its verdict.
func (r *runner) once(ctx context.Context, plan string, seed int) (*results.Verdict, error) {
	args := []string{"run", "plans/bugs/" + plan + ".yaml", "--quiet", "--format", "json", "--out", r.dir, "--seed", fmt.Sprint(seed)}
	if r.sound {
		args = append(args, "--set", "target.options.bug=")
	}
	if r.pipeline > 0 {
		args = append(args, "--set", fmt.Sprintf("workloads.0.pipeline=%d", r.pipeline))
		if n := pipelinedClients[plan]; n > 0 {
			args = append(args, "--set", fmt.Sprintf("workloads.0.clients=%d", n))
		}
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, r.binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it removes its nodes
	cmd.WaitDelay = time.Minute
	runErr := cmd.Run()
	var report report.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || len(report.Runs) != 1 {
		return nil, fmt.Errorf("no verdict: %w: %s", errors.Join(runErr, err), errs.String())
	}
	return report.Runs[0], nil
}
