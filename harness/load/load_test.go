package load

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// loadOf runs a register workload of two clients against a system for a window
// that began warm seconds before, and returns what was recorded and told.
func loadOf(t *testing.T, ctx context.Context, system targets.System, rate float64, window func(now int64) Window) ([]history.Op, []history.Event) {
	t.Helper()
	log := logOf(t, ctx, system, workloads.Spec{Type: "register", Clients: 2, Rate: rate, Mix: map[string]int{"write": 1}}, window)
	return log.Ops, slices.DeleteFunc(log.Events, func(e history.Event) bool { return e.Kind == history.EventPhase })
}

// logOf runs a workload against a system for a window, and returns the log of that.
func logOf(t *testing.T, ctx context.Context, system targets.System, spec workloads.Spec, window func(now int64) Window) *history.Log {
	t.Helper()
	spec = workloads.Defaults(spec)
	workload, err := workloads.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), history.FileName)
	recorder, err := history.NewRecorder(path, history.Meta{Nodes: []string{"n1"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Workers: workload.Workers(1)}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	clock := history.NewClock()
	var events []history.Event
	var emitting sync.Mutex // phases are told of beside the rest
	emit := func(e history.Event) {
		emitting.Lock()
		defer emitting.Unlock()
		events = append(events, e)
	}
	l := &Load{Workloads: []workloads.Workload{workload}, History: recorder, Emit: emit,
		Clients: Clients{System: system, Nodes: []*cluster.Node{{Name: "n1"}}, Clock: clock, Primary: func() int { return 0 }, Options: targets.ClientOptions{ConnectTimeout: time.Second}}}
	polling, stop := context.WithCancel(ctx)
	var pollers sync.WaitGroup
	defer func() { stop(); pollers.Wait() }()
	poll := func(run func(context.Context)) { pollers.Go(func() { run(polling) }) }
	w := window(clock.Now())
	p := plan.Plan{Workloads: []workloads.Spec{spec}}
	w.Spans = p.LoadSpans()
	l.Run(ctx, w, poll)
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	log.Events = append(events, history.Event{Kind: history.EventPhase, Detail: "measure", At: w.Measure}, history.Event{Kind: history.EventPhase, Detail: "heal", At: max(w.Stop, clock.Now())})
	return log
}

// phasesOf is a load of one phase.
func phasesOf(rate float64, seconds int) []pace.Phase {
	return []pace.Phase{{Name: "steady", Rate: rate, For: time.Duration(seconds) * time.Second}}
}

// mixedPhases are ten seconds of all kinds, the fifth in a closed loop.
func mixedPhases() []pace.Phase {
	return []pace.Phase{{Name: "steady", Rate: 500, For: 2 * time.Second}, {Name: "none", For: time.Second},
		{Name: "loop", Rate: pace.Closed, For: 3 * time.Second}, {Name: "rising", Rate: 500, To: 1500, For: 4 * time.Second}}
}

// TestEveryIntendedOperationIsSentOrTold: of a load whose system stands still, or
// that is called off, nothing is forgotten.
func TestEveryIntendedOperationIsSentOrTold(t *testing.T) {
	const rate, sec = 1000, int64(time.Second)
	stuck := &scripted{answer: func(_ int, op *history.Op) {
		time.Sleep(20 * time.Millisecond) // a hundred a second of both clients
		op.Outcome = history.OK
	}}
	window := func(now int64) Window {
		return Window{Start: now, Measure: now + sec/10, Stop: now + sec/2, Grace: now + sec*7/10}
	}
	for name, limit := range map[string]time.Duration{"the system is slow": time.Minute, "the load is called off": 300 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			var w Window
			ops, events := loadOf(t, ctx, stuck, rate, func(now int64) Window { w = window(now); return w })
			if len(events) != 1 || events[0].Kind != history.EventDemand || events[0].Name != "register" {
				t.Fatalf("told %+v", events)
			}
			d, sent := events[0].Demand, int64(len(ops))
			unsent, last := int64(0), w.Start
			for _, u := range d.Unsent {
				if u.From < last || u.Until < u.From || u.Count <= 0 || u.From < w.Measure && u.Until >= w.Measure {
					t.Errorf("%+v after %d", u, last)
				}
				unsent, last = unsent+u.Count, u.Until+1
			}
			due := (d.Stop - w.Start) * rate / sec
			if all := sent + unsent; all < due-2 || all > due+2 {
				t.Errorf("%d sent and %d not, want %d in all", sent, unsent, due)
			}
			if want := (d.Stop - w.Measure) * rate / sec; d.Asked < want-2 || d.Asked > want+2 || d.Closed {
				t.Errorf("%d asked for while measuring, want %d", d.Asked, want)
			}
			if last > d.Stop || events[0].At < d.Stop || events[0].At > w.Grace {
				t.Errorf("the load was over at %d, and asked for operations until %d", events[0].At, d.Stop)
			}
		})
	}
}

// TestLateOperationsAreSent: what can be made up for in the time for it is sent and
// counts from when it was intended.
func TestLateOperationsAreSent(t *testing.T) {
	const sec = int64(time.Second)
	first := true
	system := &scripted{answer: func(_ int, op *history.Op) {
		if op.Worker == 0 && first {
			first = false
			time.Sleep(400 * time.Millisecond)
		}
		op.Outcome = history.OK
	}}
	ops, events := loadOf(t, t.Context(), system, 100, func(now int64) Window {
		return Window{Start: now, Measure: now, Stop: now + sec*3/10, Grace: now + 60*sec}
	})
	if len(ops) != 30 || len(events) != 1 || len(events[0].Demand.Unsent) != 0 || events[0].Demand.Asked != 30 {
		t.Fatalf("%d operations, told %+v, want all 30", len(ops), events)
	}
	late := 0
	for _, op := range ops {
		if op.Start-op.Intended > sec/20 {
			late++
		}
	}
	if late < 10 {
		t.Errorf("%d operations are late, want those of one client", late)
	}
}

// TestAClosedLoopIntendsNothing beyond what it sends.
func TestAClosedLoopIntendsNothing(t *testing.T) {
	system := &scripted{answer: func(_ int, op *history.Op) { time.Sleep(time.Millisecond); op.Outcome = history.OK }}
	ops, events := loadOf(t, t.Context(), system, 0, func(now int64) Window {
		return Window{Start: now, Measure: now, Stop: now + int64(50*time.Millisecond), Grace: now + int64(time.Minute)}
	})
	if len(ops) == 0 || len(events) != 1 || !events[0].Demand.Closed || len(events[0].Demand.Unsent) != 0 || events[0].Demand.Asked != 0 {
		t.Errorf("%d operations, told %+v", len(ops), events)
	}
}
