package series

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// system is a system under test with a capacity that is known.
type system struct {
	capacity  float64
	spoilt    float64 // share of the runs that something else spoils
	undecided float64 // share of the runs that cannot tell
	lags      bool    // beyond the capacity only lag grows
	tired     float64 // seconds for which it can do more than its capacity
	random    *rand.Rand
	runs      int
	keep      bool // its verdicts are on the disk
}

// run is what series.run does: a verdict of what such a system would show.
func (s *system) run(_ context.Context, v plan.Variant, o harness.Options) (*judge.Result, error) {
	s.runs++
	rate, length := v.Plan.Workloads[0].Rate, v.Plan.Duration
	over := rate > s.capacity && (s.tired == 0 || length.Seconds() > s.tired)
	latency, slope, done := 5*time.Millisecond, -0.001, rate
	claim := results.ClaimResult{Claim: v.Plan.Claims[0], Answer: results.Holds}
	switch {
	case s.random.Float64() < s.undecided:
		claim.Answer = results.Unproven
	case s.random.Float64() < s.spoilt, over && !s.lags:
		latency, done, claim.Answer = time.Second, min(rate, s.capacity), results.Violated
	case over:
		slope = 0.01
	}
	verdict := &results.Verdict{Verdict: claim.Answer, Claims: []results.ClaimResult{claim}, Measured: int64(length), Plan: results.PlanInfo{Name: v.Plan.Name}, Run: fmt.Sprint(s.runs)}
	for _, o := range v.Varied {
		verdict.Plan.Varied = append(verdict.Plan.Varied, results.Setting(o))
	}
	for name, n := range map[string]float64{"latency.p99": float64(latency), "load.asked": rate, "load.rate": done, "load.unsent": 0, "ops.rate": done} {
		verdict.Values = append(verdict.Values, results.FactValue{Value: checkers.Value{Name: name, N: n, Known: true}})
	}
	verdict.Values = append(verdict.Values, results.FactValue{Value: checkers.Value{Name: "lag.slope", N: slope, Known: true, AtLeast: true, AtMost: slope + 0.005}})
	if s.keep {
		return stored(o.RunsDir, v.Plan.Seed, verdict)
	}
	return &judge.Result{Dir: filepath.Join(o.RunsDir, verdict.Run), Verdict: verdict}, nil
}

// stored keeps a verdict as a run would.
func stored(root string, seed uint64, v *results.Verdict) (*judge.Result, error) {
	dir, err := rundir.Create(root, v.Plan.Name, seed, time.Unix(0, 0), v.Run+"-0000000")
	if err != nil {
		return nil, err
	}
	v.Version = results.VerdictVersion
	return &judge.Result{Dir: dir.Path(), Verdict: v}, errors.Join(dir.WritePlan([]byte("name: x\n")), dir.WriteVerdict(v))
}

func findPlan(t *testing.T, find string) *plan.Plan {
	t.Helper()
	plans, err := plan.Parse("find.yaml", []byte("name: find\nseed: 1\ntarget: {name: ripple}\nworkloads: [{name: register, clients: 4}, {name: lag}]\nclaims: [\"latency.p99 < 20ms\"]\nfind: "+find+"\n"), nil, harness.Words())
	if err != nil {
		t.Fatal(err)
	}
	return plans[0]
}

