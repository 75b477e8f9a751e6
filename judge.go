package aftershock

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/foreign"
	"github.com/aftershock-chaos/aftershock/results"
)

// recorded is what a run left behind, ready to be judged: everything right of
// the history in the way of the data.
type recorded struct {
	dir      *results.Dir // nil for a bare history file
	log      *history.Log
	memory   uint64 // that the judgement may take, in bytes
	plan     *Plan
	host     string
	image    string
	claims   []string
	schedule []faults.Planned
	started  time.Time
	varied   []results.Setting
	notes    []string
	path     string          // that was named
	foreign  *foreign.Import // nil for a history of our own
}

// fromDisk begins the note of a verdict that was made by a pass over the disk.
const fromDisk = "judged by streaming from disk: "

// judge runs every checker and decides the claims.
func (r *recorded) judge(ctx context.Context) (*results.Verdict, *results.Measured, error) {
	defer limitMemory(r.memory)()
	measured := results.Measure(ctx, r.log, checkers.DefaultLimits, r.memory)
	if r.log.OnDisk() {
		if err := r.log.Err(); err != nil {
			return nil, nil, fmt.Errorf("%w: judge from disk: %w", ErrInfrastructure, err)
		}
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("%w while the history was judged from disk", ErrInterrupted)
		}
		r.notes = slices.Insert(r.notes, 0, fromDisk+checkers.TooLarge(r.log, r.memory))
	}
	for i := range measured.Findings {
		f := &measured.Findings[i]
		f.Text = r.names().Words(f.Text)
		for j := range f.Cycle {
			f.Cycle[j].Why = r.names().Words(f.Cycle[j].Why)
		}
	}
	in := results.Input{Claims: r.claims, Log: r.log, Measured: measured, Started: r.started, Notes: r.notes}
	if r.plan != nil {
		text, _ := r.plan.YAML() // it was parsed or validated; at worst the report lacks it
		in.MinOps = r.plan.Gates.MinOps
		in.Plan = results.PlanInfo{Name: r.plan.Name, About: r.plan.About, Seed: r.plan.Seed, Host: r.host, Image: r.image,
			Target: r.plan.Target.words(), Replicas: r.plan.Target.Replicas, Varied: r.varied, YAML: string(text)}
	}
	if r.foreign != nil {
		in.Plan = results.PlanInfo{Name: filepath.Base(r.path), Target: r.foreign.Format.String() + " history", Host: "model " + r.foreign.Model}
	}
	for _, p := range r.schedule {
		in.Planned = append(in.Planned, results.PlannedFault{ID: p.ID, Kind: p.Spec.Kind, What: p.Spec.Title(), At: p.At})
	}
	if r.dir != nil {
		in.Dir = r.dir.Path()
	}
	return results.Judge(in), measured, nil
}

// words is the target with the options that the plan sets.
func (t TargetPlan) words() string {
	var options []string
	for name, value := range t.Options {
		options = append(options, name+"="+value)
	}
	slices.Sort(options)
	return strings.TrimSpace(t.Name + " " + strings.Join(options, " "))
}

// save writes the verdict, the histograms and the report into the run
// directory: as many as can be; the error is the first one's.
func (r *recorded) save(v *results.Verdict, m *results.Measured) error {
	defer limitMemory(r.memory)()
	report := func(w io.Writer) error { return results.HTML(w, v, m) }
	return cmp.Or(
		r.dir.WriteVerdict(v),
		r.dir.Write(results.ReportFile, report),
		r.dir.WriteHistograms(r.log, m, r.started),
		r.log.Err(),
	)
}

// CheckOptions change how an old run is judged.
type CheckOptions struct {
	Claims  []string  // in place of the plan's
	Write   bool      // write verdict.json and report.html also where they exist
	Model   string    // of a history that another tool recorded; empty: it is inferred
	Memory  uint64    // bytes that the judgement may take; 0: three quarters of what is available, or any for a history from elsewhere
	Explain io.Writer // unless nil: tell here of each violation; views of registers are written next to the history
}

