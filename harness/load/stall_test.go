package load

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// stalling answers in a millisecond but for one second, in which nothing is
// answered before it is over.
func stalling(clock func() int64, from int64) *scripted {
	return &scripted{answer: func(_ int, op *history.Op) {
		time.Sleep(time.Millisecond)
		if at := clock(); at >= from && at < from+int64(time.Second) {
			time.Sleep(time.Duration(from + int64(time.Second) - at))
		}
		op.Outcome = history.OK
	}}
}

// stalled runs a load of 1000/s, or a closed loop of as many clients, for ten
// seconds of virtual time against a system that stops for the fifth, and measures it.
func stalled(t *testing.T, change func(*workloads.Spec)) (values map[string]checkers.Value, log *history.Log) {
	t.Helper()
	const sec = int64(time.Second)
	spec := workloads.Spec{Type: "register", Clients: 16, Rate: 1000, Mix: map[string]int{"write": 1}}
	change(&spec)
	var start int64
	begin := time.Now()
	system := stalling(func() int64 { return int64(time.Since(begin)) - start }, 4*sec)
	log = logOf(t, t.Context(), system, spec, func(now int64) Window {
		start, begin = 0, time.Now()
		return Window{Start: now, Measure: now, Stop: now + 10*sec, Grace: now + 13*sec}
	})
	values = map[string]checkers.Value{}
	for _, v := range all.Run(context.Background(), log, checkers.Limits{}).Values {
		values[v.Name] = v
	}
	return values, log
}

// TestAStallIsMeasuredAsLongAsItWas: of a second in ten that the system stops,
// 10 % of the operations are touched, and the percentiles follow from the schedule:
// one that was intended x after the begin of the stall waits for 1 s − x. A closed
// loop, which sends nothing meanwhile, sees next to nothing of it. Time is virtual:
// the figures are those of the load alone, whatever the machine does.
func TestAStallIsMeasuredAsLongAsItWas(t *testing.T) {
	ideal := map[string]float64{"latency.p50": 1e6, "latency.p99": 900e6, "latency.p999": 990e6, "latency.max": 1000e6}
	for name, change := range map[string]func(*workloads.Spec){
		"caught up":  func(*workloads.Spec) {},
		"at random":  func(s *workloads.Spec) { s.Arrival, s.Seed = workloads.ArrivePoisson, 7 },
		"many":       func(s *workloads.Spec) { s.Clients = 1000 },
		"pipelined":  func(s *workloads.Spec) { s.Clients, s.Pipeline = 2, 8 },
		"in a phase": func(s *workloads.Spec) { s.Rate, s.Load = 0, phasesOf(1000, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				values, _ := stalled(t, change)
				for fact, want := range ideal {
					tolerance := 0.02
					if name == "at random" {
						tolerance = 0.04 // the arrivals' own chance
					}
					if v := values[fact]; !v.Known || v.AtLeast || math.Abs(v.N-want) > want*tolerance+1.1e6 {
						t.Errorf("%s is %+v, want %g", fact, v, want)
					}
				}
				if late, own := values["load.late"], values["load.late.harness"]; name != "many" && late.N < 0.08 || own.N != 0 {
					t.Errorf("late %+v, of it the harness %+v: the system kept the clients", late, own)
				}
				if burst := values["load.burst"]; burst.N > 10_100 {
					t.Errorf("sent at up to %g/s, more than ten times the rate", burst.N)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		values, _ := stalled(t, func(s *workloads.Spec) { s.Rate = 0 })
		if p99, p999 := values["latency.p99"].N, values["latency.p999"].N; p99 > 2e6 || p999 > 2e6 {
			t.Errorf("a closed loop says %g and %g, want it blind", p99, p999)
		}
		if most := values["latency.max"].N; math.Abs(most-1e9) > 2e6 {
			t.Errorf("the greatest of a closed loop is %g", most)
		}
	})
}

// TestTheBoundOfCatchingUp holds, and what it holds back counts.
func TestTheBoundOfCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		values, log := stalled(t, func(s *workloads.Spec) { s.CatchUp = 2000 })
		if burst := values["load.burst"].N; burst > 2200 {
			t.Errorf("sent at up to %g/s, want 2000 at most", burst)
		}
		// The backlog of 1000 shrinks by 1000 a second: the last 2 % of the waiting
		// were intended in the first 1/20 s, and are answered after 1 s − 1/20 s / 2.
		if p99 := values["latency.p99"].N; math.Abs(p99-950e6) > 20e6 {
			t.Errorf("p99 is %g, want 950 ms", p99)
		}
		if own := values["load.late.harness"]; own.N != 0 {
			t.Errorf("what the plan holds back is the harness's doing: %+v", own)
		}
		if len(log.Ops) != 10_000 {
			t.Errorf("%d operations, want all", len(log.Ops))
		}
	})
}

