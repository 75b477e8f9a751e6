package objectives

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = checktest.Ms

var (
	write, read, node, unknown = checktest.Write, checktest.Read, checktest.Node, checktest.Unknown
	killed, healed, primary    = checktest.Killed, checktest.Healed, checktest.Primary
)

// losing is a checker that finds what a test says.
func losing(lost []checkers.Loss, values ...checkers.Value) checkers.Checker {
	return checkers.Checker{Name: "losing", Check: func(context.Context, checkers.Input) checkers.Result {
		return checkers.Result{Lost: lost, Values: values}
	}}
}

func check(t testing.TB, log *history.Log, lost []checkers.Loss, values ...checkers.Value) map[string]checkers.Value {
	t.Helper()
	found, _ := checktest.CheckWith(t, log, []checkers.Checker{losing(lost, values...), Checker()})
	return found
}

// expectSpans compares bounds, in milliseconds where they are times; an upper bound
// of -1 is none, and both -1 are unknown.
func expectSpans(t *testing.T, values map[string]checkers.Value, want map[string][2]float64) {
	t.Helper()
	for name, w := range want {
		v, ok := values[name]
		least, most := v.Bounds()
		unit := float64(ms)
		if strings.HasPrefix(name, "rpo.") && strings.HasSuffix(name, "ops") || strings.Contains(name, "ops.") || name == "rto.cycles" {
			unit = 1
		}
		got := [2]float64{least / unit, most / unit}
		if math.IsInf(most, 1) {
			got[1] = -1
		}
		if !v.Known {
			got = [2]float64{-1, -1}
		}
		if !ok || got != w {
			t.Errorf("%s is %v (%s), not %v", name, got, v.Why, w)
		}
	}
}

// cyclesLog is a run of three cycles: the primary is killed at 1, 3 and 5 s for 500 ms
// each; other nodes take over after 200, 300 and 400 ms, as is seen within 50 ms, and
// the first write is acknowledged 20 ms after that.
func cyclesLog() *history.Log {
	var ops []history.Op
	var events []history.Event
	value := int64(0)
	events = append(events, primary("n1", 1, 0), checktest.Phase("measure", 100), checktest.Phase("heal", 7000))
	for c := range int64(3) {
		at, takes := 1000+2000*c, 200+100*c
		id := []string{"f1", "f2", "f3"}[c]
		old, next := []string{"n1", "n2", "n1"}[c], []string{"n2", "n1", "n2"}[c]
		events = append(events, killed(id, old, at), healed(id, at+500),
			history.Event{At: (at + takes) * ms, Since: (at + takes - 50) * ms, Kind: history.EventRole, Node: next, Epoch: uint64(c + 2), Detail: "primary"})
		value += 10
		ops = append(ops,
			write(value+1, at-100, at-90), read(value+1, at-50, at-40),
			write(value+2, at-5, at+150, unknown), // the first that clients see of it
			write(value+3, at+10, at+190, unknown),
			read(value+1, at+20, at+60, node(2)), // of a replica
			write(value+4, at+100, at+takes+20, node(int8(next[1]-'1'))),
			write(value+5, at+600, at+610, node(int8(next[1]-'1'))),
			read(value+5, at+650, at+700, node(int8(old[1]-'1'))), read(value+5, at+660, at+800, node(2)))
	}
	return checktest.Faulted(checktest.LogOf(checktest.RegisterType, ops...), events...)
}

func TestTimesOfCycles(t *testing.T) {
	values := check(t, cyclesLog(), nil, checkers.Value{Name: "writes.lost", Known: true})
	expectSpans(t, values, map[string][2]float64{
		"rto.cycles":    {3, 3},
		"rto.f1.detect": {150, 150}, "rto.detect.p50": {150, 150}, "rto.detect.max": {150, 150},
		"rto.f1.role": {150, 200}, "rto.f2.role": {250, 300}, "rto.f3.role": {350, 400}, "rto.role.p50": {250, 300}, "rto.role.max": {350, 400},
		"rto.f1.client.write": {220, 220}, "rto.client.write.p50": {320, 320}, "rto.client.write.max": {420, 420},
		"rto.f2.client.read": {60, 60}, "rto.client.read.max": {60, 60},
		"redundancy.f1.restored": {500, 800}, "redundancy.restored.max": {500, 800},
		"rpo.f1.ops": {0, 0}, "rpo.ops.max": {0, 0}, "rpo.f1.time": {0, 0}, "rpo.time.max": {0, 0},
	})
}

