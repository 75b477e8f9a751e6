package all

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/checkers/register"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/clocks"
)

// tick is what a tick of the worlds is made to last, in which a clock can go wrong.
const tick = int64(30e6)

// driverClock is the clock of a driver: it is off, runs too fast or too slow, and steps
// once.
type driverClock struct {
	off, stepAt, stepBy int64
	rate                float64
}

func (c *driverClock) read(at int64) int64 {
	reading := c.off + at + int64(c.rate*float64(at))
	if at >= c.stepAt {
		reading += c.stepBy
	}
	return reading
}

// driven makes of a log, whose times are true, the one that drivers with such clocks
// would have recorded, each process on one of them.
func driven(r *rand.Rand, truth *history.Log, drivers int, wrong bool) *history.Log {
	log := *truth
	log.Ops = slices.Clone(truth.Ops)
	workers := 0
	for i := range log.Ops {
		log.Ops[i].Worker = uint16(log.Ops[i].Process % 64)
		workers = max(workers, int(log.Ops[i].Worker)+1)
	}
	lines, read := make([]*clocks.Line, drivers), make([]driverClock, drivers)
	log.Meta.Drivers = nil
	begin, end := int64(-10*tick), truth.End()+10*tick
	for d := range drivers {
		c := driverClock{off: r.Int64N(1e12), stepAt: end}
		if wrong {
			c.rate = float64(r.IntN(20001)-10000) / 1e6
			if r.IntN(2) == 0 {
				c.stepAt, c.stepBy = begin+r.Int64N(end-begin), r.Int64N(4*tick)
			}
		}
		var looks []clocks.Look
		for at := begin; at < end; at += 20e6 {
			there, back := r.Int64N(2e5), r.Int64N(2e5)
			looks = append(looks, clocks.Look{Sent: at, Clock: c.read(at + there), Received: at + there + back})
		}
		read[d] = c
		lines[d], _ = clocks.Of(looks)
		log.Meta.Drivers = append(log.Meta.Drivers, history.Driver{Name: fmt.Sprint("driver", d+1), Workers: [][2]int{{workers * d / drivers, workers * (d + 1) / drivers}}, Clock: lines[d].Widths()})
	}
	for i := range log.Ops {
		op := &log.Ops[i]
		for d, driver := range log.Meta.Drivers {
			if w := driver.Workers[0]; !op.Final() && w[0] <= int(op.Worker) && int(op.Worker) < w[1] {
				for _, at := range []*int64{&op.Intended, &op.Start, &op.End} {
					*at = lines[d].Run(read[d].read(*at))
				}
			}
		}
	}
	history.Sort(log.Ops)
	return &log
}

func stretched(log *history.Log) *history.Log {
	for i := range log.Ops {
		op := &log.Ops[i]
		op.Intended, op.Start, op.End = op.Intended*tick, op.Start*tick, op.End*tick
	}
	history.Sort(log.Ops)
	return log
}

// registerWorld is a history of registers: that of a single copy, or any.
func registerWorld(r *rand.Rand) *history.Log {
	ops := checktest.CopyOps(r, 1+r.IntN(14), 4, r.IntN(2) == 0)
	if r.IntN(2) == 0 {
		ops = checktest.RandomOps(r, checktest.Shape{Ops: 10, Length: 40, Longest: 12, Cas: r.IntN(2) == 0, Sessions: r.IntN(2) == 0, Finals: r.IntN(2) == 0})
	}
	return logOf(registerType, ops...)
}

var drivenObjects = append([]object{{registerType, register.Checker(), nil}}, objects...)

func drivenWorld(o *object, r *rand.Rand) *history.Log {
	if o.make == nil {
		return stretched(registerWorld(r))
	}
	_, log := newWorld(o, r)
	return stretched(log)
}

func judgedAll(o *object, log *history.Log) map[string]checkers.Value {
	values := map[string]checkers.Value{}
	for _, v := range checkers.Run(context.Background(), log, checkers.Limits{Workers: 1}, []checkers.Checker{o.checker}).Values {
		values[v.Name] = v
	}
	return values
}

// TestDifferentialDrivers: what several drivers recorded, whose clocks are off, run wrong
// and step, never tells of a violation that is not in the true times; and the bounds of
// every duration contain the true one.
func TestDifferentialDrivers(t *testing.T) {
	var mu sync.Mutex
	found, missed := map[string]int{}, map[string]int{}
	eachDriven(t, 16_000, func(o *object, r *rand.Rand) string {
		truth := drivenWorld(o, r)
		log := driven(r, truth, 1+r.IntN(3), true)
		before, after := judgedAll(o, truth), judgedAll(o, log)
		unsound := o.workload == registerType && soothsaid(truth)
		_, lost := before["set.lost"].Bounds()
		for name, v := range before {
			now := after[name]
			if unsound && name != "linearizable" || name == "reads.order_flips" && before["linearizable"].N == 0 {
				continue
			}
			if lost > 0 && staleSet(name) {
				continue // of what is gone some reads are stale, by which of two at once is the later one
			}
			if why := untrue(name, v, now); why != "" {
				return fmt.Sprintf("%s: %s\ntrue %+v\nsaid %+v\ntrue times\n%ssaid\n%s%+v", name, why, v, now, showOps(truth), showOps(log), log.Meta.Drivers)
			}
			if classOf(name) == anomaly && v.N > 0 {
				mu.Lock()
				if now.N > 0 {
					found[o.workload]++
				} else {
					missed[o.workload]++
				}
				mu.Unlock()
			}
		}
		return ""
	})
	t.Logf("found %v, missed within the width %v", found, missed)
}

