package cost

import (
	"math"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

// machine tells of the machine's processors. What the nodes and the harness used
// is known by bounds, and so is what others did.
func (t *tally) machine() []checkers.Value {
	of, harness := usage.Of(t.log.Usage, usage.Machine), usage.Of(t.log.Usage, usage.Harness)
	used, steal := t.within(of, usage.CPU, "the machine"), t.within(of, usage.Steal, "the machine")
	ours := t.within(harness, usage.CPU, "the harness").plus(t.all(usage.CPU)).plus(t.all(usage.Agent))
	others := used.plus(ours)
	if others.why == "" {
		others = amount{least: max(used.least-ours.most, 0), most: max(used.most-ours.least, 0)}
	}
	cores, _ := usage.Greatest(of, usage.Threads, t.measured.Begin, t.measured.End)
	capacity := float64(cores) * float64(kit.Span(t.measured.End, t.measured.Begin))
	share := func(name string, a amount) checkers.Value {
		switch {
		case a.why == "" && cores <= 0:
			a.why = "the run does not tell how many processors its machine has"
		case a.why == "" && capacity <= 0:
			a.why = "there was no measured phase"
		}
		if a.why != "" {
			return checkers.Value{Name: name, Why: a.why}
		}
		return amount{least: min(a.least/capacity, 1), most: cap1(a.most / capacity)}.value(name)
	}
	return []checkers.Value{share("machine.cpu.used", used), share("machine.cpu.others", others), share("machine.cpu.steal", steal)}
}

// cap1 holds a share to what one can be; one that has no bound has that.
func cap1(share float64) float64 {
	if math.IsNaN(share) {
		return 1
	}
	return min(share, 1)
}
