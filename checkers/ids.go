package checkers

import (
	"context"

	"github.com/aftershock-chaos/aftershock/history"
)

func idsChecker() Checker {
	return Checker{
		Name:  "unique-ids",
		Types: []string{idsType},
		Facts: []Fact{
			{"ids.generated", Number, "unique numbers that were given out"},
			{"ids.duplicated", Number, "numbers that were given out again"},
		},
		Check: checkIDs,
	}
}

// checkIDs looks for numbers that were given out twice.
func checkIDs(_ context.Context, log *history.Log, limits Limits) Result {
	all := groups(log, idsType)
	w := newWords(log)
	shelves := newShelves(limits.Findings)
	generated, again := 0, 0
	for i := range all {
		g := &all[i]
		first := make(map[int64]int32, len(g.ops))
		for _, o := range g.ops {
			op := &log.Ops[o]
			if op.Kind != history.Generate || op.Outcome != history.OK {
				continue
			}
			generated++
			before, twice := first[op.Value]
			if !twice {
				first[op.Value] = o
				continue
			}
			again++
			shelves.class(DuplicateID).offer(-from(op), func() Finding {
				earlier := &log.Ops[before]
				return newFinding(w, g, DuplicateID, until(op), []int32{before, o}, "the number %d was given out by %s at %s and again by %s at %s%s",
					op.Value, w.node(earlier.Node), clock(earlier.End), w.node(op.Node), clock(op.End), w.during(op.End))
			})
		}
	}
	return Result{Findings: shelves.findings(DuplicateID),
		Values: []Value{counted("ids.generated", generated), anomalies("ids.duplicated", again, log.Torn)}}
}
