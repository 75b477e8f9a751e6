package series

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

const varied = "name: vary\nseed: 5\ntarget: {name: ripple, replicas: 0}\nworkloads: [{name: register}]\nclaims: [\"latency.p99 < 20ms\"]\n" +
	"repeat: 4\nvary: {target.options.slow: [0%, 10%, 20%]}\n"

func seriesOf(t *testing.T, text string, run func(context.Context, plan.Variant, harness.Options) (*judge.Result, error)) *Series {
	t.Helper()
	plans, err := plan.Parse("x.yaml", []byte(text), nil, harness.Words())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Of(plans[0])
	if err != nil {
		t.Fatal(err)
	}
	s.run = run
	return s
}

// TestRounds: every variant runs once a round, with the round's seed, in an order
// that the seed gives and that is not always the same.
func TestRounds(t *testing.T) {
	var ran []string
	sys := &system{capacity: 1e9, random: rand.New(rand.NewPCG(1, 1)), keep: true}
	run := func(ctx context.Context, v plan.Variant, o harness.Options) (*judge.Result, error) {
		ran = append(ran, fmt.Sprintf("%s@%d", v.Plan.Target.Options["slow"], v.Plan.Seed))
		if v.Plan.Repeat != 0 || len(v.Plan.Vary) > 0 {
			t.Error("the plan of one run asks for several")
		}
		return sys.run(ctx, v, o)
	}
	root := t.TempDir()
	g, err := seriesOf(t, varied, run).Run(t.Context(), harness.Options{RunsDir: root})
	if err != nil {
		t.Fatal(err)
	}
	first := slices.Clone(ran)
	orders := map[string]bool{}
	for round := range 4 {
		part := slices.Clone(ran[3*round : 3*round+3])
		orders[strings.Join(part, " ")[:2]] = true
		slices.Sort(part)
		seed := 5 + round
		if want := []string{fmt.Sprintf("0%%@%d", seed), fmt.Sprintf("10%%@%d", seed), fmt.Sprintf("20%%@%d", seed)}; !slices.Equal(part, want) {
			t.Errorf("round %d ran %v", round+1, part)
		}
	}
	if len(orders) == 1 {
		t.Errorf("every round has the order of the first: %v", ran)
	}
	ran = nil
	if _, err := seriesOf(t, varied, run).Run(t.Context(), harness.Options{RunsDir: t.TempDir()}); err != nil || !slices.Equal(ran, first) {
		t.Errorf("the seed does not give the order: %v %v", ran, err)
	}
	groups, err := Groups(g)
	if err != nil || len(groups) != 3 || len(groups[1].Runs) != 4 || groups[1].Name != "target.options.slow=10%" {
		t.Errorf("%+v %v", groups, err)
	}
	latest, err := filepath.EvalSymlinks(filepath.Join(root, rundir.LatestLink))
	if err != nil || filepath.Base(latest) != g.Runs[11].Dir {
		t.Errorf("latest is %s, %v", latest, err)
	}
}

// TestInterruptedSeries keeps the runs that were made, judges them, and tells
// which of them is not whole.
func TestInterruptedSeries(t *testing.T) {
	sys := &system{capacity: 1e9, random: rand.New(rand.NewPCG(1, 1)), keep: true}
	ctx, cancel := context.WithCancel(t.Context())
	g, err := seriesOf(t, varied, func(_ context.Context, v plan.Variant, o harness.Options) (*judge.Result, error) {
		result, err := sys.run(ctx, v, o)
		if sys.runs == 5 {
			cancel()
			return result, failure.ErrInterrupted
		}
		return result, err
	}).Run(ctx, harness.Options{RunsDir: t.TempDir()})
	if !errors.Is(err, failure.ErrInterrupted) || g == nil || len(g.Runs) != 5 {
		t.Fatalf("%v: %+v", err, g)
	}
	if last := g.Runs[4]; last.State != rundir.RunInterrupted || last.Dir == "" || last.Verdict == "" {
		t.Errorf("the last run is %+v", last)
	}
	groups, left, err := Load(g.Path())
	sum := 0
	for _, of := range groups {
		sum += len(of.Runs)
	}
	if err != nil || sum != 4 || left != 1 {
		t.Errorf("%d runs, %d left, %v", sum, left, err)
	}
}

// TestFailedSeries ends with the infrastructure, and what failed is told.
func TestFailedSeries(t *testing.T) {
	g, err := seriesOf(t, varied, func(context.Context, plan.Variant, harness.Options) (*judge.Result, error) {
		return nil, failure.ErrInfrastructure
	}).Run(t.Context(), harness.Options{RunsDir: t.TempDir()})
	if !errors.Is(err, failure.ErrInfrastructure) || len(g.Runs) != 1 || g.Runs[0].State != rundir.RunFailed {
		t.Errorf("%v %+v", err, g)
	}
	if _, _, err := Load(g.Path()); !errors.Is(err, failure.ErrInput) {
		t.Errorf("a group without a run is read: %v", err)
	}
}

// TestWithBase: base and head differ in what their nodes are made of.
func TestWithBase(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := seriesOf(t, varied, nil)
	if err := s.WithBase(binary); err != nil || len(s.Cells) != 6 || s.Cells[0].Binary != binary || s.Cells[1].Binary != "" || s.Cells[0].Name() == s.Cells[1].Name() {
		t.Errorf("%v %+v", err, s.Cells)
	}
	s = seriesOf(t, strings.Replace(varied, "{name: ripple, replicas: 0}", "{name: postgres, replicas: 0}", 1)[:strings.Index(varied, "vary: {")+2], nil)
	if err := s.WithBase("postgres:16"); err != nil || s.Cells[0].Plan.Target.Image != "postgres:16" || s.Cells[1].Plan.Target.Image != "" {
		t.Errorf("%v %+v", err, s.Cells)
	}
	for _, tc := range []struct{ base, want string }{
		{"postgres:16", "ripple has no image"}, {t.TempDir(), "is no program"}, {"./nothing-is-here", "no such file"}, {"/nothing/is/here", "no such file"},
	} {
		if err := seriesOf(t, varied, nil).WithBase(tc.base); !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.base, err)
		}
	}
}

// TestPairs: what is compared with what.
func TestPairs(t *testing.T) {
	sys := &system{capacity: 1e9, random: rand.New(rand.NewPCG(1, 1)), keep: true}
	load := func(text string) []compare.Group {
		g, err := seriesOf(t, text, sys.run).Run(t.Context(), harness.Options{RunsDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		groups, _, err := Load(g.Path())
		if err != nil {
			t.Fatal(err)
		}
		return groups
	}
	short := strings.Replace(varied, "repeat: 4", "repeat: 1", 1)
	two, one := load(short), load(strings.Replace(short, "vary: {target.options.slow: [0%, 10%, 20%]}\n", "", 1))
	if len(two) != 3 || len(one) != 1 {
		t.Fatalf("%d and %d groups", len(two), len(one))
	}
	// These verdicts have no plan to hold against each other.
	if _, err := Pairs(two, two); !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), "has no plan") {
		t.Errorf("runs without plans: %v", err)
	}
	if _, err := Pairs(one, nil); !errors.Is(err, failure.ErrInput) {
		t.Errorf("one group alone: %v", err)
	}
	if _, err := Pairs(two, one); !errors.Is(err, failure.ErrInput) {
		t.Errorf("nothing in common: %v", err)
	}
}
