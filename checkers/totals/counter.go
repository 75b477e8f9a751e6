// Package totals checks what has to add up: counters, unique numbers, and the
// balances of a bank.
package totals

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Counter judges counters: a read lies within what the increments allow.
func Counter() checkers.Checker {
	return checkers.Checker{
		Name:    "counter",
		Objects: []history.Object{history.ObjectCounter},
		Order:   true,
		Facts: []checkers.Fact{
			{Name: "counter.increments", Unit: checkers.Number, Better: checkers.Higher, Meaning: "increments that were acknowledged"},
			{Name: "counter.unknown", Unit: checkers.Number, Meaning: "increments whose outcome is unknown"},
			{Name: "counter.reads", Unit: checkers.Number, Better: checkers.Higher, Meaning: "reads of counters that were answered, final ones included"},
			{Name: "counter.out_of_bounds", Unit: checkers.Number, Meaning: "reads below the least or above the greatest sum that the increments allow: at least what was acknowledged before a read began, at most all that had begun when it ended (a sum between that no choice of increments makes is not found)"},
			{Name: "counter.lost", Unit: checkers.Number, Meaning: "what the final reads of every node lack of what the acknowledged increments make; at most as much more as increments of unknown outcome may have put in its place"},
			{Name: "counter.error.max", Unit: checkers.Number, Meaning: "greatest distance of a read from what is possible"},
		},
		Check: checkCounter,
	}
}

// counterTally is what is counted of one counter, or of all.
type counterTally struct {
	increments, unknown, reads, wrong int
	lost, worst                       int64
	finals                            kit.FinalTally
	top                               *kit.TopFindings
}

// checkCounter holds every read against the bounds of what it may return: at
// least what was acknowledged before it began, at most all that had begun when
// it ended; with decrements the other way round. An increment of unknown
// outcome may or may not count. Bounds do not find every violation (two reads
// may each be possible and not both), and never make one up.
func checkCounter(ctx context.Context, in checkers.Input) checkers.Result {
	log, limits := in.Log, in.Limits
	all := kit.Groups(log, history.ObjectCounter)
	found := make([]counterTally, len(all))
	w := kit.NewWords(log)
	kit.Parallel(ctx, limits.Workers, len(all), func(i int) { found[i] = tallyCounter(w, &all[i], limits.Findings) })
	total := counterTally{top: kit.NewTopFindings(limits.Findings)}
	for i := range found {
		t := &found[i]
		total.increments, total.unknown = total.increments+t.increments, total.unknown+t.unknown
		total.reads, total.wrong, total.lost = total.reads+t.reads, total.wrong+t.wrong, total.lost+t.lost
		total.worst = max(total.worst, t.worst)
		total.finals.Add(&t.finals)
		total.top.Merge(t.top)
	}
	total.finals.Lost = int(total.lost)
	return checkers.Result{Findings: total.top.Findings(checkers.OutOfBounds), Values: []checkers.Value{
		kit.Recorded("counter.increments", total.increments, log.Torn), kit.Recorded("counter.unknown", total.unknown, log.Torn),
		kit.Recorded("counter.reads", total.reads, log.Torn),
		kit.Asked("counter.out_of_bounds", total.wrong, total.reads, log.Torn, kit.NoRead), total.finals.LostValue("counter.lost", log.Torn),
		kit.Asked("counter.error.max", int(total.worst), total.reads, log.Torn, kit.NoRead),
	}}
}

// steps are increments in order of time, with their running sum.
type steps struct {
	at  []int64
	sum []int64
}

func newSteps(ops []*history.Op, at func(*history.Op) int64) steps {
	ops = slices.Clone(ops)
	slices.SortFunc(ops, func(a, b *history.Op) int { return cmp.Compare(at(a), at(b)) })
	s := steps{sum: []int64{0}}
	for _, op := range ops {
		s.at = append(s.at, at(op))
		s.sum = append(s.sum, s.sum[len(s.sum)-1]+op.Value)
	}
	return s
}

