package studies

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/harness/series"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/results/study"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const plain = `name: tiny
seed: 5
target: {name: ripple, replicas: 2}
workloads: [{name: register, rate: 100/s}]
repeat: 4
vary: {target.replicas: [0, 1, 2]}
study:
  says: more replicas cost writes
  decide: [{fact: latency.write.p50, across: target.replicas, from: 0, to: 2, expect: rises}]
  except: {redis: it was not asked}
  quick: {repeat: 2, set: {duration: 2s}}
`

const limited = `name: limits
seed: 5
target: {name: ripple, replicas: 1}
workloads: [{name: register, clients: 4, rate: 100/s}, {name: lag}]
duration: 9s
faults: [{at: 3s, kill: primary, for: 5s}]
claims: ["latency.write.p99 < 20ms"]
vary: {zip: {target.replicas: [1, 2], faults.0.for: [5s, 4s]}}
find: {max: rate, from: 100/s, to: 1600/s, within: 50%}
study:
  says: another replica lowers the limit
  at: 50%
  search: 1s
  runs: 2
  decide: [{fact: max.rate, across: target.replicas, from: 1, to: 2, expect: falls}]
`

func parse(t *testing.T, text string) []*plan.Plan {
	t.Helper()
	plans, err := plan.Parse("x.yaml", []byte(text), nil, harness.Words())
	if err != nil {
		t.Fatal(err)
	}
	return plans
}

// maker makes runs whose write latency is a millisecond for each node, and whose
// p99 breaks the claim from a rate on that falls with the replicas.
type maker struct {
	ran   []string // what each run was
	plans []*plan.Plan
	fails func(n int) error
}

func (m *maker) run(_ context.Context, v plan.Variant, o harness.Options) (*judge.Result, error) {
	p := v.Plan
	m.ran = append(m.ran, fmt.Sprintf("%d@%d", p.Target.Replicas, p.Seed))
	m.plans = append(m.plans, p)
	if m.fails != nil {
		if err := m.fails(len(m.ran)); err != nil {
			return nil, err
		}
	}
	known := func(name string, unit checkers.Unit, n float64) results.FactValue {
		return results.FactValue{Value: checkers.Value{Name: name, N: n, Known: true}, Unit: unit}
	}
	verdict := &results.Verdict{Version: results.VerdictVersion, Verdict: results.Holds, Measured: int64(p.Duration), Run: fmt.Sprintf("r%d", len(m.ran)),
		Plan:   results.PlanInfo{Name: p.Name, Version: "1.0", Host: "local"},
		Values: []results.FactValue{known("latency.write.p50", checkers.Nanos, float64(1+p.Target.Replicas)*1e6+float64(len(m.ran))), known("machine.cpu.used", checkers.Ratio, 0.2)}}
	if p.Workloads[0].Rate > 1000/float64(p.Target.Replicas) {
		verdict.Claims = []results.ClaimResult{{Claim: "latency.write.p99 < 20ms", Answer: results.Violated}}
	}
	dir, err := rundir.Create(o.RunsDir, p.Name, p.Seed, time.Unix(0, 0), verdict.Run+"-0000000")
	if err != nil {
		return nil, err
	}
	return &judge.Result{Dir: dir.Path(), Verdict: verdict}, errors.Join(dir.WritePlan([]byte("name: x\n")), dir.WriteVerdict(verdict))
}

