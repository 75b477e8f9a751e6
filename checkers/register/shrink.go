package register

import (
	"context"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	// shrinkOps is the most operations that are tried one by one.
	shrinkOps = 64
	// shrinkTime bounds each search of the general method while shrinking.
	shrinkTime = 50 * time.Millisecond
	// shrinkTries bounds how many there are.
	shrinkTries = 200
	// confirmTime and confirmMemory bound the second opinion on a violation.
	confirmTime   = 2 * time.Second
	confirmMemory = 64 << 20
)

// shrink drops operations one at a time as long as the rest is still bad, until
// no single one can be dropped. bad must be true of ops.
func shrink(ops []int32, bad func(ops []int32) bool) []int32 {
	for again := true; again; {
		again = false
		for i := 0; i < len(ops); i++ {
			rest := slices.Delete(slices.Clone(ops), i, i+1)
			if bad(rest) {
				ops, again = rest, true
				i--
			}
		}
	}
	return ops
}

// halve drops ever smaller stretches of operations as long as the rest is still
// bad: what shrink does, for many operations (Zeller and Hildebrandt,
// "Simplifying and isolating failure-inducing input", 2002).
func halve(ops []int32, bad func(ops []int32) bool) []int32 {
	for size := len(ops) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(ops); {
			rest := slices.Delete(slices.Clone(ops), i, i+size)
			if bad(rest) {
				ops = rest
			} else {
				i += size
			}
		}
	}
	return ops
}

// proof makes the least evidence for a contradiction: indexes into the log, in
// order. A subset is judged as a torn history, which never parts a read from
// its write, but for the flaws that are seen by a missing write. The evidence
// is put to the general search as a second opinion; false means that it does
// not agree, and that nothing may be concluded.
func (k *values) proof(ctx context.Context, c contradiction) ([]int32, bool) {
	ops := k.logged(k.withSightings(c.positions))
	torn := c.flaw != watch.FlawPhantom && c.flaw != watch.FlawRefused && c.flaw != watch.FlawCycle
	bad := func(ops []int32) bool {
		_, found := Analyse(k.log, ops, false).contradict(torn)
		return found
	}
	if torn && len(ops) <= shrinkOps && bad(ops) {
		ops = shrink(ops, bad)
	}
	return ops, general(ctx, Analyse(k.log, ops, false), torn, confirmTime, confirmMemory) != checkers.True
}

// logged turns positions into indexes into the log, in order.
func (k *values) logged(positions []int32) []int32 {
	ops := make([]int32, len(positions))
	for i, p := range positions {
		ops[i] = k.at(p)
	}
	return kit.ByStart(k.log, ops)
}

// proofByGeneral makes small evidence for what only the general search can
// decide; none if the register has too many operations for that.
func (k *values) proofByGeneral(ctx context.Context) []int32 {
	tries := 0
	bad := func(ops []int32) bool {
		tries++
		return tries <= shrinkTries && general(ctx, Analyse(k.log, k.closed(ops), false), k.log.Torn, shrinkTime, confirmMemory) == checkers.False
	}
	all := kit.ByStart(k.log, k.ops)
	if !bad(all) {
		return nil
	}
	ops := k.closed(halve(all, bad))
	if len(ops) <= shrinkOps {
		ops = k.closed(shrink(ops, bad))
	}
	return ops
}

// closed drops the operations that saw a value one of whose writes is not
// among ops, and so on for the values that these wrote. What is left is
// linearizable if the whole is: an operation can be taken out of an order that
// explains the whole, together with all that saw what it wrote.
func (k *values) closed(ops []int32) []int32 {
	missing := map[int64]bool{} // values of which not every write is in ops
	in := make(map[int32]bool, len(ops))
	for _, i := range ops {
		in[i] = true
	}
	for _, i := range k.ops {
		if op := &k.log.Ops[i]; !in[i] && watch.Writes(op) {
			missing[op.Value] = true
		}
	}
	for again := true; again; {
		again = false
		left := make([]int32, 0, len(ops))
		for _, i := range ops {
			op := &k.log.Ops[i]
			saw := op.Value
			if op.Kind == history.CAS {
				saw = op.Old
				if op.Outcome == history.Fail {
					saw = op.Observed
				}
			}
			if op.Kind == history.Write || !missing[saw] {
				left = append(left, i)
				continue
			}
			if watch.Writes(op) && !missing[op.Value] {
				missing[op.Value], again = true, true
			}
		}
		ops = left
	}
	return ops
}
