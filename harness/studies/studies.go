// Package studies makes the runs that a study asks for, of one plan for each
// target, and puts what they measured together (results/study). A study is kept in
// a directory that has the groups of its runs.
package studies

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/harness/series"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/results/study"
)

// Options are the parts of a study that are not its plans'.
type Options struct {
	Run     harness.Options // RunsDir is where the study's directory is made
	Quick   bool
	Set     []plan.Override // of every plan; it wins over what a quick study sets
	Targets []string        // those that are studied; nil: all that have a plan
	Command string          // that makes the study again, for its page
	Watch   func(Moment)    // called before and after every run, unless it is nil
	// Make makes one run; nil: harness.RunVariant.
	Make series.Run1
}

// Moment is the begin or the end of one run of a study.
type Moment struct {
	series.Moment
	Plan string
	Made int           // runs of the study before this one, or with it
	All  int           // that there are to be, as far as is known
	Left time.Duration // until the end of the study, about
}

// Job is a study that can be made.
type Job struct {
	Study   study.Study // without parts
	parts   []part
	options Options
	clock   clock
}

// part is one plan of the study.
type part struct {
	plan  *plan.Plan
	cells []series.Cell
}

// New is the study of a file's plans. Errors are as those of plan.Parse.
func New(file string, plans []*plan.Plan, o Options) (*Job, error) {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	j := &Job{Study: study.Study{Version: study.Version, Name: name, Quick: o.Quick, Command: o.Command}, options: o}
	var has []string
	for _, p := range plans {
		if !p.Study.Asked() {
			return nil, fmt.Errorf("%w: plan %s of %s is no study: it has no study.says; use `aftershock run`", failure.ErrInput, p.Name, file)
		}
		if j.Study.Says == "" {
			j.Study.Says, j.Study.Sentence = p.Study.Says, p.Study.Sentence
		}
		for target, why := range p.Study.Except {
			if len(o.Targets) == 0 || slices.Contains(o.Targets, target) {
				j.except(target, why)
			}
		}
		has = append(has, p.Target.Name)
		if len(o.Targets) > 0 && !slices.Contains(o.Targets, p.Target.Name) {
			continue
		}
		made, err := newPart(p, o)
		if err != nil {
			return nil, err
		}
		j.parts = append(j.parts, made)
	}
	for _, target := range o.Targets {
		known := func(e study.Except) bool { return e.Target == target }
		if !slices.Contains(has, target) && !slices.ContainsFunc(j.Study.Except, known) {
			j.except(target, "there is no plan for it in this study")
		}
	}
	slices.SortFunc(j.Study.Except, func(a, b study.Except) int { return strings.Compare(a.Target, b.Target) })
	for _, p := range j.parts {
		j.clock.expect(p)
	}
	return j, nil
}

func (j *Job) except(target, why string) {
	if !slices.ContainsFunc(j.Study.Except, func(e study.Except) bool { return e.Target == target }) {
		j.Study.Except = append(j.Study.Except, study.Except{Target: target, Why: why})
	}
}

// newPart is a plan with its variants; of a quick study those only that some
// decision is about.
func newPart(p *plan.Plan, o Options) (part, error) {
	var err error
	if o.Quick {
		name := p.Name
		if p, err = p.With(append(quickly(p), o.Set...)); err != nil {
			return part{}, fmt.Errorf("plan %s, quick: %w", name, err)
		}
	}
	s, err := series.Of(p)
	if err != nil {
		return part{}, err
	}
	made := part{plan: p}
	for _, c := range s.Cells {
		if !o.Quick || len(p.Study.Decide) == 0 || slices.ContainsFunc(p.Study.Decide, func(d question.Decision) bool { return d.Matches(settingOf(c)) }) {
			made.cells = append(made.cells, c)
		}
	}
	return made, nil
}

// quickly is what a plan sets for a quick study.
func quickly(p *plan.Plan) []plan.Override {
	var all []plan.Override
	for _, path := range slices.Sorted(maps.Keys(p.Study.Quick.Set)) {
		all = append(all, plan.Override{Path: path, Value: p.Study.Quick.Set[path]})
	}
	repeat := "repeat"
	if p.Study.At > 0 {
		repeat = "study.runs"
	}
	if n := p.Study.Quick.Repeat; n > 0 {
		all = append(all, plan.Override{Path: repeat, Value: strconv.Itoa(n)})
	}
	return all
}

func settingOf(c series.Cell) func(path string) string {
	return func(path string) string {
		for _, s := range c.Settings {
			if s.Path == path {
				return s.Value
			}
		}
		return ""
	}
}

// ofFaults begins the paths that say how faults are made. They may differ from
// variant to variant, as a single node cannot be cut off from others, and are not
// what is compared.
const ofFaults = "faults."

// told are the settings by which a study tells a variant.
func told(c series.Cell) []results.Setting {
	return slices.DeleteFunc(slices.Clone(c.Settings), func(s results.Setting) bool { return strings.HasPrefix(s.Path, ofFaults) })
}

// Empty tells whether there is nothing to run, as of targets that the study is
// not about.
func (j *Job) Empty() bool { return len(j.parts) == 0 }

