// Package series makes many runs that belong together: the rounds of a plan and
// its variants, interleaved, and the search for a limit. It keeps them in a group
// directory (rundir.Group), from which results/compare's groups are read.
package series

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// Cell is one of the things that every round of a series runs once.
type Cell struct {
	Plan     *plan.Plan        // of a single run
	Settings []results.Setting // by which it is told from the other cells
	Binary   string            // what the nodes are made of; empty: as harness.Options say
}

// Name is what the cell is called: its settings, or else the plan.
func (c Cell) Name() string {
	if label := compare.Label(c.Settings); label != "" {
		return label
	}
	return c.Plan.Name
}

// Series is a set of cells and how often each runs.
type Series struct {
	Name   string // of the plan
	Cells  []Cell
	Rounds int
	Seed   uint64  // 0: one is chosen
	Guess  float64 // where Find begins: at a rate that another variant held; 0: at the plan's least
	Spare  int     // runs that may fail before Run ends with their error; a run that failed is left out
	// Watch, unless it is nil, is called before and after every run, from the
	// caller's goroutine.
	Watch func(Moment)
	// run makes one run; nil: harness.RunVariant.
	run Run1
}

// Run1 makes one run, as harness.RunVariant.
type Run1 = func(context.Context, plan.Variant, harness.Options) (*judge.Result, error)

// MakeWith has the runs made by something else than harness.RunVariant.
func (s *Series) MakeWith(run Run1) { s.run = run }

// Moment is the begin or the end of one run of a series.
type Moment struct {
	Run, Of int // from 1; Of is 0 where nobody knows how many there will be
	Round   int
	Cell    Cell
	Ended   bool
	Result  *judge.Result // what came of it; may be nil
	Err     error
}

// Of is the series that a plan asks for: its variants, as often as its repeat
// says. Errors are as those of plan.Parse.
func Of(p *plan.Plan) (*Series, error) {
	variants, err := p.Expand()
	if err != nil {
		return nil, err
	}
	s := &Series{Name: p.Name, Rounds: p.Rounds(), Seed: p.Seed}
	for _, v := range variants {
		c := Cell{Plan: v.Plan}
		for _, o := range v.Varied {
			c.Settings = append(c.Settings, results.Setting(o))
		}
		s.Cells = append(s.Cells, c)
	}
	return s, nil
}

// order is the order of the cells in a round: a permutation that the series' seed
// and the round give, so that nothing which changes with time, and no neighbour,
// favours a cell.
func (s *Series) order(round int) []int {
	return rand.New(rand.NewPCG(s.Seed, uint64(round))).Perm(len(s.Cells))
}

// Run makes the runs: round after round every cell once, in an order of the
// round's own, all with the round's seed. What ends it early leaves the runs that
// were made, in the group that it returns beside the error; a run that was
// interrupted is judged as well. Errors are as those of harness.Run.
func (s *Series) Run(ctx context.Context, options harness.Options) (*rundir.Group, error) {
	g, err := s.begin(options)
	if err != nil {
		return nil, err
	}
	failed := 0
	for round := 1; round <= s.Rounds; round++ {
		for _, i := range s.order(round) {
			if ctx.Err() != nil {
				return g, fmt.Errorf("%w after %d of %d runs", failure.ErrInterrupted, len(g.Runs), s.Rounds*len(s.Cells))
			}
			if _, err := s.one(ctx, g, options, s.Cells[i], i, round, s.Rounds*len(s.Cells)); err != nil {
				if failed++; failed > s.Spare || ctx.Err() != nil || errors.Is(err, failure.ErrInput) {
					return g, err
				}
			}
		}
	}
	return g, nil
}

// begin makes the group directory.
func (s *Series) begin(options harness.Options) (*rundir.Group, error) {
	if s.Seed == 0 {
		s.Seed = rand.Uint64N(1<<31) + 1
	}
	if s.run == nil {
		s.run = harness.RunVariant
	}
	g := rundir.Group{Plan: s.Name, Seed: s.Seed, Rounds: s.Rounds, Started: time.Now()}
	for _, c := range s.Cells {
		g.Variants = append(g.Variants, rundir.Variant{Name: c.Name(), Settings: c.Settings})
	}
	if text, err := s.Cells[0].Plan.Once().YAML(); err == nil {
		g.Digest = compare.Digest(string(text))
	}
	root := options.RunsDir
	if root == "" {
		root = "runs"
	}
	made, err := rundir.CreateGroup(root, g, crand.Text())
	if err != nil {
		return nil, failure.Infrastructure("make the group directory", err)
	}
	return made, nil
}

// one makes one run of a cell and notes what became of it.
func (s *Series) one(ctx context.Context, g *rundir.Group, options harness.Options, c Cell, variant, round, of int) (*judge.Result, error) {
	p := c.Plan.Once()
	p.Seed = s.Seed + uint64(round-1)
	options.RunsDir = g.Path()
	if c.Binary != "" {
		options.Binary = c.Binary
	}
	v := plan.Variant{Plan: p}
	for _, set := range c.Settings {
		v.Varied = append(v.Varied, plan.Override(set))
	}
	g.Runs = append(g.Runs, rundir.Member{Variant: variant, Round: round, Seed: p.Seed, State: rundir.RunWaits})
	if err := g.Save(); err != nil {
		return nil, failure.Infrastructure("keep what the group has", err)
	}
	s.watch(Moment{Run: len(g.Runs), Of: of, Round: round, Cell: c})
	result, err := s.run(ctx, v, options)
	s.watch(Moment{Run: len(g.Runs), Of: of, Round: round, Cell: c, Ended: true, Result: result, Err: err})
	note(&g.Runs[len(g.Runs)-1], result, err)
	if saveErr := g.Save(); saveErr != nil {
		err = errors.Join(err, failure.Infrastructure("keep what the group has", saveErr))
	}
	if name := g.Runs[len(g.Runs)-1].Dir; name != "" {
		_ = g.PointLatest(name) // a convenience
	}
	return result, err
}

func (s *Series) watch(m Moment) {
	if s.Watch != nil {
		s.Watch(m)
	}
}

// note tells in a group what became of a run.
func note(m *rundir.Member, result *judge.Result, err error) {
	if result != nil {
		m.Dir = filepath.Base(result.Dir)
		if result.Verdict != nil {
			m.Verdict = result.Verdict.Verdict
		}
	}
	switch {
	case err == nil:
		m.State = rundir.RunDone
	case errors.Is(err, failure.ErrInterrupted):
		m.State, m.Why = rundir.RunInterrupted, err.Error()
	default:
		m.State, m.Why = rundir.RunFailed, err.Error()
	}
}