// untrue says why a fact cannot be what is said, given what it is in the true times.
func untrue(name string, truth, said checkers.Value) string {
	least, most := truth.Bounds()
	now, nowMost := said.Bounds()
	switch classOf(name) {
	case sample, delay:
		if truth.Known && !truth.AtLeast && said.Known && (now > truth.N+1 || nowMost < truth.N-1) && !strings.HasPrefix(name, "lag.") {
			return "the true duration is not within its bounds"
		}
		return ""
	case anomaly:
		if strings.Contains(name, "staleness") || name == "reads.delta_atomicity" {
			if said.Known && (now > most+1 || nowMost < least-1) {
				return "the true duration is not within its bounds"
			}
			return ""
		}
		if strings.HasSuffix(name, ".acked") || strings.HasSuffix(name, ".ok") || strings.HasSuffix(name, ".unknown") || name == "writes.undecided" || strings.HasPrefix(name, "linearizable.keys") {
			return ""
		}
		if name == "linearizable" {
			if least == 1 && said.Known && now == 0 {
				return "what is linearizable is said not to be"
			}
			return ""
		}
		if now > max(most, 0) && !(name == "append.anomalies" && most > 0) {
			return "more is said than is true"
		}
	default:
		return contradiction(truth, said, removed{})
	}
	return ""
}

// TestDifferentialGoodClocks: violations that are wider than the clocks are apart are all
// found, as many as in the true times.
func TestDifferentialGoodClocks(t *testing.T) {
	var mu sync.Mutex
	found := map[string]int{}
	eachDriven(t, 8_000, func(o *object, r *rand.Rand) string {
		if o.workload == lagType {
			return ""
		}
		truth := drivenWorld(o, r)
		log := driven(r, truth, 3, false)
		if 4*log.Span() > tick {
			return fmt.Sprintf("the span is %d", log.Span())
		}
		before, after := judgedAll(o, truth), judgedAll(o, log)
		_, lost := before["set.lost"].Bounds()
		for name, v := range before {
			now := after[name]
			if lost > 0 && staleSet(name) || timedFact(o, name) || strings.Contains(name, "flip") || name == "set.never_seen" {
				continue
			}
			if name == "append.anomalies" {
				v.N, now.N = min(v.N, 1), min(now.N, 1)
			}
			if v.Known && v.N != now.N {
				return fmt.Sprintf("%s is %v, and %v is said\ntrue times\n%ssaid\n%s%+v", name, v, now, showOps(truth), showOps(log), log.Meta.Drivers)
			}
			if classOf(name) == anomaly && v.N > 0 {
				mu.Lock()
				found[o.workload]++
				mu.Unlock()
			}
		}
		return ""
	})
	t.Logf("found %v", found)
}

func timedFact(o *object, name string) bool {
	return strings.Contains(name, "latency") || strings.Contains(name, "residence") || strings.Contains(name, "staleness") || name == "reads.delta_atomicity"
}

// eachDriven is eachWorld with registers.
func eachDriven(t *testing.T, n int, judge func(o *object, r *rand.Rand) string) {
	eachOf(t, drivenObjects, n, judge)
}

func staleSet(name string) bool {
	return strings.HasPrefix(name, "set.") && (strings.HasSuffix(name, ".stale") || strings.HasSuffix(name, ".flapping") || strings.Contains(name, "latency"))
}

// soothsaid tells whether some value was seen that nobody wrote, or before its write
// began, be it by what a compare-and-set made of it: it is no value, and where that cannot
// be told it is one, so that others are older or newer than it.
func soothsaid(log *history.Log) bool {
	begun := map[int64]int64{history.Nil: math.MinInt64}
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Kind == history.Write || op.Kind == history.CAS {
			if at, known := begun[op.Value]; !known || op.Start < at {
				begun[op.Value] = op.Start
			}
		}
	}
	there := map[int64]int64{} // by value: when it was
	seen := func(v, at int64) bool {
		if was, known := there[v]; known && was <= at {
			return false
		}
		there[v] = at
		return true
	}
	for again := true; again; {
		again = false
		for i := range log.Ops {
			op := &log.Ops[i]
			switch {
			case op.Kind == history.Read && op.Outcome == history.OK:
				again = seen(op.Value, op.End) || again
			case op.Kind == history.CAS && op.Outcome == history.Fail:
				if op.Flags&history.Seen != 0 {
					again = seen(op.Observed, op.End) || again
				}
			case op.Kind == history.CAS:
				at, effective := there[op.Value]
				if op.Outcome == history.OK && (!effective || op.End < at) {
					at, effective = op.End, true
				}
				if effective { // the old value was there before the new one
					again = seen(op.Old, at) || again
				}
			}
		}
	}
	for v, at := range there {
		if from, known := begun[v]; !known || at <= from {
			return true
		}
	}
	return false
}
