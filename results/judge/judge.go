// Package judge makes a verdict of what was recorded: of a run directory, of a
// bare history file, or of a history that another tool wrote. It explains and
// draws what contradicts itself.
package judge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	allcheckers "github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/foreign"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/results/report/page"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// Record is what a run left behind, ready to be judged.
type Record struct {
	Dir      *rundir.Dir // nil for a bare history file
	Log      *history.Log
	Memory   uint64 // that the judgement may take, in bytes
	Plan     *plan.Plan
	Host     string
	Image    string
	Version  string // that the servers said they are
	Claims   []string
	Origin   plan.Origin // of the plan's claims
	Schedule []faults.Planned
	Started  time.Time
	Machine  *results.Machine // nil: nobody tells
	Varied   []results.Setting
	Control  *results.Control // nil: none was made
	Notes    []string
	Changed  []string        // files of Dir that are not what they were at the run's end
	path     string          // as the caller named it
	foreign  *foreign.Import // nil for a history of our own
}

// fromDisk begins the note of a verdict whose history did not fit into memory.
const fromDisk = "judged by streaming from disk: "

// Judge runs every checker and decides the claims.
func (r *Record) Judge(ctx context.Context) (*results.Verdict, *results.Measured, error) {
	defer limitMemory(r.Memory)()
	if r.Plan != nil {
		r.Log.Prices = r.Plan.PriceTable()
		r.Log.Doubts.Tolerated = lost(r.Log) <= r.Plan.Gates.LostDrivers
	}
	measured := results.Measure(ctx, r.Log, checkers.DefaultLimits, r.Memory)
	if r.Log.OnDisk() {
		if err := r.Log.Err(); err != nil {
			return nil, nil, fmt.Errorf("%w: judge from disk: %w", failure.ErrInfrastructure, err)
		}
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("%w while the history was judged from disk", failure.ErrInterrupted)
		}
		r.Notes = slices.Insert(r.Notes, 0, fromDisk+allcheckers.TooLarge(r.Log, r.Memory))
	}
	for i := range measured.Findings {
		f := &measured.Findings[i]
		f.Text = r.names().Words(f.Text)
		for j := range f.Cycle {
			f.Cycle[j].Why = r.names().Words(f.Cycle[j].Why)
		}
	}
	in := results.Input{Claims: r.Claims, Log: r.Log, Measured: measured, Started: r.Started, Machine: r.Machine, Notes: r.Notes, Changed: r.Changed}
	if r.Plan != nil {
		text, _ := r.Plan.YAML() // it was parsed or validated; at worst the report lacks it
		in.MinOps, in.Lost, in.Effect, in.Control = r.Plan.Gates.MinOps, r.Plan.Gates.LostDrivers, float64(r.Plan.Gates.RandomFaults)/100, r.control()
		in.Plan = results.PlanInfo{Name: r.Plan.Name, About: r.Plan.About, Seed: r.Plan.Seed, Host: r.Host, Image: r.Image, Version: r.Version,
			Target: r.Plan.Target.Words(), TargetName: r.Plan.Target.Name, Options: r.Plan.Target.Options, Replicas: r.Plan.Target.Replicas, Varied: r.Varied, YAML: string(text), Currency: r.Plan.Prices["currency"],
			File: r.Origin.File, Line: r.Origin.Line}
		in.Lines = r.Origin.Claims
	}
	if r.foreign != nil {
		in.Names = r.foreign.Names
		in.Plan = results.PlanInfo{Name: r.foreign.Name, Foreign: true, Target: r.foreign.Format.String() + " history", Host: "model " + r.foreign.Model}
	}
	in.Scheduled = r.Plan != nil
	for _, p := range r.Schedule {
		planned := results.PlannedFault{ID: p.ID, Kind: p.Spec.Kind, What: p.Spec.Title(), At: p.At}
		if r.Plan != nil && p.Entry > 0 && p.Entry <= len(r.Plan.Faults) {
			planned.Entry, planned.Every = p.Entry, r.Plan.Faults[p.Entry-1].Title()
		}
		in.Planned = append(in.Planned, planned)
	}
	if r.Dir != nil {
		in.Dir = r.Dir.Path()
	}
	in.Notes = append(r.hints(ctx, measured), in.Notes...)
	return results.Judge(in), measured, nil
}

// lost is how many drivers of a run were.
func lost(log *history.Log) (n int) {
	for _, d := range log.Meta.Drivers {
		if d.Lost > 0 {
			n++
		}
	}
	return n
}