func search1(t *testing.T, sys *system, find string) (*Found, *rundir.Group) {
	t.Helper()
	p := findPlan(t, find)
	s, err := Of(p)
	if err != nil {
		t.Fatal(err)
	}
	s.run = sys.run
	found, g, err := s.Find(t.Context(), s.Cells[0], harness.Options{RunsDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return found, g
}

// TestFindCapacity: the answer holds the capacity, whatever it is, also where a
// tenth of the runs is spoilt by something else, and its ends are as near as asked.
func TestFindCapacity(t *testing.T) {
	for _, lags := range []bool{false, true} {
		near := 0
		const all = 5
		for i := range all {
			random := rand.New(rand.NewPCG(9, uint64(i)))
			capacity := 150 * (1 + 30*random.Float64())
			sys := &system{capacity: capacity, spoilt: 0.1, undecided: 0.1, lags: lags, random: random}
			found, _ := search1(t, sys, "max-rate")
			if found.Least == nil || found.Most == nil {
				t.Errorf("capacity %.0f: %s", capacity, found.Answer())
				continue
			}
			if *found.Least > capacity {
				t.Errorf("capacity %.0f: %s", capacity, found.Answer())
			}
			if *found.Least > capacity*0.9 && *found.Most < capacity*1.1 {
				near++
			}
			if *found.Most / *found.Least > 1.06 {
				t.Errorf("the ends are too far apart: %s", found.Answer())
			}
			if sys.runs > 60 {
				t.Errorf("%d runs were made", sys.runs)
			}
		}
		if near < all*9/10 {
			t.Errorf("lags %v: %d of %d answers are within a tenth of the capacity", lags, near, all)
		}
	}
}

// TestFindFromAGuess: a guess spares runs, and does not change the answer, wherever it lies.
func TestFindFromAGuess(t *testing.T) {
	const capacity = 1000
	runs := func(guess float64) int {
		t.Helper()
		sys := &system{capacity: capacity, random: rand.New(rand.NewPCG(1, 1))}
		s, err := Of(findPlan(t, "{max: rate, from: 20/s, to: 20000/s, within: 10%}"))
		if err != nil {
			t.Fatal(err)
		}
		s.run, s.Guess = sys.run, guess
		found, _, err := s.Find(t.Context(), s.Cells[0], harness.Options{RunsDir: t.TempDir()})
		if err != nil || found.Least == nil || *found.Least > capacity || *found.Least < 0.9*capacity || *found.Most > 1.1*capacity {
			t.Errorf("guess %g: %v, %v", guess, found, err)
		}
		return sys.runs
	}
	none := runs(0)
	for _, guess := range []float64{1, 30, 700, 1000, 1300, 19999, 1e9} {
		if n := runs(guess); guess >= 700 && guess <= 1300 && n >= none {
			t.Errorf("guess %g: %d runs, %d without one", guess, n, none)
		}
	}
}

// TestFindConfirms: what only a short run can hold is not told as held.
func TestFindConfirms(t *testing.T) {
	sys := &system{capacity: 1000, tired: 15, random: rand.New(rand.NewPCG(1, 1))} // runs are 10s, or 30s
	found, g := search1(t, sys, "{max: rate, to: 3000/s}")
	if found.Least == nil || *found.Least > 1000 || *found.Least < 900 {
		t.Errorf("%s", found.Answer())
	}
	last := found.Points[0]
	for _, p := range found.Points {
		if p.Long && p.Holds {
			last = p
		}
	}
	if !last.Long || last.Rate != *found.Least || len(last.Runs) == 0 {
		t.Errorf("the answer was not confirmed: %+v", last)
	}
	if again, err := rundir.OpenGroup(g.Path()); err != nil || len(again.Runs) != sys.runs {
		t.Errorf("the group has %v, %v", again, err)
	}
}

// TestFindEnds: where the first rate does not hold or the last one does.
func TestFindEnds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, tc := range []struct {
		capacity float64
		find     string
		want     string
	}{
		{50, "max-rate", "below 100/s, the first"},
		{5000, "{max: rate, to: 1000/s}", "at least 1000/s"},
		{700, "{max: rate, from: 600/s, to: 700/s}", "at least 700/s"},
	} {
		found, _ := search1(t, &system{capacity: tc.capacity, random: random}, tc.find)
		if !strings.Contains(found.Answer(), tc.want) {
			t.Errorf("%v: %s, want %s", tc.capacity, found.Answer(), tc.want)
		}
		var text strings.Builder
		if err := found.Text(&text); err != nil || !strings.Contains(text.String(), tc.want) {
			t.Errorf("%v %s", err, &text)
		}
	}
}

// TestFindUndecided: a rate of which nobody can say that it holds is not told to.
func TestFindUndecided(t *testing.T) {
	found, _ := search1(t, &system{capacity: 1000, undecided: 1, random: rand.New(rand.NewPCG(1, 1))}, "max-rate")
	if found.Least != nil || !found.Points[0].Undecided || !found.Undecided || !strings.Contains(found.Answer(), "not known") {
		t.Errorf("%s: %+v", found.Answer(), found.Points)
	}
}

// TestFindInterrupted keeps what was found, and tells no rate that was not confirmed.
func TestFindInterrupted(t *testing.T) {
	s, err := Of(findPlan(t, "max-rate"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	sys := &system{capacity: 1000, random: rand.New(rand.NewPCG(1, 1))}
	s.run = func(ctx context.Context, v plan.Variant, o harness.Options) (*judge.Result, error) {
		if sys.runs == 3 {
			cancel()
		}
		return sys.run(ctx, v, o)
	}
	found, g, err := s.Find(ctx, s.Cells[0], harness.Options{RunsDir: t.TempDir()})
	if !errors.Is(err, failure.ErrInterrupted) || found.Least != nil || len(found.Points) != 4 || len(g.Runs) != 4 {
		t.Errorf("%v: %s, %d points, %d runs", err, found.Answer(), len(found.Points), len(g.Runs))
	}
	if matches, _ := filepath.Glob(filepath.Join(g.Path(), rundir.FindFile)); len(matches) != 1 {
		t.Error("what was found was not kept")
	}
}
