package own_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/own"
	"github.com/aftershock-chaos/aftershock/workloads"
)

func status(_ context.Context, s own.Server) (targets.Status, error) {
	role := ask(s.Addr, "role")
	if role == "" {
		return targets.Status{}, errors.New("no answer")
	}
	return targets.Status{Role: targets.Role(role), Healthy: true}, nil
}

var kill = []faults.Spec{{At: time.Second, For: time.Second, Kind: "kill", Victim: "primary"}}

var kinds = []history.Kind{history.Read, history.Write}

func planOf(system own.System, addrs ...string) *aftershock.Plan {
	return &aftershock.Plan{
		Name: "own", Seed: 3, Warmup: 200 * time.Millisecond, Duration: 2 * time.Second, Settle: 3 * time.Second,
		Target:    aftershock.Target{Own: system.Target(), Attach: aftershock.Attach{Nodes: addrs}},
		Workloads: []workloads.Spec{{Type: "register", Clients: 4, Rate: 200}},
		Claims:    []string{"writes.lost == 0"},
	}
}

// liar says of every seventh write that it was made, and makes it not.
type liar struct {
	targets.Client
	writes int
}

func (l *liar) Do(ctx context.Context, op *history.Op) {
	if op.Kind == history.Write {
		if l.writes++; l.writes%7 == 0 {
			op.Outcome = history.OK
			return
		}
	}
	l.Client.Do(ctx, op)
}

// TestALossIsFound: what was acknowledged and is not there violates the claim, also
// when the run is judged again by somebody who does not know the system. Clean is
// called on each server.
func TestALossIsFound(t *testing.T) {
	second, stop := start("")
	t.Cleanup(stop)
	first, stop := start(second)
	t.Cleanup(stop)
	var cleaned atomic.Int32
	system := own.System{Name: "lines", Kinds: kinds, Status: status,
		Connect: func(ctx context.Context, s own.Server, o targets.ClientOptions) (targets.Client, error) {
			c, err := connect(ctx, s, o)
			return &liar{Client: c}, err
		},
		Clean: func(_ context.Context, s own.Server) error {
			if strings.HasPrefix(s.Objects, "aftershock_") {
				cleaned.Add(1)
			}
			return nil
		}}
	plan := planOf(system, first, second)
	result, err := aftershock.Run(t.Context(), plan, aftershock.Options{RunsDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict.Verdict != results.Violated || cleaned.Load() != 2 {
		t.Errorf("%s, %d servers cleaned", result.Verdict.Verdict, cleaned.Load())
	}
	again, err := aftershock.Check(t.Context(), result.Dir, aftershock.CheckOptions{})
	if err != nil || again.Verdict.Verdict != results.Violated {
		t.Errorf("judged again: %+v, %v", again, err)
	}
}

// TestWhatIsRefused: each mistake is told before anything is asked of a server.
func TestWhatIsRefused(t *testing.T) {
	good := own.System{Name: "lines", Kinds: kinds, Status: status, Connect: connect}
	for want, change := range map[string]func(s *own.System, p *aftershock.Plan){
		"built in; call your own":         func(s *own.System, _ *aftershock.Plan) { s.Name = "redis" },
		`name "My own" is not possible`:   func(s *own.System, _ *aftershock.Plan) { s.Name = "My own" },
		"has no name":                     func(s *own.System, _ *aftershock.Plan) { s.Name = "" },
		"the plan names target redis":     func(_ *own.System, p *aftershock.Plan) { p.Target.Name = "redis" },
		"no Connect, or no Status":        func(s *own.System, _ *aftershock.Plan) { s.Status = nil },
		"needs the operation enqueue":     func(_ *own.System, p *aftershock.Plan) { p.Workloads[0].Type = "queue" },
		"nobody here can launch it":       func(_ *own.System, p *aftershock.Plan) { p.Target.Attach = aftershock.Attach{} },
		"target lines has no options":     func(_ *own.System, p *aftershock.Plan) { p.Target.Options = map[string]string{"a": "b"} },
		"needs a guest beside the server": func(_ *own.System, p *aftershock.Plan) { p.Faults = kill },
		"nothing answers at 127.0.0.1:1":  func(_ *own.System, _ *aftershock.Plan) {},
	} {
		s, p := good, planOf(good, "127.0.0.1:1")
		change(&s, p)
		p.Target.Own = s.Target()
		dir := t.TempDir()
		_, err := aftershock.Run(t.Context(), p, aftershock.Options{RunsDir: dir})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestOthersOfAPlan: the plans that one with Vary stands for have the system, too,
// and a saved run of it cannot be made again without its test.
func TestOthersOfAPlan(t *testing.T) {
	first, stop := start("")
	t.Cleanup(stop)
	second, stop := start(first)
	t.Cleanup(stop)
	p := planOf(own.System{Name: "lines", Kinds: kinds, Status: status, Connect: connect}, second, first)
	p.Duration = time.Second
	p.Vary = []plan.Vary{{Path: "workloads.0.rate", Values: []string{"100/s", "200/s"}}}
	variants, err := p.Expand()
	if err != nil || len(variants) != 2 {
		t.Fatal(len(variants), err)
	}
	result, err := aftershock.RunVariant(t.Context(), variants[1], aftershock.Options{RunsDir: t.TempDir()})
	if err != nil || result.Verdict.Verdict != results.Holds {
		t.Fatalf("%+v, %v", result, err)
	}
	again, err := harness.LoadReplay(result.Dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Run(t.Context(), aftershock.Options{RunsDir: t.TempDir()}); !errors.Is(err, aftershock.ErrInput) || !strings.Contains(err.Error(), "run that test") {
		t.Errorf("made again: %v", err)
	}
}
