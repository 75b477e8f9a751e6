package checkers

import (
	"context"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

func availabilityChecker() Checker {
	return Checker{
		Name:  "availability",
		Types: []string{registerType, setType, queueType, appendType, counterType, idsType, bankType},
		Facts: []Fact{
			{"ops.ok", Number, "operations of the load that were acknowledged in the measured phase"},
			{"ops.rate", PerSec, "operations of the load acknowledged per second of the measured phase"},
			{"availability.write_gap.max", Nanos, "longest time in the measured phase without an acknowledged write"},
			{"failover.max", Nanos, "longest time from a fault that hit the primary to the first acknowledged write begun after it"},
			{"failover.count", Number, "kills, stops, pauses and partitions that hit the primary"},
			{"errors.rate", Ratio, "share of the measured operations that did not succeed (comparisons that failed are no errors)"},
			{"errors.rate.before", Ratio, "share of errors among the operations that ended before the first fault"},
			{"errors.rate.during", Ratio, "share of errors among the operations under way while a fault was in force"},
			{"errors.rate.after", Ratio, "share of errors among the operations that no fault touched, after the first fault"},
			{"errors.rate.<fault>", Ratio, "share of errors among the operations under way while this fault was in force"},
			{"errors.rate.<fault>.before", Ratio, "share of errors among the operations that no fault touched between the fault before and this one"},
			{"errors.rate.<fault>.after", Ratio, "share of errors among the operations that no fault touched between this fault and the next"},
		},
		Check: checkAvailability,
	}
}

// errorCount counts errors among operations.
type errorCount struct{ errors, all int }

func (c *errorCount) add(failed bool) {
	c.all++
	if failed {
		c.errors++
	}
}

func (c *errorCount) value(name string) Value {
	return ratio(name, c.errors, c.all, "there was no such operation")
}

// faultErrors are the errors around one fault.
type faultErrors struct{ before, during, after errorCount }

// availabilityTally is what is counted of the load, in order of history.Less.
type availabilityTally struct {
	line    *timeline
	load    []bool // by workload
	ok      int
	errors  errorCount
	moments [moments]errorCount
	faults  map[string]*faultErrors // by id
	writes  int                     // tried
	acks    gaps                    // between acknowledged writes
	outages outages
}

func newAvailabilityTally(log *history.Log, line *timeline) *availabilityTally {
	t := &availabilityTally{line: line, load: make([]bool, 256), faults: map[string]*faultErrors{},
		acks: gaps{stretch: line.measured, last: line.measured.begin}, outages: newOutages(line)}
	for i := range min(len(log.Meta.Workloads), len(t.load)) {
		t.load[i] = log.Meta.Workloads[i].Type != lagType
	}
	for _, w := range line.windows {
		t.faults[w.Fault] = &faultErrors{}
	}
	return t
}

// checkAvailability measures the load of all workloads but lag's: operations
// that are neither of the warm-up nor final reads. Writes are acknowledged
// when their answer comes, whenever they began.
func checkAvailability(_ context.Context, log *history.Log, limits Limits) Result {
	if limits.pass != nil {
		return limits.pass.load.result()
	}
	t := newAvailabilityTally(log, newTimeline(log))
	for op := range log.All() {
		t.count(op)
	}
	return t.result()
}

func (t *availabilityTally) result() Result {
	line := t.line
	values := []Value{counted("ops.ok", t.ok), t.rate(line), t.gap()}
	values = append(values, t.outages.values()...)
	values = append(values, t.errors.value("errors.rate"), t.moments[beforeFaults].value("errors.rate.before"),
		t.moments[duringFault].value("errors.rate.during"), t.moments[afterFaults].value("errors.rate.after"))
	for _, w := range line.windows {
		if c := t.faults[w.Fault]; c != nil {
			name := "errors.rate." + w.Fault
			values = append(values, c.during.value(name), c.before.value(name+".before"), c.after.value(name+".after"))
			delete(t.faults, w.Fault)
		}
	}
	return Result{Values: values}
}

func (t *availabilityTally) count(op *history.Op) {
	if op.Final() || !t.load[op.Workload] || !op.Kind.Load() {
		return
	}
	line := t.line
	writes := op.Kind.Writes()
	if writes && op.Outcome == history.OK {
		t.acks.add(until(op), from(op))
		t.outages.ack(op)
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
	}
	t.errors.add(failed)
	t.moments[line.moment(op)].add(failed)
	t.countAround(line, op, failed)
}

// countAround counts an operation to the faults that it met, or else to the
// one before it and the one after it.
func (t *availabilityTally) countAround(line *timeline, op *history.Op, failed bool) {
	var last, next *history.Window
	met := false
	for i := range line.windows {
		w := &line.windows[i]
		switch {
		case w.Contains(from(op), until(op)):
			met = true
			t.faults[w.Fault].during.add(failed)
		case w.End <= from(op) && (last == nil || w.End > last.End):
			last = w
		case w.Begin >= until(op) && (next == nil || w.Begin < next.Begin):
			next = w
		}
	}
	if met {
		return
	}
	if last != nil {
		t.faults[last.Fault].after.add(failed)
	}
	if next != nil {
		t.faults[next.Fault].before.add(failed)
	}
}

func (t *availabilityTally) rate(line *timeline) Value {
	length := span(line.measured.end, line.measured.begin)
	if length <= 0 {
		return Value{Name: "ops.rate", Why: "there was no measured phase"}
	}
	return Value{Name: "ops.rate", N: float64(t.ok) / time.Duration(length).Seconds(), Known: true}
}

// gap is the longest time in the measured phase without an acknowledgement;
// the phase's begin and end bound it too.
func (t *availabilityTally) gap() Value {
	if t.writes == 0 {
		return Value{Name: "availability.write_gap.max", Why: "nothing was written in the measured phase"}
	}
	return Value{Name: "availability.write_gap.max", N: float64(t.acks.longestOf()), Known: true}
}