// TestLostWritesAreOfOneFault: each lost write is of one fault, and all of them add
// up to what was counted.
func TestLostWritesAreOfOneFault(t *testing.T) {
	loss := func(start, acked int64, certain bool) checkers.Loss {
		return checkers.Loss{Start: start * ms, Acked: acked * ms, Certain: certain}
	}
	lost := []checkers.Loss{
		loss(900, 910, true), loss(980, 990, true), // just before the first fault
		loss(1400, 1410, true),  // while it was in force
		loss(1600, 1700, true),  // after it: of the next
		loss(2900, 2950, false), // of the second, perhaps
		loss(6000, 6100, true),  // after all: of the last
	}
	values := check(t, cyclesLog(), lost, checkers.Value{Name: "writes.lost", N: 5, Known: true, AtLeast: true, AtMost: 6, Why: "because"})
	expectSpans(t, values, map[string][2]float64{
		"rpo.f1.ops": {3, 3}, "rpo.f2.ops": {1, 2}, "rpo.f3.ops": {1, 1}, "rpo.ops.p50": {1, 2}, "rpo.ops.max": {3, 3},
		"rpo.f1.time": {90, 90}, "rpo.f2.time": {1300, 1300}, "rpo.f3.time": {0, 0}, "rpo.time.max": {1300, 1300},
	})
	// Where two more are counted than anyone knows, each fault may have them.
	values = check(t, cyclesLog(), lost, checkers.Value{Name: "writes.lost", N: 5, Known: true, AtLeast: true, AtMost: 8, Why: "because"})
	expectSpans(t, values, map[string][2]float64{"rpo.f1.ops": {3, 5}, "rpo.f1.time": {90, -1}, "rpo.ops.max": {3, 5}})
	// Where nobody knows how many were lost, what is known to be is a lower bound.
	values = check(t, cyclesLog(), lost, checkers.Value{Name: "writes.lost", Why: "no final reads"})
	expectSpans(t, values, map[string][2]float64{"rpo.f1.ops": {3, -1}, "rpo.ops.max": {3, -1}})
	values = check(t, cyclesLog(), nil, checkers.Value{Name: "writes.lost", Why: "no final reads"})
	expectSpans(t, values, map[string][2]float64{"rpo.f1.ops": {-1, -1}, "rpo.time.max": {-1, -1}})
	// Nobody counts: not 0.
	expectSpans(t, check(t, cyclesLog(), nil), map[string][2]float64{"rpo.f1.ops": {-1, -1}, "rpo.ops.p50": {-1, -1}})
}

func TestWhatWasNotSeen(t *testing.T) {
	base := func(ops []history.Op, events ...history.Event) *history.Log {
		return checktest.Faulted(checktest.LogOf(checktest.RegisterType, ops...), events...)
	}
	steady := []history.Op{write(1, 900, 910), write(2, 1100, 1110), write(3, 2000, 2010), read(3, 2500, 2510)}
	t.Run("a replica", func(t *testing.T) {
		log := base(steady, primary("n1", 1, 0), killed("f1", "n2", 1000), healed("f1", 1500))
		expectSpans(t, check(t, log, nil), map[string][2]float64{"rto.cycles": {0, 0}, "rto.f1.detect": {1510, -1}, "rto.f1.role": {-1, -1}, "rto.f1.client.write": {110, 110},
			"rto.client.write.max": {-1, -1}, "redundancy.f1.restored": {500, -1}})
	})
	t.Run("never healed", func(t *testing.T) {
		log := base(steady, primary("n1", 1, 0), killed("f1", "n1", 1000))
		expectSpans(t, check(t, log, nil), map[string][2]float64{"rto.cycles": {1, 1}, "rto.f1.role": {1510, -1}, "redundancy.f1.restored": {1510, -1}})
	})
	t.Run("never again", func(t *testing.T) {
		log := base([]history.Op{write(1, 900, 910), write(2, 1100, 1600, unknown), write(3, 1700, 2400, unknown)}, primary("n1", 1, 0), killed("f1", "n1", 1000), healed("f1", 1200))
		expectSpans(t, check(t, log, nil), map[string][2]float64{"rto.client.write.max": {1400, -1}, "rto.client.read.max": {-1, -1}, "rto.detect.p50": {600, 600}})
	})
	t.Run("settled", func(t *testing.T) {
		log := base(steady, primary("n1", 1, 0), killed("f1", "n1", 1000), healed("f1", 1200), history.Event{At: 3000 * ms, Kind: history.EventSettled})
		expectSpans(t, check(t, log, nil), map[string][2]float64{"redundancy.f1.restored": {200, 2000}})
	})
	t.Run("without a primary", func(t *testing.T) {
		log := base(steady, killed("f1", "n1", 1000), healed("f1", 1200), history.Event{At: 1300 * ms, Kind: history.EventFault, Fault: "f2", Name: "restart", Nodes: []string{"n1"}}, healed("f2", 1310))
		expectSpans(t, check(t, log, nil), map[string][2]float64{"rto.cycles": {1, 1}, "rto.client.write.max": {110, 110}, "rto.role.max": {-1, -1}})
	})
	t.Run("no fault", func(t *testing.T) {
		expectSpans(t, check(t, base(steady, primary("n1", 1, 0)), nil, checkers.Value{Name: "writes.lost", Known: true}), map[string][2]float64{"rto.cycles": {0, 0}, "rpo.ops.max": {-1, -1}, "rto.detect.p50": {-1, -1}})
	})
	t.Run("torn", func(t *testing.T) {
		for name, v := range check(t, checktest.Torn(cyclesLog()), nil, checkers.Value{Name: "writes.lost", Known: true}) {
			if v.Known && name != "writes.lost" {
				t.Errorf("of a torn log %s is %+v", name, v)
			}
		}
	})
	t.Run("overlapping", func(t *testing.T) {
		// The network of the primary goes first, then its processes: one cycle.
		cut := history.Event{At: 1000 * ms, Kind: history.EventFault, Fault: "f1", Name: "partition isolate", Nodes: []string{"n1"}}
		log := base([]history.Op{write(1, 900, 910), write(2, 1250, 1350, unknown), write(3, 1400, 1500, node(1))},
			primary("n1", 1, 0), cut, killed("f2", "n1", 1300), healed("f1", 1600), healed("f2", 1700), primary("n2", 2, 1450))
		lost := []checkers.Loss{{Start: 1100 * ms, Acked: 1110 * ms, Certain: true}}
		expectSpans(t, check(t, log, lost, checkers.Value{Name: "writes.lost", N: 1, Known: true}), map[string][2]float64{"rto.cycles": {1, 1}, "rto.detect.max": {350, 350}, "rto.f2.detect": {50, 50},
			"rto.client.write.max": {500, 500}, "rto.f2.client.write": {200, 200}, "rpo.ops.max": {1, 1}, "rpo.f1.ops": {1, 1}, "rpo.f2.ops": {0, 0}, "redundancy.f1.restored": {700, -1}})
	})
	t.Run("roles change after the heal", func(t *testing.T) {
		// What is lost until then, for another took over, is of the fault that is over.
		log := base(steady, primary("n1", 1, 0), killed("f1", "n1", 1000), healed("f1", 1100), primary("n2", 2, 1800), killed("f2", "n2", 3000), healed("f2", 3100))
		lost := []checkers.Loss{{Start: 1500 * ms, Acked: 1510 * ms, Certain: true}, {Start: 1900 * ms, Acked: 1910 * ms, Certain: true}}
		expectSpans(t, check(t, log, lost, checkers.Value{Name: "writes.lost", N: 2, Known: true}), map[string][2]float64{"rpo.f1.ops": {1, 1}, "rpo.f1.time": {0, 0}, "rpo.f2.ops": {1, 1}, "rpo.f2.time": {1090, 1090}})
	})
	t.Run("the harness stood still", func(t *testing.T) {
		log := base([]history.Op{write(1, 900, 910), write(2, 1100, 1500, node(1))}, primary("n1", 1, 0), killed("f1", "n1", 1000), healed("f1", 1200),
			history.Event{At: 1300 * ms, Until: 1400 * ms, Kind: history.EventUntrusted})
		expectSpans(t, check(t, log, nil), map[string][2]float64{"rto.client.write.max": {300, 500}})
	})
}

