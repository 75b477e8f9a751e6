package checkers

import (
	"context"

	"github.com/aftershock-chaos/aftershock/history"
)

// OpeningBalance is what every account of the bank workload holds at first.
const OpeningBalance = 100

func bankChecker() Checker {
	return Checker{
		Name:  "bank",
		Types: []string{bankType},
		Facts: []Fact{
			{"bank.transfers", Number, "transfers that were acknowledged"},
			{"bank.reads", Number, "reads of all balances that were answered, final ones included"},
			{"bank.wrong_total", Number, "reads of all balances that do not add up to what the bank began with"},
			{"bank.overdrawn", Number, "reads in which an account holds less than nothing"},
			{"bank.error.max", Number, "greatest distance of a total from the right one"},
		},
		Check: checkBank,
	}
}

// checkBank adds up what each read of all balances found at one instant.
// Transfers move money and make none, so that every total is the opening one,
// whatever their outcome. Read skew and lost updates both show as wrong totals.
func checkBank(_ context.Context, log *history.Log, limits Limits) Result {
	w := newWords(log)
	shelves := newShelves(limits.Findings)
	transfers, reads, wrong, overdrawn, worst := 0, 0, 0, 0, int64(0)
	for _, workload := range log.WorkloadIndex(bankType) {
		total := OpeningBalance * int64(log.Meta.Workloads[workload].Keys)
		g := &group{workload: uint8(workload)}
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
				shelves.class(WrongTotal).offer(off, func() Finding {
					return newFinding(w, g, WrongTotal, until(op), []int32{int32(i)}, "read of all balances at %s adds up to %d in place of %d at %s%s",
						w.node(op.Node), sum, total, clock(op.End), w.during(op.End))
				})
			}
			if least < 0 {
				overdrawn++
				shelves.class(Overdrawn).offer(-least, func() Finding {
					return newFinding(w, g, Overdrawn, until(op), []int32{int32(i)}, "read of all balances at %s found an account with %d at %s%s",
						w.node(op.Node), least, clock(op.End), w.during(op.End))
				})
			}
		}
	}
	return Result{Findings: shelves.findings(WrongTotal, Overdrawn), Values: []Value{
		counted("bank.transfers", transfers), counted("bank.reads", reads), anomalies("bank.wrong_total", wrong, log.Torn),
		anomalies("bank.overdrawn", overdrawn, log.Torn), anomalies("bank.error.max", int(worst), log.Torn),
	}}
}
