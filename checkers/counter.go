package checkers

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/aftershock-chaos/aftershock/history"
)

func counterChecker() Checker {
	return Checker{
		Name:  "counter",
		Types: []string{counterType},
		Facts: []Fact{
			{"counter.increments", Number, "increments that were acknowledged"},
			{"counter.unknown", Number, "increments whose outcome is unknown"},
			{"counter.reads", Number, "reads of counters that were answered, final ones included"},
			{"counter.out_of_bounds", Number, "reads that returned more or less than any choice of the increments explains"},
			{"counter.lost", Number, "what the final reads of every node lack, at least, of the acknowledged increments"},
			{"counter.error.max", Number, "greatest distance of a read from what is possible"},
		},
		Check: checkCounter,
	}
}

// counterTally is what is counted of one counter, or of all.
type counterTally struct {
	increments, unknown, reads, wrong int
	lost, worst                       int64
	finals                            finalTally
	shelves                           *shelves
}

// checkCounter holds every read against the bounds of what it may return: at
// least what was acknowledged before it began, at most all that had begun when
// it ended; with decrements the other way round. An increment of unknown
// outcome may or may not count. Bounds do not find every violation (two reads
// may each be possible and not both), and never make one up.
func checkCounter(ctx context.Context, log *history.Log, limits Limits) Result {
	all := groups(log, counterType)
	found := make([]counterTally, len(all))
	w := newWords(log)
	parallel(ctx, limits.Workers, len(all), func(i int) { found[i] = tallyCounter(w, &all[i], limits.Findings) })
	total := counterTally{shelves: newShelves(limits.Findings)}
	for i := range found {
		t := &found[i]
		total.increments, total.unknown = total.increments+t.increments, total.unknown+t.unknown
		total.reads, total.wrong, total.lost = total.reads+t.reads, total.wrong+t.wrong, total.lost+t.lost
		total.worst = max(total.worst, t.worst)
		total.finals.add(&t.finals)
		total.shelves.take(t.shelves)
	}
	total.finals.lost = int(total.lost)
	return Result{Findings: total.shelves.findings(OutOfBounds), Values: []Value{
		counted("counter.increments", total.increments), counted("counter.unknown", total.unknown), counted("counter.reads", total.reads),
		anomalies("counter.out_of_bounds", total.wrong, log.Torn), total.finals.lostValue("counter.lost", log.Torn),
		anomalies("counter.error.max", int(total.worst), log.Torn),
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

func tallyCounter(w *words, g *group, keep int) counterTally {
	t := counterTally{shelves: newShelves(keep)}
	var up, down, sureUp, sureDown []*history.Op
	for _, i := range g.ops {
		op := &w.log.Ops[i]
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
	begunUp, begunDown := newSteps(up, from), newSteps(down, from)
	endedUp, endedDown := newSteps(sureUp, until), newSteps(sureDown, until)
	for _, i := range g.ops {
		op := &w.log.Ops[i]
		if op.Kind != history.Read || op.Outcome != history.OK {
			continue
		}
		t.reads++
		v := shownBy(op)
		low, high := endedUp.before(from(op))+begunDown.upTo(until(op)), begunUp.upTo(until(op))+endedDown.before(from(op))
		if v >= low && v <= high || w.log.Torn && (v > high || len(down) > 0) {
			continue // in a torn history the increments that explain it may be missing
		}
		t.wrong++
		off := max(low-v, v-high)
		t.worst = max(t.worst, off)
		t.shelves.class(OutOfBounds).offer(off, func() Finding {
			return newFinding(w, g, OutOfBounds, until(op), []int32{i},
				"read of counter %d at %s returned %d at %s, which is %d off: increments acknowledged before it and begun until its end allow %d to %d%s",
				g.key, w.node(op.Node), v, clock(op.End), off, low, high, w.during(from(op)))
		})
	}
	t.judge(w, g, endedUp, begunDown)
	return t
}

// judge tells by the final reads how much is lost: what the nearest of them
// lacks of the least that is possible. In a torn history with decrements, others
// that explain it may be missing.
func (t *counterTally) judge(w *words, g *group, endedUp, begunDown steps) {
	finals := finalReads(w.log, g.ops, history.Read)
	if !t.finals.count(w.log, finals, t.increments > 0) || w.log.Torn && len(begunDown.at) > 0 {
		return
	}
	t.lost = never
	for _, p := range finals {
		op := &w.log.Ops[g.ops[p]]
		low := endedUp.before(from(op)) + begunDown.upTo(until(op))
		t.lost = min(t.lost, max(0, low-shownBy(op)))
	}
}
