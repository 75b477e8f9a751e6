package objectives

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// counted are the facts that count lost writes.
var counted = []string{"writes.lost", "set.lost", "queue.lost", "append.lost", "counter.lost"}

// loss is what one fault lost: between least and most writes.
type loss struct {
	least, most   float64
	oldest        int64 // acknowledgement of those that were certainly lost; Never
	oldestPerhaps int64 // and of those that may have been
}

// points are what each fault lost of what had been acknowledged.
//
// A write is ascribed to the first fault whose effects were not over when it began:
// until it was healed, or roles were seen to change after it, and before the next
// one; what began after all is of the last. By that rule each lost write belongs to
// one fault, and the numbers of all faults add up to what the checkers of the
// objects count. What they count without telling which (where each fault may have
// all of it) widens every bound.
func points(log *history.Log, found *checkers.Result) []checkers.Value {
	all, cycles := incidents(log)
	losses := make([]loss, len(all))
	for i := range losses {
		losses[i] = loss{oldest: kit.Never, oldestPerhaps: kit.Never}
	}
	reach := reaches(all)
	certain, perhaps := 0.0, 0.0
	for _, l := range found.Lost {
		if len(all) == 0 {
			break
		}
		f := &losses[min(sort.Search(len(reach), func(i int) bool { return reach[i] >= l.Start }), len(all)-1)]
		f.most++
		f.oldestPerhaps = min(f.oldestPerhaps, l.Acked)
		if perhaps++; l.Certain {
			certain++
			f.least++
			f.oldest = min(f.oldest, l.Acked)
		}
	}
	least, most, why := total(found.Values)
	slack := max(most-perhaps, 0)
	if len(losses) == 1 {
		losses[0].least = max(losses[0].least, min(least, most))
	}
	ops, ages := make([]span, len(all)), make([]span, len(all))
	for i := range all {
		ops[i], ages[i] = losses[i].spans(all[i].Begin, slack, why)
	}
	sums := make([]span, len(cycles))
	oldest := make([]span, len(cycles))
	for i := range all {
		s, o := &sums[all[i].cycle], &oldest[all[i].cycle]
		s.least, s.most = s.least+ops[i].least, s.most+losses[i].most
		o.least, o.most = max(o.least, ages[i].least), max(o.most, ages[i].most)
		s.why, o.why = ops[i].why, ages[i].why
	}
	for i := range sums {
		sums[i].most += slack
	}
	values := cyclesOf("rpo.ops", "rpo.<fault>.ops", sums, ops, all, cycles)
	values = append(values, cyclesOf("rpo.time", "rpo.<fault>.time", oldest, ages, all, cycles)...)
	if log.Torn {
		for i := range values {
			values[i] = checkers.Value{Name: values[i].Name, Why: kit.TornWhy}
		}
	}
	return values
}

// reaches are until when a write is a fault's at most: rising, so that each is of one.
func reaches(all []incident) []int64 {
	reach, latest := make([]int64, len(all)), kit.Beginning
	for i := range all {
		latest = max(latest, all[i].reach)
		reach[i] = latest
	}
	return reach
}

// total is how many writes were lost of all objects, by what their checkers count;
// where one does not know, there may be any number.
func total(values []checkers.Value) (least, most float64, why string) {
	any := false
	for _, v := range values {
		for _, name := range counted {
			if v.Name != name {
				continue
			}
			any = true
			l, m := v.Bounds()
			least, most = least+max(l, 0), most+m
			if l != m {
				why = strings.TrimPrefix(fmt.Sprintf("%s: %s", name, v.Why), "at least; ")
			}
		}
	}
	if !any {
		return 0, math.Inf(1), "no checker counts lost writes of these workloads"
	}
	return least, most, why
}

// spans are how many writes a fault lost, and how old the oldest acknowledgement of
// those was when it began.
func (l *loss) spans(begin int64, slack float64, why string) (ops, age span) {
	ops = span{least: l.least, most: l.most + slack, why: why}
	age.why = why
	old := func(acked int64) float64 {
		if acked == kit.Never {
			return 0
		}
		return float64(max(kit.Span(begin, acked), 0))
	}
	age.least, age.most = old(l.oldest), old(min(l.oldest, l.oldestPerhaps))
	if slack > 0 {
		age.most = math.Inf(1)
	}
	return ops, age
}

// cyclesOf are the median and the worst of the cycles that count, and each fault's.
func cyclesOf(name, pattern string, cycle, fault []span, all []incident, cycles []cycle) []checkers.Value {
	var of []span
	for i, c := range cycles {
		if c.counts {
			of = append(of, cycle[i])
		}
	}
	values := []checkers.Value{quantile(of, 0.5, noCycle).value(name + ".p50"), quantile(of, 1, noCycle).value(name + ".max")}
	for i := range all {
		values = append(values, fault[i].value(named(pattern, all[i].Fault)))
	}
	return values
}

const noCycle = "no fault hit the primary, or, of a system without one, kept nodes from serving"

// named is a fact of one fault.
func named(pattern, fault string) string { return strings.Replace(pattern, "<fault>", fault, 1) }
