// Package availability checks how long writes stood still, how often operations
// failed, and what the faults did that were the cause.
package availability

import (
	"context"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// Checker measures gaps in acknowledged writes, failovers and errors.
func Checker() checkers.Checker {
	return checkers.Checker{
		Name:    "availability",
		Objects: []history.Object{history.ObjectRegister, history.ObjectSet, history.ObjectQueue, history.ObjectList, history.ObjectCounter, history.ObjectIDs, history.ObjectAccounts},
		Facts: []checkers.Fact{
			{Name: "ops.ok", Unit: checkers.Number, Better: checkers.Higher, Meaning: "operations of the load that were acknowledged in the measured phase"},
			{Name: "ops.rate", Unit: checkers.PerSec, Meaning: "operations of the load acknowledged per second of the measured phase"},
			{Name: "availability.write_gap.max", Unit: checkers.Nanos, Meaning: "longest time in the measured phase without an acknowledged write"},
			{Name: "failover.max", Unit: checkers.Nanos, Meaning: "longest time from a fault that hit the primary to the first acknowledged write begun after it"},
			{Name: "failover.count", Unit: checkers.Number, Better: checkers.Neither, Meaning: "kills, stops, pauses and partitions that hit the primary"},
			{Name: "errors.rate", Unit: checkers.Ratio, Meaning: "share of the measured operations that did not succeed (comparisons that failed are no errors)"},
			{Name: "errors.rate.before", Unit: checkers.Ratio, Meaning: "share of errors among the operations that ended before the first fault"},
			{Name: "errors.rate.during", Unit: checkers.Ratio, Meaning: "share of errors among the operations under way while a fault was in force"},
			{Name: "errors.rate.after", Unit: checkers.Ratio, Meaning: "share of errors among the operations that no fault touched, after the first fault"},
			{Name: "errors.rate.<fault>", Unit: checkers.Ratio, Meaning: "share of errors among the operations under way while this fault was in force"},
			{Name: "errors.rate.<fault>.before", Unit: checkers.Ratio, Meaning: "share of errors among the operations that no fault touched between the fault before and this one"},
			{Name: "load.asked", Unit: checkers.PerSec, Better: checkers.Neither, Meaning: "operations per second that the plan asked for in the measured phase"},
			{Name: "load.rate", Unit: checkers.PerSec, Meaning: "operations per second that were sent in the measured phase"},
			{Name: "load.unsent", Unit: checkers.Number, Meaning: "operations intended in the measured phase and never sent: no client was free for them before the load was over"},
			{Name: "errors.rate.<fault>.after", Unit: checkers.Ratio, Meaning: "share of errors among the operations that no fault touched between this fault and the next"},
		},
		Check:  checkers.CheckBy(follow),
		Follow: follow,
	}
}

// faultErrors are the errors around one fault.
type faultErrors struct{ before, during, after kit.Errors }

// tally is what is counted of the load, in order of history.Less.
type tally struct {
	line    *kit.Timeline
	doubts  *kit.Doubts
	demand  kit.Demand
	load    []bool // by workload
	ok      int
	sent    int   // begun in the measured phase, whenever they were intended
	begun   int64 // when the last of these was
	last    int64 // end of the last operation that was acknowledged
	written int64 // end of the last write that was tried
	errors  kit.Errors
	moments [kit.Moments]kit.Errors
	faults  map[string]*faultErrors // by id
	writes  int                     // tried
	acks    gaps                    // between acknowledged writes
	outages outages
}

func newTally(log *history.Log) *tally {
	line := kit.NewTimeline(log)
	doubts := kit.DoubtsOf(log)
	t := &tally{line: line, doubts: doubts, demand: kit.DemandOf(log), last: kit.Beginning, written: kit.Beginning, load: make([]bool, 256), faults: map[string]*faultErrors{},
		acks: gaps{Stretch: line.Measured, doubts: doubts, last: line.Measured.Begin}, outages: newOutages(line)}
	for i := range min(len(log.Meta.Workloads), len(t.load)) {
		t.load[i] = log.Meta.Workloads[i].ActsOn() != history.ObjectMarker
	}
	for _, w := range line.Windows {
		t.faults[w.Fault] = &faultErrors{}
	}
	return t
}

// checkAvailability measures the load of all workloads but lag's: operations
// that are neither of the warm-up nor final reads. Writes are acknowledged
// when their answer comes, whenever they began.
func follow(in checkers.Input) checkers.Follower { return follower{newTally(in.Log)} }

// follower needs no operation twice.
type follower struct{ *tally }

func (f follower) Add(op *history.Op) { f.count(op) }

func (f follower) Choose(func(history.Size) bool) func(*history.Op) bool { return nil }

func (f follower) Judge(context.Context) checkers.Result { return f.result() }

func (t *tally) result() checkers.Result {
	line := t.line
	t.countUnsent()
	values := []checkers.Value{t.acked(), t.rate(), t.gap()}
	values = append(values, t.loadValues()...)
	values = append(values, t.outages.values(t.doubts)...)
	values = append(values, t.errors.Value("errors.rate", t.why()), t.moments[kit.BeforeFaults].Value("errors.rate.before", t.why()),
		t.moments[kit.DuringFault].Value("errors.rate.during", t.why()), t.moments[kit.AfterFaults].Value("errors.rate.after", t.why()))
	for _, w := range line.Windows {
		if c := t.faults[w.Fault]; c != nil {
			name := "errors.rate." + w.Fault
			values = append(values, c.during.Value(name, t.why()), c.before.Value(name+".before", t.why()), c.after.Value(name+".after", t.why()))
			delete(t.faults, w.Fault)
		}
	}
	return checkers.Result{Values: values}
}

func (t *tally) count(op *history.Op) {
	if op.Final() || !t.load[op.Workload] || !op.Load() {
		return
	}
	line := t.line
	_, doubted := t.doubts.Op(op)
	writes := op.Kind.Writes()
	if writes {
		t.written = max(t.written, kit.Until(op))
	}
	if writes && op.Outcome == history.OK {
		t.acks.add(kit.Until(op), kit.From(op))
		t.outages.ack(op)
	}
	if op.Start >= line.Measured.Begin && op.Start <= line.Measured.End {
		t.sent++
		t.begun = max(t.begun, op.Start)
	}
	if op.Flags&history.Warmup != 0 {
		return
	}
	if writes {
		t.writes++
	}
	failed := op.Outcome != history.OK && op.Error != history.ErrCompare
	if op.Outcome == history.OK {
		t.ok++
		t.last = max(t.last, kit.Until(op))
	}
	add := func(c *kit.Errors) { c.Add(failed, doubted) }
	add(&t.errors)
	add(&t.moments[line.Moment(op)])
	t.countAround(line, op, add)
}

// countAround counts an operation to the faults that it met, or else to the
// one before it and the one after it.
func (t *tally) countAround(line *kit.Timeline, op *history.Op, add func(*kit.Errors)) {
	var last, next *history.Window
	met := false
	for i := range line.Windows {
		w := &line.Windows[i]
		switch {
		case w.Contains(kit.From(op), kit.Until(op)):
			met = true
			add(&t.faults[w.Fault].during)
		case w.End <= kit.From(op) && (last == nil || w.End > last.End):
			last = w
		case w.Begin >= kit.Until(op) && (next == nil || w.Begin < next.Begin):
			next = w
		}
	}
	if met {
		return
	}
	if last != nil {
		add(&t.faults[last.Fault].after)
	}
	if next != nil {
		add(&t.faults[next.Fault].before)
	}
}
