package engine

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"pgregory.net/rapid"
)

func fault(id, kind, victim string, at, length time.Duration) faults.Planned {
	return faults.Planned{ID: id, At: at, For: length, Spec: faults.Spec{Kind: kind, Victim: victim}}
}

func isolate(id, victim string, at, length time.Duration) faults.Planned {
	p := fault(id, "partition", victim, at, length)
	p.Spec.Shape = "isolate"
	return p
}

// run executes a schedule in the bubble and heals.
func (b *bench) run(t *testing.T, schedule ...faults.Planned) []faults.Planned {
	t.Helper()
	executed, err := b.Run(t.Context(), schedule)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.HealAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := b.states(), whole(len(b.fakes)); !slices.Equal(got, want) {
		t.Fatalf("after healing: %+v", got)
	}
	return executed
}

// happened lists what the agent of node i did, and when after Base.
func (b *bench) happened(i int) string {
	var words []string
	for _, d := range b.fakes[i].done {
		words = append(words, fmt.Sprintf("%s@%s", d.kind, time.Duration(b.Clock.At(d.at)-b.Base)))
	}
	return strings.Join(words, " ")
}

func TestEngine(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name     string
		schedule []faults.Planned
		want     []string // what each node's agent did
	}{
		{"kill and start again", []faults.Planned{fault("f1", "kill", "primary", s, 2*s)},
			[]string{"kill@1s restart@3s", "", ""}},
		{"all at one instant", []faults.Planned{fault("f1", "pause", "all", s, s)},
			[]string{"pause@1s resume@2s", "pause@1s resume@2s", "pause@1s resume@2s"}},
		{"the primary of that moment", []faults.Planned{fault("f1", "kill", "primary", s, 3*s), fault("f2", "kill", "primary", 2*s, s)},
			[]string{"kill@1s restart@4s", "kill@2s restart@3s", ""}},
		{"out of order in the file", []faults.Planned{fault("f2", "pause", "n2", 2*s, s), fault("f1", "pause", "n1", s, s)},
			[]string{"pause@1s resume@2s", "pause@2s resume@3s", ""}},
		{"down for two faults", []faults.Planned{fault("f1", "kill", "n1", s, 2*s), fault("f2", "stop", "n1", 2*s, 3*s)},
			[]string{"kill@1s stop@2s restart@5s", "", ""}},
		{"paused for two faults", []faults.Planned{fault("f1", "pause", "n1", s, 4*s), fault("f2", "pause", "n1", 2*s, s)},
			[]string{"pause@1s pause@2s resume@5s", "", ""}},
		{"paused again after a start", []faults.Planned{fault("f1", "pause", "n1", s, 4*s), fault("f2", "kill", "n1", 2*s, s)},
			[]string{"pause@1s kill@2s restart@3s pause@3s resume@5s", "", ""}},
		{"the pause ends while down", []faults.Planned{fault("f1", "pause", "n1", s, 2*s), fault("f2", "kill", "n1", 2*s, 2*s)},
			[]string{"pause@1s kill@2s restart@4s", "", ""}},
		{"a pause begins while down", []faults.Planned{fault("f1", "kill", "n1", s, 2*s), fault("f2", "pause", "n1", 2*s, 2*s)},
			[]string{"kill@1s restart@3s pause@3s resume@4s", "", ""}},
		{"restart at once", []faults.Planned{fault("f1", "restart", "n1", s, 0)},
			[]string{"stop@1s restart@1s", "", ""}},
		{"restart with a down time", []faults.Planned{fault("f1", "restart", "n1", s, s)},
			[]string{"stop@1s restart@2s", "", ""}},
		{"restart while another keeps it down", []faults.Planned{fault("f1", "kill", "n1", s, 2*s), fault("f2", "restart", "n1", 2*s, 0)},
			[]string{"kill@1s stop@2s restart@3s", "", ""}},
		{"partition", []faults.Planned{isolate("f1", "n2", s, s)},
			[]string{"block@1s unblock@2s", "block@1s unblock@2s", "block@1s unblock@2s"}},
		{"one ends as the next begins", []faults.Planned{fault("f1", "kill", "n1", s, s), fault("f2", "kill", "n1", 2*s, s)}, nil},
		{"until healed", []faults.Planned{fault("f1", "kill", "n1", s, 0), isolate("f2", "n3", 1500*ms, 0)},
			[]string{"kill@1s block@1.5s restart@1.5s unblock@1.5s", "block@1.5s unblock@1.5s", "block@1.5s unblock@1.5s"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(3)
				executed := b.run(t, tc.schedule...)
				for i, want := range tc.want {
					got := strings.Fields(b.happened(i))
					if tc.name == "until healed" { // healing has no order of its own
						slices.Sort(got[len(got)/2:])
					}
					if strings.Join(got, " ") != want {
						t.Errorf("n%d: %v, want %s", i+1, got, want)
					}
				}
				for _, p := range executed {
					begin, end := b.find(t, history.EventFault, p.ID), b.find(t, history.EventHeal, p.ID)
					if begin.Failed || begin.At != b.Base+int64(p.At) || begin.Planned != begin.At || !slices.Equal(begin.Nodes, p.Victims) || len(p.Victims) == 0 {
						t.Errorf("%+v of %+v", begin, p)
					}
					if p.For > 0 && (end.Failed || end.At != begin.At+int64(p.For) || end.Planned != end.At) {
						t.Errorf("%+v of %+v", end, p)
					}
				}
			})
		})
	}
}

