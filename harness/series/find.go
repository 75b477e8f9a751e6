package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

const (
	// longer is how many times as long as the others the run is that confirms a rate.
	longer = 3
	// enough runs of one rate decide against it, where the first did not hold: two of
	// three, since a machine that does something else for a moment is no limit of the
	// system.
	enough = 2
	// mostUndecided runs of one rate are made again, in which nobody can say whether
	// it holds, as when the harness itself did not run. One more counts against it.
	mostUndecided = 3
	// leastGrowth is what lag has to grow by over a run to be said to grow.
	leastGrowth = float64(time.Millisecond)
	// backlog is the share of what was asked for that may not be sent in time.
	backlog = 0.01
	// fewSends is how many operations fewer than asked for, at the edges of the
	// measured phase, are no backlog.
	fewSends = 3
)

// Found is what a search came to. It is the content of rundir.FindFile.
type Found struct {
	Of     string   `json:"of"`     // "rate": operations per second of all workloads but lag's
	Claims []string `json:"claims"` // that had to hold, besides that lag does not grow and nothing waits
	From   float64  `json:"from"`
	To     float64  `json:"to"`
	Within float64  `json:"within_percent"`
	// Least held, also for three times as long; nil: not even From did.
	Least *float64 `json:"least"`
	// Most is the least rate that did not hold; nil: To did.
	Most *float64 `json:"most"`
	Why  []string `json:"why,omitempty"` // what does not hold at Most
	// Undecided: at Most no run could tell whether it holds, as where the machine was
	// busy with something else.
	Undecided bool    `json:"undecided,omitempty"`
	Points    []Point `json:"points"` // the curve, by rate
}

// Point is one rate that was tried.
type Point struct {
	Rate  float64 `json:"rate"`
	Long  bool    `json:"long,omitempty"` // a run that confirms
	Holds bool    `json:"holds"`
	// Undecided: the last run, and too many before it, could not tell.
	Undecided bool     `json:"undecided,omitempty"`
	Why       []string `json:"why,omitempty"` // it does not, of the last run
	Runs      []string `json:"runs"`          // directories in the group's
	// Facts are those of Curve that the last run measured.
	Facts []compare.Summary `json:"facts"`
}

// Curve are the facts of a point of the curve.
var Curve = []string{"ops.rate", "load.rate", "load.unsent", "load.dropped", "errors.rate", "latency.p50", "latency.p99",
	"latency.read.p50", "latency.read.p99", "latency.write.p50", "latency.write.p99", "latency.txn.p50", "latency.txn.p99", "latency.enqueue.p50", "latency.enqueue.p99", "latency.add.p50", "latency.add.p99",
	"lag.p50", "lag.p99", "lag.slope", "cost.cpu.per_write", "cost.network.per_write", "cost.disk.per_write"}

// Find searches for the greatest rate at which a plan's claims hold, its replicas
// keep up and nothing waits; see plan.Find. What ends it early leaves what was
// found so far beside the error, without a Least that no longer run confirmed.
// The group has a variant for each rate. Errors are as those of harness.Run.
func (s *Series) Find(ctx context.Context, c Cell, options harness.Options) (*Found, *rundir.Group, error) {
	f := c.Plan.Find.Filled()
	one := *s
	one.Cells, one.Rounds = []Cell{c}, 1
	g, err := one.begin(options)
	if err != nil {
		return nil, nil, err
	}
	g.Variants = nil
	found := &Found{Of: f.Max, Claims: c.Plan.Claims, From: f.From, To: f.To, Within: f.Within}
	state := newSearch(f.From, f.To, s.Guess, f.Within/100)
	for {
		rate, long, more := state.next()
		if !more {
			break
		}
		p, tryErr := one.try(ctx, g, options, c, rate, long)
		if p != nil {
			found.Points = append(found.Points, *p)
			slices.SortStableFunc(found.Points, func(a, b Point) int { return cmp.Compare(a.Rate, b.Rate) })
		}
		if tryErr != nil {
			err = tryErr
			break
		}
		state.answer(rate, long, p.Holds)
	}
	found.conclude(state)
	if saveErr := g.Write(rundir.FindFile, found); saveErr != nil {
		err = errors.Join(err, failure.Infrastructure("keep what was found", saveErr))
	}
	return found, g, err
}

func (f *Found) conclude(s *search) {
	if s.sure > 0 {
		f.Least = &s.sure
	}
	if most := s.failed(); !math.IsInf(most, 1) {
		f.Most = &most
		for _, p := range f.Points {
			if p.Rate == most && !p.Holds {
				f.Why, f.Undecided = p.Why, p.Undecided
			}
		}
	}
}

// try runs one rate until the first run holds, or enough agree.
func (s *Series) try(ctx context.Context, g *rundir.Group, options harness.Options, c Cell, rate float64, long bool) (*Point, error) {
	rated := c
	rated.Plan = c.Plan.WithRate(rate)
	if long {
		rated.Plan = rated.Plan.Longer(longer)
	}
	rated.Settings = append(slices.Clone(c.Settings), rateSettings(c.Plan, rated.Plan)...)
	if long {
		rated.Settings = append(rated.Settings, results.Setting{Path: "duration", Value: rated.Plan.Duration.String()})
	}
	g.Variants = append(g.Variants, rundir.Variant{Name: rated.Name(), Settings: rated.Settings})
	p := &Point{Rate: rate, Long: long}
	good, bad, undecided := 0, 0, 0
	for n := 1; bad < enough && undecided <= mostUndecided; n++ {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w after %d runs", failure.ErrInterrupted, len(g.Runs))
		}
		result, err := s.one(ctx, g, options, rated, len(g.Variants)-1, n, 0)
		if err != nil {
			return nil, err
		}
		v := result.Verdict
		why, certain := broken(v)
		p.Runs, p.Why, p.Facts = append(p.Runs, g.Runs[len(g.Runs)-1].Dir), why, curveOf(v)
		switch p.Undecided = len(why) > 0 && !certain; {
		case p.Undecided:
			undecided++
		case certain:
			bad++
		default:
			good++
		}
		if good > bad && (bad == 0 || good == enough) {
			p.Holds = true
			break
		}
	}
	return p, nil
}

// rateSettings are the workloads' rates, as `vary` would set them.
func rateSettings(was, is *plan.Plan) []results.Setting {
	var all []results.Setting
	for i, w := range is.Workloads {
		if w.Rate != was.Workloads[i].Rate {
			all = append(all, results.Setting{Path: "workloads." + w.Name + ".rate", Value: strconv.FormatFloat(w.Rate, 'f', -1, 64) + "/s"})
		}
	}
	return all
}

func curveOf(v *results.Verdict) []compare.Summary {
	var all []compare.Summary
	for _, name := range Curve {
		if s, ok := compare.SummaryOf(compare.Group{Runs: []*results.Verdict{v}}, name); ok {
			all = append(all, s)
		}
	}
	return all
}
