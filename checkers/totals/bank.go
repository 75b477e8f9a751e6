package totals

import (
	"context"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Bank judges transfers between accounts: what all hold together never changes.
func Bank() checkers.Checker {
	return checkers.Checker{
		Name:    "bank",
		Objects: []history.Object{history.ObjectAccounts},
		Order:   true,
		Facts: []checkers.Fact{
			{Name: "bank.transfers", Unit: checkers.Number, Better: checkers.Higher, Meaning: "transfers that were acknowledged"},
			{Name: "bank.reads", Unit: checkers.Number, Better: checkers.Higher, Meaning: "reads of all balances that were answered, final ones included"},
			{Name: "bank.wrong_total", Unit: checkers.Number, Meaning: "reads of all balances that do not add up to what the bank began with"},
			{Name: "bank.overdrawn", Unit: checkers.Number, Meaning: "reads in which an account holds less than nothing"},
			{Name: "bank.error.max", Unit: checkers.Number, Meaning: "greatest distance of a total from the right one"},
		},
		Check: checkBank,
	}
}

// checkBank adds up what each read of all balances found at one instant.
// Transfers move money and make none, so that every total is the opening one,
// whatever their outcome. Read skew and lost updates both show as wrong totals.
func checkBank(_ context.Context, in checkers.Input) checkers.Result {
	log, limits := in.Log, in.Limits
	w := kit.NewWords(log)
	top := kit.NewTopFindings(limits.Findings)
	transfers, reads, wrong, overdrawn, worst := 0, 0, 0, 0, int64(0)
	for _, workload := range log.WorkloadIndex(history.ObjectAccounts) {
		total := history.OpeningBalance * int64(log.Meta.Workloads[workload].Keys)
		g := &kit.Group{Workload: uint8(workload)}
		for i := range log.Ops {
			op := &log.Ops[i]
			if int(op.Workload) != workload || op.Outcome != history.OK {
				continue
			}
			if op.Kind == history.Transfer {
				transfers++
			}
			if op.Kind != history.Balances {
				continue
			}
			reads++
			sum, least := int64(0), int64(0)
			for _, b := range op.Elements {
				sum, least = sum+b, min(least, b)
			}
			if off := max(sum-total, total-sum); off > 0 {
				wrong++
				worst = max(worst, off)
				top.Class(checkers.WrongTotal).Offer(off, func() checkers.Finding {
					return kit.NewFinding(w, g, checkers.WrongTotal, kit.Until(op), []int32{int32(i)}, "read of all balances at %s adds up to %d in place of %d at %s%s",
						w.Node(op.Node), sum, total, units.Instant(op.End), w.During(op.End))
				})
			}
			if least < 0 {
				overdrawn++
				top.Class(checkers.Overdrawn).Offer(-least, func() checkers.Finding {
					return kit.NewFinding(w, g, checkers.Overdrawn, kit.Until(op), []int32{int32(i)}, "read of all balances at %s found an account with %d at %s%s",
						w.Node(op.Node), least, units.Instant(op.End), w.During(op.End))
				})
			}
		}
	}
	return checkers.Result{Findings: top.Findings(checkers.WrongTotal, checkers.Overdrawn), Values: []checkers.Value{
		kit.Recorded("bank.transfers", transfers, log.Torn), kit.Recorded("bank.reads", reads, log.Torn),
		kit.Asked("bank.wrong_total", wrong, reads, log.Torn, kit.NoRead), kit.Asked("bank.overdrawn", overdrawn, reads, log.Torn, kit.NoRead),
		kit.Asked("bank.error.max", int(worst), reads, log.Torn, kit.NoRead),
	}}
}