func TestReplayTakesTheSameVictims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		halves := faults.Planned{ID: "f2", At: 2 * s, For: s, Spec: faults.Spec{Kind: "partition", Shape: "halves"}, Seed: 9}
		schedule := []faults.Planned{fault("f1", "kill", "random", s, s), halves, fault("f3", "kill", "primary", 2500*time.Millisecond, s)}
		schedule[0].Seed = 3
		first := newBench(5)
		executed := first.run(t, schedule...)
		again := newBench(5)
		again.Base = again.Clock.Now() + int64(s)
		again.fakes[0].running = false // another primary
		replayed, err := again.Run(t.Context(), executed)
		if err != nil || !reflect.DeepEqual(replayed, executed) {
			t.Fatalf("%v: %+v, want %+v", err, replayed, executed)
		}
		if err := again.HealAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, b := first.find(t, history.EventFault, "f2").Detail, again.find(t, history.EventFault, "f2").Detail; a != b || a == "" {
			t.Errorf("the halves are %q and %q", a, b)
		}
	})
}

func TestRunRefusesWhatFitsNowhere(t *testing.T) {
	bad := fault("f1", "kill", "primary", 0, s)
	bad.Victims = []string{"n4"}
	for want, schedule := range map[string][]faults.Planned{
		`the victim "n4", which this cluster does not have`: {bad},
		`unknown kind "melt"`:                               {fault("f1", "melt", "n1", 0, s)},
		`unknown shape ""`:                                  {fault("f1", "partition", "n1", 0, s)},
		`the id "f1", which is emp`:                         {fault("f1", "kill", "n1", 0, s), fault("f1", "kill", "n2", 0, s)},
	} {
		if executed, err := newBench(3).Run(t.Context(), schedule); err == nil || executed != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestVictimLater: a fault whose victim is missing at its instant, as the primary is
// being replaced, waits for one, no longer than half of what it is to last and than a
// second, and ends when it was planned to.
func TestVictimLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(2)
		ended := func(running bool) {
			for _, f := range b.fakes {
				f.mu.Lock()
				f.running = running
				f.mu.Unlock()
			}
		}
		go func() {
			ended(false)
			time.Sleep(1600 * time.Millisecond) // the base is at 200 ms
			ended(true)
			time.Sleep(2 * s)
			ended(false)
			time.Sleep(3 * s)
			ended(true)
		}()
		b.run(t, fault("f1", "pause", "primary", s, s), fault("f2", "pause", "replica", s, s/2), fault("f3", "restart", "primary", 4*s, 0), fault("f4", "pause", "n1", 8*s, s))
		begun, over := b.find(t, history.EventFault, "f1"), b.find(t, history.EventHeal, "f1")
		if late := begun.At - begun.Planned; begun.Failed || late < int64(s)*4/10 || late > int64(s)*45/100 {
			t.Errorf("%+v: %d late", begun, late)
		}
		if over.At != b.Base+2*int64(s) {
			t.Errorf("%+v ended %d after the base", over, over.At-b.Base)
		}
		for id, patience := range map[string]time.Duration{"f2": s / 4, "f3": s} {
			if e := b.find(t, history.EventFault, id); !e.Failed || !strings.Contains(e.Detail, "no victim") || e.At-e.Planned != int64(patience) {
				t.Errorf("%+v: %d late", e, e.At-e.Planned)
			}
		}
	})
}

func TestFaultsThatDoNotTakeEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(2)
		b.fakes[1].fail[cluster.Kill] = 1
		crashed := fault("f3", "kill", "n1", 5*s, s)
		go func() { // the servers crash by themselves and nobody answers
			time.Sleep(4 * s)
			for _, f := range b.fakes {
				f.mu.Lock()
				f.running = false
				f.mu.Unlock()
			}
		}()
		b.run(t, fault("f1", "kill", "all", s, s), fault("f2", "pause", "n1", 3*s, s/2), crashed, fault("f4", "pause", "primary", 4500*time.Millisecond, s), fault("f5", "kill", "n2", 8*s, s), fault("f6", "restart", "n2", 7*s, 0))
		for id, want := range map[string]string{"f1": "kill n2: out of order", "f3": "nothing ran on n1", "f4": "no node says that it is the primary"} {
			if e := b.find(t, history.EventFault, id); !e.Failed || !strings.Contains(e.Detail, want) {
				t.Errorf("%s: %+v, want %q", id, e, want)
			}
		}
		if e := b.find(t, history.EventFault, "f2"); e.Failed {
			t.Errorf("the run did not go on: %+v", e)
		}
		if e := b.find(t, history.EventFault, "f6"); e.Failed || !strings.Contains(e.Detail, "n2 had ended by itself, and is started") {
			t.Errorf("a server that crashed is not started: %+v", e)
		}
		if e := b.find(t, history.EventFault, "f5"); e.Failed {
			t.Errorf("what was started did not run: %+v", e)
		}
	})
}

// TestTasks: a task that its node cannot do is a fault that did not take effect; one
// that the end of the server cuts off did, as far as it came.
func TestTasks(t *testing.T) {
	do := func(id string, at time.Duration, victim, task string) faults.Planned {
		p := fault(id, "do", victim, at, 0)
		p.Spec.Task = "store." + task
		return p
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(2)
		b.Task = func(ctx context.Context, node int, task string) (string, error) {
			time.Sleep(s / 2)
			if task != "compact" {
				return "", fmt.Errorf("n%d does not %s", node+1, task)
			}
			return "done\non n" + fmt.Sprint(node+1), nil
		}
		b.run(t, do("f1", s, "all", "compact"), do("f2", 3*s, "n1", "fly"), do("f3", 5*s, "n1", "swim"), fault("f4", "kill", "n1", 5*s+s/4, s),
			do("f5", 8*s, "n2", "swim"), fault("f6", "kill", "n1", 8*s+s/4, s))
		for id, want := range map[string]string{"f1": "done on n1", "f2": "fly on n1: n1 does not fly", "f3": "swim was interrupted by the end of the server on n1", "f5": "swim on n2: n2 does not swim"} {
			e := b.find(t, history.EventFault, id)
			if failed := id == "f2" || id == "f5"; e.Failed != failed || !strings.Contains(e.Detail, want) {
				t.Errorf("%s: %+v, want %q", id, e, want)
			}
		}
		if e := b.find(t, history.EventFault, "f1"); e.At != b.Base+int64(s) {
			t.Errorf("it began at %s", time.Duration(e.At-b.Base))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		b.run(t, do("f1", s, "n1", "compact"))
		if e := b.find(t, history.EventFault, "f1"); !e.Failed || !strings.Contains(e.Detail, "has no tasks") {
			t.Errorf("%+v", e)
		}
	})
}

func TestVictimsAreLookedForUntilTheInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(2)
		b.fakes[0].frozen, b.fakes[1].frozen = true, true
		go func() {
			time.Sleep(b.sleepFor(s - lead/2))
			b.fakes[1].mu.Lock()
			b.fakes[1].frozen = false
			b.fakes[1].mu.Unlock()
		}()
		// f2 is planned for the same node before f1 has found it.
		_, err := b.Run(t.Context(), []faults.Planned{fault("f1", "kill", "primary", s, s), fault("f2", "kill", "n2", s+2*sendAhead, s)})
		if got, want := b.happened(1), "kill@1s kill@1.08s restart@2.08s"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if e := b.find(t, history.EventFault, "f1"); err != nil || e.Failed || e.At != e.Planned || e.Nodes[0] != "n2" {
			t.Errorf("%v: %+v", err, e)
		}
	})
}

// sleepFor is the time from now to an instant after Base.
func (b *bench) sleepFor(after time.Duration) time.Duration {
	return time.Duration(b.instant(after) - b.Clock.Now())
}

func TestSlowStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(2)
		b.fakes[0].slowStop = 3 * s
		first := b.Base
		b.run(t, fault("f1", "restart", "all", s, 0), fault("f2", "stop", "n1", 10*s, s), isolate("f3", "n1", 11*s, s/2))
		if got, want := b.happened(0), "stop@4s restart@4s block@11s unblock@11.5s stop@13s restart@13s"; got != want {
			t.Errorf("n1: %s, want %s", got, want)
		}
		if got, want := b.happened(1), "stop@1s restart@1s block@11s unblock@11.5s"; got != want {
			t.Errorf("n2 waited for n1: %s, want %s", got, want)
		}
		b.fakes[0].done = nil
		b.Base = b.Clock.Now() + int64(s)
		b.run(t, fault("g1", "stop", "n1", s, s), fault("g2", "kill", "n1", 3*s, s))
		if got, want := b.happened(0), "stop@4s restart@4s kill@4s restart@4s"; got != want {
			t.Errorf("not in the order of the plan: %s, want %s", got, want)
		}
		if e := b.find(t, history.EventHeal, "f1"); e.At != first+int64(4*s) {
			t.Errorf("%+v", e)
		}
	})
}

func TestHealingAfterAnInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3)
		b.fakes[2].slowStop = 4 * s
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(b.sleepFor(3*s), cancel)
		executed, err := b.Run(ctx, []faults.Planned{fault("f1", "kill", "n1", s, 5*s), fault("f2", "pause", "n2", s, 5*s), isolate("f3", "n1", 2*s, 0),
			fault("f4", "stop", "n3", 2500*time.Millisecond, 5*s), fault("f5", "kill", "all", 8*s, s)})
		if err == nil || len(executed) != 4 || b.Clock.Now() != b.Base+int64(3*s) {
			t.Fatalf("%d executed at %d: %v", len(executed), b.Clock.Now(), err)
		}
		if err := b.HealAll(ctx); err != nil {
			t.Fatal(err)
		}
		if got := b.states(); !slices.Equal(got, whole(3)) {
			t.Errorf("%+v", got)
		}
		if e := b.find(t, history.EventHeal, "f3"); e.Dropped != 30 || e.Planned != 0 {
			t.Errorf("%+v", e)
		}
		if err := b.HealAll(ctx); err != nil {
			t.Error("healing twice:", err)
		}
	})
}

func TestHealAllEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(2)
		done := make(chan error)
		go func() {
			_, err := b.Run(t.Context(), []faults.Planned{fault("f1", "kill", "n1", s, 9*s)})
			done <- err
		}()
		time.Sleep(b.sleepFor(2 * s))
		if _, err := b.Run(t.Context(), nil); err == nil {
			t.Error("two runs at once")
		}
		go func() { done <- b.HealAll(t.Context()) }()
		if first, second := <-done, <-done; first == nil == (second == nil) {
			t.Errorf("%v, %v", first, second)
		}
		if got := b.states(); !slices.Equal(got, whole(2)) {
			t.Errorf("%+v", got)
		}
	})
}

func TestHealingTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(2)
		schedule := []faults.Planned{fault("f1", "kill", "n1", s, s), isolate("f2", "n1", s, 0), fault("f3", "pause", "n2", s, 0), isolate("f4", "n2", s, s)}
		b.fakes[0].fail[cluster.Unblock] = healTries
		b.fakes[0].fail[cluster.Restart] = healTries // at its end, not again
		b.fakes[1].fail[cluster.Unblock] = healTries - 1
		b.fakes[1].fail[cluster.Resume] = 2 * healTries
		if _, err := b.Run(t.Context(), schedule); err != nil {
			t.Fatal(err)
		}
		if e := b.find(t, history.EventHeal, "f1"); !e.Failed || b.fakes[0].state().Running {
			t.Errorf("%+v", e)
		}
		if e := b.find(t, history.EventHeal, "f4"); !e.Failed || e.Dropped != 10 || b.fakes[0].state().Rules != "[f2 f4]" {
			t.Errorf("%+v, %+v", e, b.states())
		}
		err := b.HealAll(t.Context())
		if err == nil || !strings.Contains(err.Error(), "resume n2: out of order") || strings.Contains(err.Error(), "n1") {
			t.Errorf("healing failed with: %v", err)
		}
		if got, want := b.states(), []state{{true, false, "[]"}, {true, true, "[]"}}; !slices.Equal(got, want) {
			t.Errorf("%+v", got)
		}
		if err := b.HealAll(t.Context()); err != nil || !slices.Equal(b.states(), whole(2)) {
			t.Errorf("%v: %+v", err, b.states())
		}
	})
}