// hints tell how a history from elsewhere may be understood otherwise: if all
// that contradicts in it is a value that nobody wrote, registers may begin with it.
func (r *Record) hints(ctx context.Context, m *results.Measured) []string {
	if r.foreign == nil || len(m.Findings) == 0 {
		return nil
	}
	v, ok := r.foreign.Begun()
	if !ok {
		return nil
	}
	r.foreign.Begin(v)
	found := allcheckers.Run(ctx, r.Log, checkers.DefaultLimits).Findings
	r.foreign.Begin(v)
	if len(found) > 0 || ctx.Err() != nil {
		return nil
	}
	return []string{fmt.Sprintf("if registers begin with %s, say --initial '%[1]s': nothing else contradicts anything", r.valueName(v))}
}

// Save writes the verdict, the histograms and the report into the run
// directory: as many as can be; the error is the first one's.
func (r *Record) Save(v *results.Verdict, m *results.Measured) error {
	defer limitMemory(r.Memory)()
	logs, err := r.Dir.NodeLogs(mostOfLogs)
	if err != nil {
		return err
	}
	r.drawFirst(v, m)
	report := func(w io.Writer) error {
		return page.HTML(w, page.Input{Verdict: v, Measured: m, Log: r.Log, Logs: logs, Drawing: r.drawings(m)})
	}
	return cmp.Or(
		r.Dir.WriteVerdict(v),
		r.Dir.Write(rundir.ReportFile, report),
		r.Dir.WriteHistograms(r.Log, m, r.Started),
		r.Log.Err(),
	)
}

// Options change how an old run is judged.
type Options struct {
	Claims  []string  // in place of the plan's
	Write   bool      // write verdict.json and report.html also where they exist
	Model   string    // of a history that another tool recorded; empty: it is inferred
	Initial string    // what the registers of such a history hold at first, in EDN; empty: nil
	Memory  uint64    // bytes that the judgement may take; 0: three quarters of what is available
	Explain io.Writer // unless nil: where each violation is explained; views of registers are written next to the history
}

// Check judges a run directory, a bare history file, or a history that another
// tool recorded (see history/foreign). A directory that has no verdict yet gets
// one. A history of our own that does not fit into the memory is judged from
// disk, see checkers.Pass; the verdict's notes say so. Errors wrap ErrInput,
// ErrInfrastructure or ErrInterrupted.
func Check(ctx context.Context, path string, options Options) (*Result, error) {
	for _, text := range options.Claims {
		if _, err := claims.ParseClaim(text); err != nil {
			return nil, fmt.Errorf("%w: claim %q: %w", failure.ErrInput, text, err)
		}
	}
	r, err := loadRecorded(ctx, path, options)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%w while the history was read", failure.ErrInterrupted)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	if options.Claims != nil {
		r.Claims = options.Claims
	}
	verdict, measured, err := r.Judge(ctx)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w while the history was judged", failure.ErrInterrupted)
	}
	result := &Result{Verdict: verdict}
	if options.Explain != nil {
		err := r.explain(ctx, options.Explain, measured.Findings)
		if errors.Is(err, failure.ErrInterrupted) {
			return result, err
		}
		if err != nil {
			return result, fmt.Errorf("%w: explain what was found: %w", failure.ErrInfrastructure, err)
		}
	}
	if r.Dir == nil {
		return result, nil
	}
	result.Dir = r.Dir.Path()
	_, missing := os.Stat(r.Dir.File(rundir.VerdictFile))
	if options.Write || errors.Is(missing, fs.ErrNotExist) {
		if err := r.Save(verdict, measured); err != nil {
			return result, fmt.Errorf("%w: save what was found: %w", failure.ErrInfrastructure, err)
		}
	}
	return result, nil
}

// control is what became of the plan's control, also if none was made.
func (r *Record) control() *results.Control {
	if len(r.Plan.Control.Violates) == 0 || r.Control != nil {
		return r.Control
	}
	return &results.Control{Violates: r.Plan.Control.Violates, Why: "its control was not made"}
}

// names are what stands for the numbers in the history; nil if nothing does.
func (r *Record) names() *foreign.Names {
	if r.foreign == nil {
		return nil
	}
	return r.foreign.Names
}