// TestSkippedOperationsAreCounted: none is sent late, none is forgotten, and that
// nobody answered them is known.
func TestSkippedOperationsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		values, log := stalled(t, func(s *workloads.Spec) { s.Backlog = workloads.SkipIt })
		dropped := values["load.dropped"].N
		if dropped < 950 || dropped > 1000 || float64(len(log.Ops))+dropped != 10_000 {
			t.Errorf("%d sent and %g dropped", len(log.Ops), dropped)
		}
		if late := values["load.late"]; math.Abs(late.N-dropped/10_000) > 0.0021 { // but for those just in time
			t.Errorf("late: %+v, want those that were dropped", late)
		}
		if p99 := values["latency.p99"]; !p99.AtLeast || p99.N < 840e6 || p99.N > 901e6 {
			t.Errorf("p99 is %+v, want at least what those waited that were given up", p99)
		}
		if unsent := values["load.unsent"]; unsent.N != 0 {
			t.Errorf("%+v left at the end", unsent)
		}
	})
}

// TestPhasesOfTheLoad: each sends at its rate, and has its own figures.
func TestPhasesOfTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		values, log := stalled(t, func(s *workloads.Spec) { s.Rate, s.Load = 0, mixedPhases() })
		for fact, want := range map[string]float64{
			"load.steady.asked": 500, "load.steady.throughput": 500, "load.none.throughput": 0, "load.none.asked": 0,
			"load.rising.throughput": 1000, "load.loop.throughput": 16_000 * 2 / 3, "load.steady.dropped": 0, "load.steady.error_rate": 0, "load.steady.latency.p99": 1e6,
		} {
			if v := values[fact]; !v.Known || math.Abs(v.N-want) > want*0.02 {
				t.Errorf("%s is %+v, want %g", fact, v, want)
			}
		}
		if v := values["load.loop.asked"]; v.Known {
			t.Errorf("a closed loop asks for %+v", v)
		}
		if told := values["load.loop.latency.max"]; math.Abs(told.N-1e9) > 5e6 {
			t.Errorf("the stall is in the phase in which it was: %+v", told)
		}
		phases := 0
		for _, e := range log.Events {
			if e.Kind == history.EventLoad {
				phases++
			}
		}
		if phases != 4 {
			t.Errorf("%d phases were told", phases)
		}
	})
}

// TestARateOutOfReach is told: most of what was intended was late or never sent, by
// the system's doing, and no backlog of the warm-up is in the way of what is measured.
func TestARateOutOfReach(t *testing.T) {
	for backlog, fact := range map[string]string{workloads.CatchUp: "load.unsent", workloads.SkipIt: "load.dropped"} {
		synctest.Test(t, func(t *testing.T) {
			const sec = int64(time.Second)
			system := &scripted{answer: func(_ int, op *history.Op) { time.Sleep(10 * time.Millisecond); op.Outcome = history.OK }}
			log := logOf(t, t.Context(), system, workloads.Spec{Type: "register", Clients: 4, Rate: 4000, Backlog: backlog, Mix: map[string]int{"write": 1}},
				func(now int64) Window {
					return Window{Start: now, Measure: now + 5*sec, Stop: now + 10*sec, Grace: now + 12*sec}
				})
			values := map[string]checkers.Value{}
			for _, v := range all.Run(context.Background(), log, checkers.Limits{}).Values {
				values[v.Name] = v
			}
			if late := values["load.late"]; late.N < 0.85 {
				t.Errorf("%s: late is %+v, of ten times what the system can do", backlog, late)
			}
			if own := values["load.late.harness"]; !own.Known || own.N > 0 {
				t.Errorf("%s: the harness's own is %+v", backlog, own)
			}
			if n := values[fact]; n.N < 15_000 {
				t.Errorf("%s: %s is %+v", backlog, fact, n)
			}
			if rate := values["load.rate"]; math.Abs(rate.N-400) > 40 {
				t.Errorf("%s: sent at %+v, want the 400/s that the system can do", backlog, rate)
			}
			if p50 := values["latency.p50"]; !p50.AtLeast {
				t.Errorf("%s: p50 is %+v though most were never answered", backlog, p50)
			}
		})
	}
}
