// Command museum runs the plans of plans/museum, each of which is about a defect
// of a released version: the plan itself is of a version without it, and its
// negative control is of the one with it. It tells how often and how soon the
// defect is found, and whether the claims hold without it.
//
//	go run ./scripts/museum [-runs 5] [-held 2] [plan…]
//
// Without -runs each version with a defect runs until it is found, for -within at
// most. The table is Markdown, on standard output. It fails if a defect is not
// found, or a claim does not hold without it.
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
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/report"
)

func main() {
	r := runner{out: os.Stdout, progress: os.Stderr}
	flag.IntVar(&r.runs, "runs", 0, "runs of each version with a defect; 0: until it is found")
	flag.IntVar(&r.held, "held", 1, "runs of each version without it")
	flag.DurationVar(&r.within, "within", 20*time.Minute, "how long a defect is looked for without -runs")
	flag.StringVar(&r.binary, "binary", "bin/aftershock", "the program")
	flag.StringVar(&r.dir, "out", "", "folder of the runs, which is kept; by default they are thrown away")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.all(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "museum:", err)
		stop()
		os.Exit(1)
	}
}

type runner struct {
	binary        string
	runs, held    int
	within        time.Duration
	dir           string // of the runs
	out, progress io.Writer
}

// exhibit is one plan of the museum.
type exhibit struct {
	name string // of its file, without the folder and the extension
	path string
	plan *plan.Plan
}

const folder = "plans/museum"

// exhibits reads the named plans of a folder, or all.
func exhibits(dir string, names []string) (all []exhibit, err error) {
	if len(names) == 0 {
		paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			names = append(names, strings.TrimSuffix(filepath.Base(path), ".yaml"))
		}
	}
	for _, name := range names {
		path := filepath.Join(dir, name+".yaml")
		plans, err := plan.Load(path, nil, plan.AnyHost())
		if err != nil {
			return nil, err
		}
		if len(plans) != 1 || len(plans[0].Control.Violates) == 0 {
			return nil, fmt.Errorf("%s: a plan of the museum is one document with a control of the version that has the defect", path)
		}
		all = append(all, exhibit{name, path, plans[0]})
	}
	return all, nil
}

// all runs the named plans, or all, and prints the table.
func (r *runner) all(ctx context.Context, names []string) error {
	shown, err := exhibits(folder, names)
	if err != nil {
		return err
	}
	if r.dir == "" {
		if r.dir, err = os.MkdirTemp("", "museum-"); err != nil {
			return err
		}
		defer os.RemoveAll(r.dir)
	}
	fmt.Fprint(r.out, "| plan | with the defect | found | first after | without it | held |\n|---|---|---|---:|---|---|\n")
	wrong := 0
	for _, e := range shown {
		t := r.show(ctx, e)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintln(r.out, t.row(e.name))
		if t.found == 0 || t.held < r.held {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("of %d plans %d did not find the defect, or do not hold without it", len(shown), wrong)
	}
	return nil
}

// tally is what the runs of one plan came to.
type tally struct {
	runs, found int           // with the defect
	first       time.Duration // from the beginning of the first run to the verdict that first found it
	sound, held int           // runs without it that gave a verdict
	undecided   int           // and those that gave none: a gate was not met
	with        string        // what ran, with the defect and without
	without     string
}

func (t *tally) row(name string) string {
	first := "–"
	if t.found > 0 {
		first = fmt.Sprintf("%.0f s", t.first.Seconds())
	}
	held := fmt.Sprintf("%d of %d", t.held, t.sound)
	if t.undecided > 0 {
		held += fmt.Sprintf(", %d undecided", t.undecided)
	}
	return fmt.Sprintf("| `%s` | %s | %d of %d | %s | %s | %s |", name, t.with, t.found, t.runs, first, t.without, held)
}

// show makes the runs of one plan.
func (r *runner) show(ctx context.Context, e exhibit) (t tally) {
	begun := time.Now()
	for ctx.Err() == nil && (t.runs < r.runs || r.runs == 0 && t.found == 0 && time.Since(begun) < r.within) {
		v, err := r.once(ctx, e, true, 1+t.runs)
		t.runs++
		missed := missed(e.plan.Control.Violates, v)
		if err == nil && len(missed) == 0 {
			t.found++
		}
		if t.found == 1 && t.first == 0 {
			t.first = time.Since(begun)
		}
		t.with = r.told(e.name, "with the defect", t.with, v, errors.Join(append(missed, err)...))
	}
	for ctx.Err() == nil && t.sound < r.held && t.undecided < undecidedMost {
		v, err := r.once(ctx, e, false, 1001+t.sound+t.undecided)
		t.without = r.told(e.name, "without", t.without, v, errors.Join(err, t.hold(v)))
	}
	return t
}

// undecidedMost is how many runs of a version without the defect may give no
// verdict, as where the machine did not get to a fault in time.
const undecidedMost = 3

// hold counts a run without the defect; the error says why it does not hold.
func (t *tally) hold(v *results.Verdict) error {
	switch {
	case v == nil || v.Verdict == results.Unproven:
		t.undecided++
	case v.Verdict == results.Holds:
		t.sound, t.held = t.sound+1, t.held+1
	default:
		t.sound++
	}
	if v == nil || v.Verdict == results.Holds {
		return nil
	}
	why := fmt.Errorf("the verdict is %s", v.Verdict)
	for _, g := range v.Gates {
		if !g.Met {
			why = fmt.Errorf("%w; %s: %s", why, g.Name, g.Detail)
		}
	}
	return why
}

// missed says of each claim that has to be violated why it is not.
func missed(claims []string, v *results.Verdict) (why []error) {
	if v == nil {
		return []error{errors.New("there is no verdict")}
	}
	for _, claim := range claims {
		i := slices.IndexFunc(v.Claims, func(c results.ClaimResult) bool { return c.Claim == claim })
		switch {
		case i < 0:
			why = append(why, fmt.Errorf("%s is not claimed", claim))
		case v.Claims[i].Answer != results.Violated:
			why = append(why, fmt.Errorf("%s is %s: %s", claim, v.Claims[i].Answer, v.Claims[i].Detail))
		}
	}
	return why
}

// told tells of a run on the way, and what ran in it.
func (r *runner) told(name, which, ran string, v *results.Verdict, err error) string {
	text := "as it should be"
	if err != nil {
		text = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	if v == nil {
		fmt.Fprintf(r.progress, "%s %s: %s\n", name, which, text)
		return ran
	}
	var details []string
	for _, c := range v.Claims {
		details = append(details, c.Detail)
	}
	fmt.Fprintf(r.progress, "%s %s (%s %s), seed %d, %.0f s: %s (%s)\n", name, which, v.Plan.TargetName, v.Plan.Version, v.Plan.Seed,
		time.Duration(v.Duration).Seconds(), text, strings.Join(details, "; "))
	return strings.TrimSpace(v.Plan.TargetName + " " + v.Plan.Version)
}

// once makes one run, with what the plan's control sets or without. The exit code
// of one that is judged says no more than its verdict.
func (r *runner) once(ctx context.Context, e exhibit, defect bool, seed int) (*results.Verdict, error) {
	args := []string{"run", e.path, "--quiet", "--control", "no", "--format", "json", "--out", r.dir, "--seed", fmt.Sprint(seed)}
	if defect {
		for path, value := range e.plan.Control.Set {
			args = append(args, "--set", path+"="+value)
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