const s = time.Second

// step is the grid of the random schedules' instants.
const step = 2 * sendAhead

// between is when after each of them it is looked; nothing begins or ends then.
const between = step/2 + time.Millisecond

func drawFault(t *rapid.T) faults.Planned {
	p := faults.Planned{At: step * time.Duration(rapid.IntRange(0, 40).Draw(t, "at")), For: step * time.Duration(rapid.IntRange(0, 20).Draw(t, "for")), Seed: rapid.Uint64().Draw(t, "seed")}
	p.Spec.Kind = rapid.SampledFrom([]string{"kill", "stop", "pause", "restart", "partition"}).Draw(t, "kind")
	p.Spec.Victim = rapid.SampledFrom([]string{"primary", "replica", "random", "all", "n1", "n2"}).Draw(t, "victim")
	if p.Spec.Kind == "partition" {
		p.Spec.Shape = rapid.SampledFrom([]string{"isolate", "one-way", "majority-ring"}).Draw(t, "shape")
	}
	return p
}

// begun is when p began after Base: at its instant, or when it had a victim.
func (b *bench) begun(p faults.Planned) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Kind == history.EventFault && e.Fault == p.ID {
			return max(p.At, time.Duration(e.At-b.Base))
		}
	}
	return p.At
}

// wanted is what node i has to be like at a time after Base.
func wanted(executed []faults.Planned, b *bench, i int, now time.Duration) state {
	want := state{Running: true}
	var ids []string
	for _, p := range executed {
		k, _ := faults.Lookup(p.Spec.Kind)
		lasts := now > b.begun(p) && (now < p.At+p.For || p.For == 0 && !k.Instant)
		switch victim := slices.Contains(p.Victims, b.Nodes[i].Name); {
		case !lasts || p.Victims == nil:
		case k.Steps != nil:
			if f := b.activate(p, indexesOf(b, p.Victims), nil); f.steps[i] != nil {
				ids = append(ids, p.ID)
			}
		case victim && k.Hold == faults.Paused:
			want.Frozen = true
		case victim:
			want.Running = false
		}
	}
	slices.Sort(ids)
	want.Frozen = want.Frozen && want.Running
	want.Rules = fmt.Sprint(ids)
	return want
}

func indexesOf(b *bench, names []string) []int {
	all, _ := faults.Resolve(faults.Planned{Victims: names}, b.view())
	return all
}

func TestOverlappingFaultsCompose(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		schedule := rapid.SliceOfN(rapid.Custom(drawFault), 1, 12).Draw(rt, "schedule")
		for i := range schedule {
			schedule[i].ID = fmt.Sprintf("f%02d", i)
		}
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			b := newBench(4)
			const samples = 70
			seen := make([][]state, samples)
			watched := make(chan struct{})
			go func() {
				defer close(watched)
				for k := range seen {
					time.Sleep(b.sleepFor(time.Duration(k)*step + between))
					seen[k] = b.states()
				}
			}()
			executed, err := b.Run(t.Context(), schedule)
			<-watched
			if healed := b.HealAll(t.Context()); err != nil || healed != nil || !slices.Equal(b.states(), whole(4)) {
				problem = fmt.Sprintf("run: %v, heal: %v, %+v", err, healed, b.states())
			}
			for k, states := range seen {
				for i, got := range states {
					now := time.Duration(k)*step + between
					if want := wanted(executed, b, i, now); got != want && problem == "" {
						problem = fmt.Sprintf("n%d at %s is %+v, want %+v\nof %+v", i+1, now, got, want, executed)
					}
				}
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// TestLapsedRules: a partition whose rules ended before their time proves nothing.
func TestLapsedRules(t *testing.T) {
	for _, lapsed := range []time.Duration{0, 1200 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(3)
			b.fakes[1].lapsed = lapsed
			b.run(t, isolate("f1", "n2", s, s))
			told := ""
			for _, e := range b.events {
				if e.Kind == history.EventGateFailed {
					told += e.Detail
				}
			}
			if (told == "") != (lapsed == 0) || lapsed > 0 && !strings.Contains(told, "f1 was interrupted: its rules were not in force for 1.2s") {
				t.Errorf("of %s is told %q", lapsed, told)
			}
		})
	}
}