// Check judges a run directory, a bare history file, or a history that another
// tool recorded (see history/foreign). A directory that has no verdict yet gets
// one. A history of our own that does not fit into the memory is judged from
// disk, see checkers.Pass; the verdict's notes say so. Errors wrap ErrInput,
// ErrInfrastructure or ErrInterrupted.
func Check(ctx context.Context, path string, options CheckOptions) (*Result, error) {
	for _, text := range options.Claims {
		if _, err := results.ParseClaim(text); err != nil {
			return nil, fmt.Errorf("%w: claim %q: %w", ErrInput, text, err)
		}
	}
	r, err := loadRecorded(path, options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if options.Claims != nil {
		r.claims = options.Claims
	}
	verdict, measured, err := r.judge(ctx)
	if err != nil {
		return nil, err
	}
	result := &Result{Verdict: verdict}
	if options.Explain != nil {
		if err := r.explain(ctx, options.Explain, measured.Findings); err != nil {
			return result, fmt.Errorf("%w: explain what was found: %w", ErrInfrastructure, err)
		}
	}
	if r.dir == nil {
		return result, nil
	}
	result.Dir = r.dir.Path()
	_, missing := os.Stat(r.dir.File(results.VerdictFile))
	if options.Write || errors.Is(missing, fs.ErrNotExist) {
		if err := r.save(verdict, measured); err != nil {
			return result, fmt.Errorf("%w: save what was found: %w", ErrInfrastructure, err)
		}
	}
	return result, nil
}

// names are what stands for the numbers in the history; nil if nothing does.
func (r *recorded) names() *foreign.Names {
	if r.foreign == nil {
		return nil
	}
	return r.foreign.Names
}

// loadRecorded reads a run directory, a bare history file, or a history from
// elsewhere.
func loadRecorded(path string, options CheckOptions) (*recorded, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return loadFile(path, options)
	}
	if err == nil && options.Model != "" {
		return nil, fmt.Errorf("%s is a run directory, whose plan tells its workloads: leave --model out", path)
	}
	dir, err := results.Open(path)
	if err != nil {
		return nil, err
	}
	r := &recorded{dir: dir, path: path}
	if r.log, r.memory, err = openHistory(dir.Path(), options.Memory); err != nil {
		return nil, err
	}
	if r.plan, r.schedule, err = loadPlanned(dir, nil); err != nil {
		return nil, err
	}
	r.claims = r.plan.Claims
	r.host = r.plan.Host
	if old, err := dir.ReadVerdict(); err == nil {
		r.started, r.host, r.image, r.varied, r.notes = old.Started, old.Plan.Host, old.Plan.Image, old.Plan.Varied, old.Notes
		r.notes = slices.DeleteFunc(r.notes, func(note string) bool { return strings.HasPrefix(note, fromDisk) })
	} else if info, err := os.Stat(dir.File(results.PlanFile)); err == nil {
		r.started = info.ModTime()
	}
	return r, nil
}

// loadFile reads a history that is no run directory.
func loadFile(path string, options CheckOptions) (*recorded, error) {
	imported, ok, err := foreign.Load(path, foreign.Options{Model: options.Model})
	if err != nil {
		return nil, err
	}
	if ok {
		r := &recorded{log: imported.Log, memory: cmp.Or(options.Memory, unbounded), path: path, foreign: imported, notes: imported.Notes}
		for _, text := range foreign.Claims(imported.Model) {
			if _, err := results.ParseClaim(text); err == nil { // else there is no checker for it
				r.claims = append(r.claims, text)
			}
		}
		return r, nil
	}
	log, memory, err := openHistory(path, options.Memory)
	if err != nil {
		return nil, err
	}
	return &recorded{log: log, memory: memory, path: path, notes: []string{"a bare history: no plan, and so no schedule and no gates of its own"}}, nil
}

// Export writes one workload of a run directory's history, or of a bare history
// file, in the form of other tools; see foreign.Export. Errors wrap ErrInput.
func Export(w io.Writer, path string, format foreign.Format, workload string) error {
	log, err := history.Load(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	if err := foreign.Export(w, log, format, workload); err != nil {
		return fmt.Errorf("%w: export %s: %w", ErrInput, path, err)
	}
	return nil
}

// loadPlanned reads the plan and the schedule of a run directory.
func loadPlanned(dir *results.Dir, overrides []Override) (*Plan, []faults.Planned, error) {
	plans, err := LoadPlans(dir.File(results.PlanFile), overrides)
	if err != nil {
		return nil, nil, err
	}
	path := dir.File(results.ScheduleFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read the schedule: %w", err)
	}
	var schedule []faults.Planned
	if err := json.Unmarshal(text, &schedule); err != nil {
		return nil, nil, fmt.Errorf("read the schedule %s: %w", path, err)
	}
	return plans[0], schedule, nil
}

// Replay is a saved plan with the schedule that was executed.
type Replay struct {
	Plan     *Plan
	Schedule []faults.Planned
}

// LoadReplay reads what a run executed, to execute it again: the same seed,
// faults, instants and victims. Overrides change the plan, not the schedule.
// Errors wrap ErrInput.
func LoadReplay(path string, overrides []Override) (*Replay, error) {
	dir, err := results.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	plan, schedule, err := loadPlanned(dir, overrides)
	if err != nil {
		return nil, fmt.Errorf("%w: replay %s: %w", ErrInput, filepath.Base(path), err)
	}
	return &Replay{Plan: plan, Schedule: schedule}, nil
}
