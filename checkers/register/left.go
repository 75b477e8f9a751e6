package register

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// What is told of the registers of a log on disk when not all that were to be
// analysed fit into memory.

// judgeLeft is what the pass tells of a register whose operations do not fit.
// That it is violated is certain only if the write of no value can be among
// what a torn history lacks.
func (f *follower) judgeLeft(s *scanned) judged {
	var j judged
	j.group = kit.Group{Workload: s.workload, Key: s.key}
	j.register.registerCounts, j.register.danger = s.counts, dangerOf(f.reigns, &s.reign, &s.counts)
	l := &j.linear
	l.ops, l.ignored = s.counts.placed, s.counts.ignored
	switch {
	case s.watch.State == watch.Watching:
		l.Truth = checkers.True
	case s.watch.State == watch.Violated && !f.in.Log.Torn:
		l.Truth = checkers.False
		l.finding = &checkers.Finding{Class: checkers.NotLinear, Workload: f.in.Log.Meta.Workloads[s.workload].Name, Key: s.key, At: s.watch.At,
			Text: s.watch.Text(s.key) + "; its " + kit.OpsText(int64(s.ops)) + " did not fit into memory to say which contradict each other"}
	default:
		l.why = kit.TooLarge(f.in, "its "+kit.OpsText(int64(s.ops)))
	}
	return j
}

// Facts of registers that tell what they tell also when the operations of some
// registers are left out: counts made by the pass.
var byPass = []string{"writes.acked", "writes.unknown", "writes.failed", "reads.ok", "linearizable", "linearizable.keys_checked", "linearizable.keys_undecided"}

// Facts that final reads take part in.
var byFinals = []string{"writes.lost", "writes.undecided", "writes.resurrected", "reads.phantom", "reads.future", "replicas.diverged"}

// weaken takes from the facts of registers what they cannot say while
// operations are left out: what was found was found, and there may be more. Of a
// register that the pass found linearizable only the final reads were left out.
func (f *follower) weaken(values []checkers.Value) {
	open := f.undecided()
	for i := range values {
		v := &values[i]
		left := open
		if slices.Contains(byFinals, v.Name) {
			left = len(f.left)
		}
		if left == 0 || !v.Known || slices.Contains(byPass, v.Name) {
			continue
		}
		why := fmt.Sprintf("%s of %d did not fit in %s to be analysed; %s",
			units.Plural(left, "register", "registers"), f.all, kit.BytesText(f.in.Memory), kit.MoreMemory)
		if isShare(v.Name) || v.N <= 0 {
			*v = checkers.Value{Name: v.Name, Why: why}
		} else {
			v.AtLeast, v.AtMost, v.Why = true, 0, "at least; "+why
		}
	}
}

// undecided counts the registers that were left out and that the pass did not
// find linearizable.
func (f *follower) undecided() int {
	n := 0
	for i := range f.left {
		if f.left[i].linear.Truth != checkers.True {
			n++
		}
	}
	return n
}

// isShare tells whether a fact is a share, a percentile or an upper bound, of which a part of
// the registers does not even tell a bound.
func isShare(name string) bool {
	return name == "writes.undecided" || strings.HasSuffix(name, "_ratio") || strings.HasSuffix(name, ".p50") || strings.HasSuffix(name, ".p99")
}