// loadRecorded reads a run directory, a bare history file, or a history from
// elsewhere.
func loadRecorded(ctx context.Context, path string, options Options) (*Record, error) {
	if path == foreign.StandardInput {
		return loadFile(ctx, path, options)
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return loadFile(ctx, path, options)
	}
	if err == nil && (options.Model != "" || options.Initial != "") {
		return nil, fmt.Errorf("%s is a run directory, whose plan tells its workloads: leave --model and --initial out", path)
	}
	dir, err := rundir.Open(path)
	if err != nil {
		return nil, err
	}
	r := &Record{Dir: dir, path: path}
	if r.Log, r.Memory, err = OpenHistory(dir.Path(), options.Memory); err != nil {
		return nil, err
	}
	if r.Plan, r.Schedule, err = LoadPlanned(dir, nil); err != nil {
		return nil, err
	}
	if r.Control, err = dir.ReadControl(); err != nil {
		return nil, err
	}
	if r.Machine, err = dir.ReadMachine(); err != nil {
		return nil, err
	}
	if err := checkEvents(r.Log, r.Schedule, true); err != nil {
		return nil, err
	}
	r.Claims = r.Plan.Claims
	r.Host = r.Plan.Host
	r.Changed = changedFiles(dir, r.Log)
	if why := cutBefore(r.Log); why != "" {
		r.Log.EventsTorn = why
	}
	if old, err := dir.ReadVerdict(); err == nil {
		r.Origin = originOf(old)
		r.Started, r.Host, r.Image, r.Version, r.Varied, r.Notes = old.Started, old.Plan.Host, old.Plan.Image, old.Plan.Version, old.Plan.Varied, old.Notes
		r.Notes = slices.DeleteFunc(r.Notes, func(note string) bool { return strings.HasPrefix(note, fromDisk) })
	} else if info, err := os.Stat(dir.File(rundir.PlanFile)); err == nil {
		r.Started = info.ModTime()
	}
	return r, nil
}

// originOf is where a verdict of before says that the plan stands.
func originOf(v *results.Verdict) plan.Origin {
	o := plan.Origin{File: v.Plan.File, Line: v.Plan.Line, Claims: map[string]int{}}
	for _, c := range v.Claims {
		o.Claims[c.Claim] = c.Line
	}
	return o
}

// loadFile reads a history that is no run directory.
func loadFile(ctx context.Context, path string, options Options) (*Record, error) {
	memory := cmp.Or(options.Memory, AvailableMemory()/4*3)
	imported, ok, err := foreign.Load(ctx, path, foreign.Options{Model: options.Model, Initial: options.Initial,
		Fits: func(size history.Size) bool { return allcheckers.Footprint(size) <= memory }})
	if err != nil {
		return nil, err
	}
	if ok {
		if path == foreign.StandardInput {
			path = "stdin" // what is drawn is called after it
		}
		r := &Record{Log: imported.Log, Memory: memory, path: path, foreign: imported, Notes: imported.Notes}
		for _, text := range imported.Claims() {
			if _, err := claims.ParseClaim(text); err == nil { // else there is no checker for it
				r.Claims = append(r.Claims, text)
			}
		}
		return r, nil
	}
	if options.Model != "" || options.Initial != "" {
		return nil, fmt.Errorf("%s is a run's history, which tells its workloads: leave --model and --initial out", path)
	}
	log, memory, err := OpenHistory(path, options.Memory)
	if err != nil {
		return nil, err
	}
	if err := checkEvents(log, nil, false); err != nil {
		return nil, err
	}
	return &Record{Log: log, Memory: memory, path: path, Notes: []string{"a bare history: no plan, and so no schedule and no gates of its own"}}, nil
}

// LoadPlanned reads the plan and the schedule of a run directory.
func LoadPlanned(dir *rundir.Dir, overrides []plan.Override) (*plan.Plan, []faults.Planned, error) {
	plans, err := plan.Load(dir.File(rundir.PlanFile), overrides, plan.AsRun())
	if err != nil {
		return nil, nil, err
	}
	path := dir.File(rundir.ScheduleFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read the schedule: %w", err)
	}
	var schedule []faults.Planned
	if err := json.Unmarshal(text, &schedule); err != nil {
		return nil, nil, fmt.Errorf("read the schedule %s: %w", path, err)
	}
	if err := faults.CheckTimes(schedule, plans[0].Duration); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return plans[0], schedule, nil
}

// Result is what a run came to.
type Result struct {
	Dir     string // the run directory
	Verdict *results.Verdict
}
