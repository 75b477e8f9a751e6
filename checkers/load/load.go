// Package load measures the load itself: how late it was and whose doing that was,
// what was given up, and what the system gave in each of its phases.
package load

import (
	"context"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// burstOver is over how long the greatest rate of sending is taken.
const burstOver = int64(1e8)

// Checker measures the load of all workloads but lag's.
func Checker() checkers.Checker {
	return checkers.Checker{
		Name:    "load",
		Objects: []history.Object{history.ObjectRegister, history.ObjectSet, history.ObjectQueue, history.ObjectList, history.ObjectCounter, history.ObjectIDs, history.ObjectAccounts},
		Facts: append([]checkers.Fact{
			{Name: "load.late", Unit: checkers.Ratio, Meaning: "share of the measured operations that were sent more than " + history.LateBound.String() + " after they were intended, or never, whoever's doing it was"},
			{Name: "load.late.harness", Unit: checkers.Ratio, Meaning: "share of the measured operations at a rate that the harness itself sent more than " + history.LateBound.String() + " later than a client was free for them; where it is over 0.01, claims about latency are unknown"},
			{Name: "load.late.harness.p99", Unit: checkers.Nanos, Meaning: "99th percentile of how much later than that the harness sent; where it is over a tenth of a claim's limit, a claim about latency is unknown"},
			{Name: "load.late.harness.max", Unit: checkers.Nanos, Meaning: "the most that the harness sent later than that"},
			{Name: "load.burst", Unit: checkers.PerSec, Meaning: "greatest rate at which operations were sent over a tenth of a second of the measured phase"},
			{Name: "load.dropped", Unit: checkers.Number, Meaning: "operations intended in the measured phase and never sent: skipped as they were late (backlog: skip), or left when the load was over (load.unsent)"},
		}, phaseFacts()...),
		Check:  checkers.CheckBy(follow),
		Follow: follow,
	}
}

// tally is what is counted of the load, in order of history.Less. It is a
// checkers.Follower.
type tally struct {
	line   *kit.Timeline
	doubts *kit.Doubts
	demand kit.Demand
	load   []bool // by workload
	sent   int    // measured operations
	late   int
	sure   int // of these, those that were late for the system
	phases []phase

	tenth  int64 // the tenth of a second in which the last operation was sent
	during int   // operations that were sent in it
	burst  int
}

func follow(in checkers.Input) checkers.Follower { return newTally(in.Log) }

func newTally(log *history.Log) *tally {
	t := &tally{line: kit.NewTimeline(log), doubts: kit.DoubtsOf(log), demand: kit.DemandOf(log), load: make([]bool, 256)}
	for i := range min(len(log.Meta.Workloads), len(t.load)) {
		t.load[i] = log.Meta.Workloads[i].ActsOn() != history.ObjectMarker
	}
	for _, p := range kit.LoadPhases(log) {
		t.phases = append(t.phases, phase{LoadPhase: p})
	}
	return t
}

// Add implements checkers.Follower.
func (t *tally) Add(op *history.Op) {
	if op.Final() || !t.load[op.Workload] || !op.Load() {
		return
	}
	least, doubted := t.doubts.Op(op)
	if tenth := op.Start / burstOver; op.Start >= t.line.Measured.Begin && op.Start <= t.line.Measured.End {
		if tenth != t.tenth {
			t.tenth, t.during = tenth, 0
		}
		t.during++
		t.burst = max(t.burst, t.during)
	}
	measured := t.line.Phase(op).Measured()
	late := kit.Span(op.Start, op.Intended) > int64(history.LateBound)
	if measured {
		if t.sent++; late {
			t.late++
			if !doubted {
				t.sure++
			}
		}
	}
	for i := range t.phases {
		t.phases[i].add(op, measured, late, least, doubted)
	}
}

// Choose implements checkers.Follower: nothing has to be looked at again.
func (t *tally) Choose(func(history.Size) bool) func(*history.Op) bool { return nil }

// Judge implements checkers.Follower.
func (t *tally) Judge(context.Context) checkers.Result {
	values := append([]checkers.Value{t.lateness()}, t.harness()...)
	values = append(values, t.bursts(), t.dropped())
	why := t.demand.Why(t.line, t.doubts)
	for i := range t.phases {
		p := &t.phases[i]
		p.addUnsent(t.line, t.doubts, &t.demand)
		values = append(values, p.values(t.doubts, why)...)
	}
	return checkers.Result{Values: values}
}

// untold is why it is not known how late a load was: a history from elsewhere has
// no other times than those of its operations.
const untold = "the run does not tell what it was asked for"

func (t *tally) lateness() checkers.Value {
	if !t.demand.Told {
		return checkers.Value{Name: "load.late", Why: untold}
	}
	never := int(t.demand.UnsentOf(t.line))
	v := kit.Ratio("load.late", t.late+never, t.sent+never, "no operation was measured")
	if v.Known && t.stood() {
		v = kit.Between(v.Name, float64(t.sure)/float64(t.sent+never), v.N, t.demand.Why(t.line, t.doubts))
	}
	return v
}

// stood tells whether the harness stood still at some time before the load was over, so
// that what was late or never sent may have waited for it alone.
func (t *tally) stood() bool { return t.doubts.Within(t.line.ToEnd()) > 0 }

// harness is the harness's own part in it.
func (t *tally) harness() []checkers.Value {
	own, why := t.demand.Own, ""
	switch {
	case !t.demand.Told:
		why = untold
	case own.Sent > 0:
	case t.demand.Closed:
		why = "a closed loop is never late"
	default:
		why = "the run does not tell how late the harness itself was"
	}
	const share, p99, most = "load.late.harness", "load.late.harness.p99", "load.late.harness.max"
	if why != "" {
		return []checkers.Value{{Name: share, Why: why}, {Name: p99, Why: why}, {Name: most, Why: why}}
	}
	return []checkers.Value{{Name: share, N: float64(own.Late) / float64(own.Sent), Known: true},
		{Name: p99, N: float64(own.P99), Known: true}, {Name: most, N: float64(own.Max), Known: true}}
}

func (t *tally) bursts() checkers.Value {
	if t.burst == 0 {
		return checkers.Value{Name: "load.burst", Why: "nothing was sent in the measured phase"}
	}
	return checkers.Value{Name: "load.burst", N: float64(t.burst) * 1e9 / float64(burstOver), Known: true}
}

func (t *tally) dropped() checkers.Value {
	if !t.demand.Told {
		return checkers.Value{Name: "load.dropped", Why: untold}
	}
	dropped := float64(t.demand.UnsentOf(t.line))
	if t.stood() {
		return kit.Between("load.dropped", 0, dropped, t.demand.Why(t.line, t.doubts))
	}
	return kit.Between("load.dropped", dropped, dropped, "")
}