func job(t *testing.T, text string, o Options) *Job {
	t.Helper()
	o.Run.RunsDir = t.TempDir()
	j, err := New("some/tiny.yaml", parse(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestStudy: every variant runs in every round, with the round's seed, and the
// decision is made of them.
func TestStudy(t *testing.T) {
	m := &maker{}
	var left []time.Duration
	j := job(t, plain, Options{Make: m.run, Watch: func(m Moment) { left = append(left, m.Left) }})
	runs, length := j.Estimate()
	if runs != 12 || length != 12*(11*time.Second+firstOverhead) {
		t.Errorf("%d runs, %s", runs, length)
	}
	s, dir, err := j.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(m.ran)
	if got := strings.Join(m.ran, " "); got != "0@5 0@6 0@7 0@8 1@5 1@6 1@7 1@8 2@5 2@6 2@7 2@8" {
		t.Error(got)
	}
	p := s.Parts[0]
	if len(s.Parts) != 1 || p.Runs != 12 || p.Wanted != 12 || p.System != "ripple 1.0" || len(p.Rows) != 3 || p.Decisions[0].Answer != study.Measured {
		t.Errorf("%+v", p)
	}
	if s.Name != "tiny" || s.Says != "more replicas cost writes" || len(s.Except) != 1 || s.Except[0].Target != "redis" {
		t.Errorf("%+v", s)
	}
	if !slices.IsSortedFunc(left, func(a, b time.Duration) int { return int(b - a) }) || left[len(left)-1] != 0 {
		t.Errorf("the time that is left was %v", left)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 { // a group and the link to its latest run
		t.Errorf("%v", entries)
	}
}

// TestQuick: fewer rounds, what is set, and only what a decision is about; what the
// user sets wins.
func TestQuick(t *testing.T) {
	m := &maker{}
	s, _, err := job(t, plain, Options{Make: m.run, Quick: true, Set: []plan.Override{{Path: "seed", Value: "9"}}}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(m.ran)
	if got := strings.Join(m.ran, " "); got != "0@10 0@9 2@10 2@9" || m.plans[0].Duration != 2*time.Second || !s.Quick {
		t.Errorf("%s, %s", got, m.plans[0].Duration)
	}
	if d := s.Parts[0].Decisions[0]; d.Answer != study.NoAnswer || !strings.Contains(d.Words, "too few") {
		t.Errorf("%+v", d)
	}
}

// TestInterrupted: what was made is judged, and what is missing told.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := &maker{fails: func(n int) error {
		if n == 5 {
			cancel()
			return failure.ErrInterrupted
		}
		return nil
	}}
	s, _, err := job(t, plain, Options{Make: m.run}).Run(ctx)
	if !errors.Is(err, failure.ErrInterrupted) || s.Parts[0].Runs != 4 || s.Parts[0].RunsWords() != "4 of 12 runs" {
		t.Fatalf("%v, %+v", err, s)
	}
	if notes := strings.Join(s.Parts[0].Notes, "; "); !strings.Contains(notes, "target.replicas=0: ") || !strings.Contains(notes, "of 4 runs were not made") {
		t.Error(notes)
	}
}

// TestFailedRuns: one that fails is told of and left out, as long as they are few.
func TestFailedRuns(t *testing.T) {
	broken := fmt.Errorf("%w: no engine", failure.ErrInfrastructure)
	m := &maker{fails: func(n int) error {
		if n == 3 {
			return broken
		}
		return nil
	}}
	s, _, err := job(t, plain, Options{Make: m.run}).Run(t.Context())
	if err != nil || len(m.ran) != 12 || s.Parts[0].Runs != 11 || !strings.Contains(strings.Join(s.Parts[0].Notes, "; "), "no engine") {
		t.Errorf("%v after %d runs: %+v", err, len(m.ran), s.Parts[0])
	}
	m = &maker{fails: func(int) error { return broken }}
	if _, _, err := job(t, plain, Options{Make: m.run}).Run(t.Context()); !errors.Is(err, failure.ErrInfrastructure) || len(m.ran) != spare+1 {
		t.Errorf("%v after %d runs", err, len(m.ran))
	}
}

// TestLimits: a search without faults, then runs at a share of what was found,
// without and with them.
func TestLimits(t *testing.T) {
	m := &maker{}
	s, dir, err := job(t, limited, Options{Make: m.run}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := s.Parts[0]
	if d := p.Decisions[0]; d.Answer != study.Measured || !strings.Contains(d.Words, "by the bounds of two searches") {
		t.Errorf("%s: %s", d.Answer, d.Words)
	}
	if strings.Join(p.Across, " ") != "target.replicas" || p.Rows[1].Name() != "target.replicas=2" {
		t.Errorf("how faults are made is told as a variant: %v %s", p.Across, p.Rows[1].Name())
	}
	if p.Rows[0].Runs != 4 || p.Rows[1].Runs != 4 {
		t.Errorf("%d and %d runs at the rate", p.Rows[0].Runs, p.Rows[1].Runs)
	}
	kinds := map[string]int{}
	for _, p := range m.plans {
		switch w := p.Workloads[0]; {
		case len(p.Faults) == 0 && p.Duration <= 3*time.Second:
			kinds["search"]++
		case len(p.Faults) == 0 && p.Duration == 9*time.Second:
			kinds[fmt.Sprintf("steady %.0f", w.Rate)]++
		case len(w.Load) == 3 && w.Rate == 0 && w.Load[2].Name == question.OneLess && w.Load[2].For == 3*time.Second && w.Load[0].For == 3*time.Second:
			kinds[fmt.Sprintf("killed %.0f", w.Load[2].Rate)]++
		default:
			t.Errorf("a run of %+v", p)
		}
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
	if len(kinds) != 5 || kinds["killed 400"] != 2 || kinds["steady 400"] != 2 || kinds["killed 200"] != 2 {
		t.Errorf("%v", kinds)
	}
	if groups, _ := filepath.Glob(filepath.Join(dir, "*"+rundir.GroupSuffix)); len(groups) != 4 {
		t.Errorf("%v", groups)
	}
}

// TestLimitOf: a rate that nobody could judge is no bound.
func TestLimitOf(t *testing.T) {
	least, most := 100., 200.
	found := &series.Found{Least: &least, Most: &most, Points: []series.Point{{Rate: 100, Holds: true}, {Rate: 200, Undecided: true}, {Rate: 300}}}
	if l := limitOf(found, nil); l.Least != 100 || !math.IsInf(l.Most, 1) || !strings.Contains(l.Words, "100/s to 200/s; at 200/s nobody could tell") {
		t.Errorf("%+v", l)
	}
	found.Points[1].Undecided = false
	if l := limitOf(found, nil); l.Most != 200 {
		t.Errorf("%+v", l)
	}
}

// TestInterruptedSearch is no limit, whenever it is.
func TestInterruptedSearch(t *testing.T) {
	for _, cut := range []int{2, 10, 14, 17, 19, 21, 23} {
		ctx, cancel := context.WithCancel(t.Context())
		m := &maker{fails: func(n int) error {
			if n == cut {
				cancel()
				return failure.ErrInterrupted
			}
			return nil
		}}
		s, _, err := job(t, limited, Options{Make: m.run}).Run(ctx)
		cancel()
		if len(m.ran) < cut {
			return // the whole study takes fewer
		}
		// The second search ended where runs at its share began.
		d, searched := s.Parts[0].Decisions[0], strings.Contains(s.Parts[0].Rows[1].Missing, " runs were not made")
		if !errors.Is(err, failure.ErrInterrupted) || (d.Answer == study.NoAnswer) == searched {
			t.Errorf("after %d runs: %v, %s: %s; %s", cut, err, d.Answer, d.Words, s.Parts[0].Rows[1].Missing)
		}
	}
}

// TestWrongStudies are refused before anything begins.
func TestWrongStudies(t *testing.T) {
	plans := parse(t, "name: x\ntarget: {name: ripple}\nworkloads: [{name: register}]\n")
	if _, err := New("x.yaml", plans, Options{}); !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), "study.says") {
		t.Error(err)
	}
	j, err := New("x.yaml", parse(t, plain), Options{Targets: []string{"etcd"}})
	if err != nil || !j.Empty() || len(j.Study.Except) != 1 || j.Study.Except[0].Target != "etcd" {
		t.Errorf("%v %+v", err, j)
	}
	quick := strings.Replace(plain, "duration: 2s", "duration: 2 s and more", 1)
	if _, err := New("x.yaml", parse(t, quick), Options{Quick: true}); !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), "quick") {
		t.Error(err)
	}
}