// TestLessEvidence: answers that nobody heard make times longer, never shorter, and
// bounds never come together.
func TestLessEvidence(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		log := cyclesLog()
		before := check(t, log, nil, checkers.Value{Name: "writes.lost", Known: true})
		less := *log
		less.Ops = slices.Clone(log.Ops)
		for range 1 + r.IntN(6) {
			if op := &less.Ops[r.IntN(len(less.Ops))]; r.IntN(2) == 0 {
				op.Outcome = history.Fail // known to have failed, and no time-out: that is seen as late
				op.Error, op.Value = history.ErrCompare, 0
			} else if op.Kind == history.Read {
				less.Ops = slices.DeleteFunc(less.Ops, func(o history.Op) bool { return o.Start == op.Start })
			}
		}
		after := check(t, &less, nil, checkers.Value{Name: "writes.lost", Known: true})
		for name, was := range before {
			least, most := was.Bounds()
			now, nowMost := after[name].Bounds()
			switch {
			case strings.HasPrefix(name, "rto.") && strings.Contains(name, "client") && nowMost < most,
				strings.HasPrefix(name, "redundancy.") && (after[name].Known && now > least || nowMost < most):
				t.Fatalf("%s was %g to %g and is %g to %g by less evidence", name, least, most, now, nowMost)
			}
		}
	}
}

func TestQuantiles(t *testing.T) {
	of := []span{{1, 5, "a"}, {2, 2, ""}, {4, math.Inf(1), "b"}}
	if s := quantile(of, 0.5, ""); s.least != 2 || s.most != 5 {
		t.Errorf("the median is %+v", s)
	}
	if s := quantile(of, 1, ""); s.least != 4 || !math.IsInf(s.most, 1) || s.why != "b" {
		t.Errorf("the worst is %+v", s)
	}
	// However the true values lie, their quantiles are within.
	r := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		var spans []span
		var truth []float64
		for range 1 + r.IntN(6) {
			x := float64(r.IntN(100))
			truth = append(truth, x)
			spans = append(spans, span{least: x - float64(r.IntN(30)), most: x + float64(r.IntN(30))})
		}
		slices.Sort(truth)
		for _, q := range []float64{0.5, 1} {
			want := truth[min(max(int(math.Ceil(q*float64(len(truth)))), 1), len(truth))-1]
			if s := quantile(spans, q, ""); want < s.least || want > s.most {
				t.Fatalf("%g of %v is not in %+v", q, truth, s)
			}
		}
	}
}
