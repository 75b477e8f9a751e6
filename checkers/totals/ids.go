package totals

import (
	"context"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// UniqueIDs judges numbers that have to be unique.
func UniqueIDs() checkers.Checker {
	return checkers.Checker{
		Name:    "unique-ids",
		Objects: []history.Object{history.ObjectIDs},
		Order:   true,
		Facts: []checkers.Fact{
			{Name: "ids.generated", Unit: checkers.Number, Better: checkers.Higher, Meaning: "unique numbers that were given out"},
			{Name: "ids.duplicated", Unit: checkers.Number, Meaning: "numbers that were given out again"},
		},
		Check: checkIDs,
	}
}

// checkIDs looks for numbers that were given out twice.
func checkIDs(_ context.Context, in checkers.Input) checkers.Result {
	log, limits := in.Log, in.Limits
	all := kit.Groups(log, history.ObjectIDs)
	w := kit.NewWords(log)
	top := kit.NewTopFindings(limits.Findings)
	generated, again := 0, 0
	for i := range all {
		g := &all[i]
		first := make(map[int64]int32, len(g.Ops))
		for _, o := range g.Ops {
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
			top.Class(checkers.DuplicateID).Offer(-kit.From(op), func() checkers.Finding {
				earlier := &log.Ops[before]
				return kit.NewFinding(w, g, checkers.DuplicateID, kit.Until(op), []int32{before, o}, "the number %d was given out by %s at %s and again by %s at %s%s",
					op.Value, w.Node(earlier.Node), units.Instant(earlier.End), w.Node(op.Node), units.Instant(op.End), w.During(op.End))
			})
		}
	}
	return checkers.Result{Findings: top.Findings(checkers.DuplicateID),
		Values: []checkers.Value{kit.Recorded("ids.generated", generated, log.Torn), kit.Asked("ids.duplicated", again, generated, log.Torn, "no number was given out")}}
}
