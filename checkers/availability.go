package checkers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

func availabilityChecker() Checker {
	return Checker{
		Name:  "availability",
		Types: []string{registerType, setType, queueType},
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

// availabilityTally is what is counted of the load.
type availabilityTally struct {
	ok      int
	errors  errorCount
	moments [moments]errorCount
	faults  map[string]*faultErrors // by id
	writes  int                     // tried
	acks    []stretch               // of acknowledged writes
}

// checkAvailability measures the load of all workloads but lag's: operations
// that are neither of the warm-up nor final reads. Writes are acknowledged
// when their answer comes, whenever they began.
func checkAvailability(_ context.Context, log *history.Log, _ Limits) Result {
	line := newTimeline(log)
	t := availabilityTally{faults: map[string]*faultErrors{}}
	for _, w := range line.windows {
		t.faults[w.Fault] = &faultErrors{}
	}
	for i := range log.Ops {
		op := &log.Ops[i]
		if int(op.Workload) < len(log.Meta.Workloads) && log.Meta.Workloads[op.Workload].Type != lagType && op.Kind.Load() {
			t.count(line, op)
		}
	}
	values := []Value{counted("ops.ok", t.ok), t.rate(line), t.gap(line)}
	values = append(values, t.failovers(line)...)
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

func (t *availabilityTally) count(line *timeline, op *history.Op) {
	if op.Final() {
		return
	}
	writes := op.Kind.Writes()
	if writes && op.Outcome == history.OK {
		t.acks = append(t.acks, stretch{from(op), until(op)})
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
func (t *availabilityTally) gap(line *timeline) Value {
	v := Value{Name: "availability.write_gap.max"}
	if t.writes == 0 {
		v.Why = "nothing was written in the measured phase"
		return v
	}
	slices.SortFunc(t.acks, func(a, b stretch) int { return cmp.Compare(a.end, b.end) })
	last, longest := line.measured.begin, int64(0)
	for _, ack := range t.acks {
		if ack.end < line.measured.begin || ack.end > line.measured.end {
			continue
		}
		longest = max(longest, span(ack.end, last))
		last = ack.end
	}
	v.N, v.Known = float64(max(longest, span(line.measured.end, last))), true
	return v
}

// failovers measures, for each fault that hit the primary, the time from its
// effect to the first acknowledgement of a write that began after it. Writes
// under way at that instant may have been done by the old primary before.
func (t *availabilityTally) failovers(line *timeline) []Value {
	longest, hits := Value{Name: "failover.max"}, line.outages()
	slices.SortFunc(t.acks, func(a, b stretch) int { return cmp.Compare(a.begin, b.begin) })
	first := make([]int64, len(t.acks)+1) // least end from there on
	first[len(t.acks)] = never
	for i := len(t.acks) - 1; i >= 0; i-- {
		first[i] = min(first[i+1], t.acks[i].end)
	}
	longest.Known = len(hits) > 0
	if len(hits) == 0 {
		longest.Why = "no fault hit the primary"
	}
	for _, w := range hits {
		i := sort.Search(len(t.acks), func(i int) bool { return t.acks[i].begin > w.Begin })
		if first[i] == never {
			longest.Known, longest.N = false, 0
			longest.Why = fmt.Sprintf("no write begun after %s (%s) was acknowledged", w.Fault, w.Name)
			break
		}
		longest.N = max(longest.N, float64(span(first[i], w.Begin)))
	}
	return []Value{longest, counted("failover.count", len(hits))}
}