// Estimate is how many runs there will be, about, and how long they will take.
func (j *Job) Estimate() (runs int, length time.Duration) { return j.clock.runs(), j.clock.left() }

// Run makes the study's runs, target after target. What ends it early leaves the
// runs that were made: they are judged and the study is there beside the error, as
// it is where some runs failed. dir is its directory. Errors wrap ErrInterrupted,
// ErrInfrastructure or ErrInput.
func (j *Job) Run(ctx context.Context) (made *study.Study, dir string, err error) {
	dir, err = j.directory()
	if err != nil {
		return nil, "", err
	}
	s := j.Study
	made = &s
	var failures []error
	for _, p := range j.parts {
		m := study.Made{Plan: p.plan.Name, About: p.plan.About, Target: p.plan.Target.Name, Host: p.plan.Host, Study: p.plan.Study}
		for _, v := range p.plan.Vary {
			if !strings.HasPrefix(v.Path, ofFaults) {
				m.Across = append(m.Across, v.Path)
			}
		}
		run := partRun{job: j, part: p, made: &m, dir: dir}
		if ctx.Err() == nil {
			run.all(ctx)
			if ctx.Err() == nil {
				j.clock.done(p.plan.Name)
			}
		} else {
			run.missing(0, errNotBegun)
		}
		failures = append(failures, run.failures...)
		s.Parts = append(s.Parts, study.Of(m))
	}
	if ctx.Err() != nil {
		return made, dir, fmt.Errorf("%w after %d of about %d runs", failure.ErrInterrupted, j.clock.made, j.clock.runs()+j.clock.made)
	}
	return made, dir, errors.Join(failures...)
}

var errNotBegun = errors.New("the study was interrupted before it")

// directory makes the study's.
func (j *Job) directory() (string, error) {
	root := j.options.Run.RunsDir
	if root == "" {
		root = "runs"
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", failure.Infrastructure("make the folder of runs", err)
	}
	dir, err := os.MkdirTemp(root, time.Now().Format("20060102T150405")+"-study-"+j.Study.Name+"-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	return dir, failure.Infrastructure("make the study's directory", err)
}

// partRun makes the runs of one part.
type partRun struct {
	job      *Job
	part     part
	made     *study.Made
	dir      string
	failures []error
}

// spare is how many runs of a part may fail before the others are left.
const spare = 2

func (r *partRun) series(cells []series.Cell, rounds int) *series.Series {
	s := &series.Series{Name: r.part.plan.Name, Cells: cells, Rounds: rounds, Seed: r.part.plan.Seed, Spare: spare, Watch: r.watch}
	if r.job.options.Make != nil {
		s.MakeWith(r.job.options.Make)
	}
	return s
}

func (r *partRun) watch(m series.Moment) {
	r.job.clock.note(r.part.plan.Name, m)
	if r.job.options.Watch != nil {
		c := &r.job.clock
		r.job.options.Watch(Moment{Moment: m, Plan: r.part.plan.Name, Made: c.made, All: c.made + c.runs(), Left: c.left()})
	}
}

func (r *partRun) options() harness.Options {
	o := r.job.options.Run
	o.RunsDir, o.Control = r.dir, harness.ControlNo
	return o
}

func (r *partRun) all(ctx context.Context) {
	if r.part.plan.Study.At > 0 {
		r.limits(ctx)
		return
	}
	rounds := r.part.plan.Rounds()
	r.made.Wanted = rounds * len(r.part.cells)
	g, err := r.series(r.part.cells, rounds).Run(ctx, r.options())
	r.fail(err)
	for i, runs := range r.verdicts(g, len(r.part.cells)) {
		v := study.Variant{Settings: told(r.part.cells[i]), Runs: map[string][]*results.Verdict{"": runs}}
		if len(runs) < rounds {
			v.Missing = fmt.Sprintf("%d of %d runs were not made", rounds-len(runs), rounds)
		}
		r.made.Variants = append(r.made.Variants, v)
	}
	r.failed(g)
}

// verdicts are the runs of a group that are done, by cell.
func (r *partRun) verdicts(g *rundir.Group, cells int) [][]*results.Verdict {
	all := make([][]*results.Verdict, cells)
	if g == nil {
		return all
	}
	for i := range all {
		runs, err := g.Verdicts(i)
		r.fail(err)
		all[i] = runs
	}
	return all
}

// failed notes why runs of a group are not done.
func (r *partRun) failed(g *rundir.Group) {
	if g == nil {
		return
	}
	for _, m := range g.Runs {
		if m.State == rundir.RunFailed {
			r.made.Notes = append(r.made.Notes, fmt.Sprintf("a run of %s failed: %s", g.Variants[m.Variant].Name, spelling.Short(m.Why)))
		}
	}
}

func (r *partRun) fail(err error) {
	if err != nil {
		r.failures = append(r.failures, fmt.Errorf("plan %s: %w", r.part.plan.Name, err))
	}
}

// missing has the cells from one on be there with nothing.
func (r *partRun) missing(from int, why error) {
	for _, c := range r.part.cells[from:] {
		r.made.Variants = append(r.made.Variants, study.Variant{Settings: told(c), Missing: why.Error()})
	}
}