// before is the sum of the increments before t.
func (s *steps) before(t int64) int64 {
	return s.sum[sort.Search(len(s.at), func(i int) bool { return s.at[i] >= t })]
}

// upTo is the sum of the increments before t and at t.
func (s *steps) upTo(t int64) int64 {
	return s.sum[sort.Search(len(s.at), func(i int) bool { return s.at[i] > t })]
}

// shownBy is a counter's value by an answered read.
func shownBy(read *history.Op) int64 {
	if read.Value == history.Nil {
		return 0 // never written
	}
	return read.Value
}

func tallyCounter(w *kit.Words, g *kit.Group, keep int) counterTally {
	t := counterTally{top: kit.NewTopFindings(keep)}
	var up, down, sureUp, sureDown []*history.Op
	for _, i := range g.Ops {
		op := &w.Log.Ops[i]
		if op.Kind != history.Increment || op.Outcome == history.Fail {
			continue
		}
		possible, sure := &up, &sureUp
		if op.Value < 0 {
			possible, sure = &down, &sureDown
		}
		*possible = append(*possible, op)
		if op.Outcome == history.OK {
			t.increments++
			*sure = append(*sure, op)
		} else {
			t.unknown++
		}
	}
	begunUp, begunDown := newSteps(up, kit.From), newSteps(down, kit.From)
	endedUp, endedDown := newSteps(sureUp, kit.Until), newSteps(sureDown, kit.Until)
	allowed := func(op *history.Op) (low, high int64) {
		return endedUp.before(kit.From(op)) + begunDown.upTo(kit.Until(op)), begunUp.upTo(kit.Until(op)) + endedDown.before(kit.From(op))
	}
	for _, i := range g.Ops {
		op := &w.Log.Ops[i]
		if op.Kind != history.Read || op.Outcome != history.OK {
			continue
		}
		t.reads++
		v := shownBy(op)
		low, high := allowed(op)
		if v >= low && v <= high || w.Log.Torn && (v > high || len(down) > 0) {
			continue // in a torn history the increments that explain it may be missing
		}
		t.wrong++
		off := max(low-v, v-high)
		t.worst = max(t.worst, off)
		t.top.Class(checkers.OutOfBounds).Offer(off, func() checkers.Finding {
			return kit.NewFinding(w, g, checkers.OutOfBounds, kit.Until(op), []int32{i},
				"read of counter %d at %s returned %d at %s, which is %d off: increments acknowledged before it and begun until its end allow %d to %d%s",
				g.Key, w.Node(op.Node), v, units.Instant(op.End), off, low, high, w.During(kit.From(op)))
		})
	}
	t.judge(w, g, func(op *history.Op) (low, high int64) {
		low, _ = allowed(op)
		return low, begunUp.upTo(kit.Never) + endedDown.before(kit.From(op)) // what came later may be lost too
	}, len(down) > 0)
	return t
}

// judge tells by the final reads how much is lost: what the nearest of them
// lacks of the least that is possible, and at most of the greatest. What lies
// between is an increment of unknown outcome that may or may not have taken the
// place of one that is lost. In a torn history with decrements, others that
// explain it may be missing.
func (t *counterTally) judge(w *kit.Words, g *kit.Group, allowed func(*history.Op) (low, high int64), decrements bool) {
	finals := kit.FinalsOf(w.Log, g.Ops, history.Read)
	certain := t.finals.Judge(w.Log, &finals, t.increments > 0)
	if len(finals.Last) == 0 || w.Log.Torn && (!certain || decrements) {
		return
	}
	least, most := kit.Never, kit.Never
	for _, p := range finals.Last {
		op := &w.Log.Ops[g.Ops[p]]
		low, high := allowed(op)
		least, most = min(least, max(0, low-shownBy(op))), min(most, max(0, high-shownBy(op)))
	}
	why := "increments of unknown outcome may have taken their place, or they ended only when the final reads had begun: longer timeouts, or more settle time, leave fewer"
	if !certain {
		least, why = 0, kit.SilentWhy
	}
	t.lost = least
	if t.increments > 0 {
		t.finals.Undecide(int(most-least), why)
	}
}
