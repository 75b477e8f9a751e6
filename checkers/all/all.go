// Package all is the table of checkers: it runs them over a log in memory, or in
// one pass over a log that stays on disk.
package all

import (
	"context"
	"slices"
	"sync"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/availability"
	"github.com/aftershock-chaos/aftershock/checkers/cost"
	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/checkers/latency"
	"github.com/aftershock-chaos/aftershock/checkers/load"
	"github.com/aftershock-chaos/aftershock/checkers/objectives"
	"github.com/aftershock-chaos/aftershock/checkers/queue"
	"github.com/aftershock-chaos/aftershock/checkers/recovery"
	"github.com/aftershock-chaos/aftershock/checkers/register"
	"github.com/aftershock-chaos/aftershock/checkers/set"
	"github.com/aftershock-chaos/aftershock/checkers/totals"
	"github.com/aftershock-chaos/aftershock/checkers/transactions"
	"github.com/aftershock-chaos/aftershock/history"
)

// All is the table of checkers. A new checker is a file and a line here.
func All() []checkers.Checker {
	return []checkers.Checker{
		latency.Checker(),
		availability.Faults(),
		register.Checker(),
		set.Checker(),
		queue.Checker(),
		lag.Checker(),
		transactions.Checker(),
		totals.Counter(),
		totals.UniqueIDs(),
		totals.Bank(),
		lag.Server(),
		availability.Checker(),
		recovery.Checker(),
		load.Checker(),
		cost.Checker(),
		objectives.Checker(),
	}
}

// Facts lists what all checkers measure, in the order of the table. Each says
// which of its values are better.
func Facts() []checkers.Fact { return slices.Clone(facts()) }

var facts = sync.OnceValue(func() []checkers.Fact {
	var facts []checkers.Fact
	for _, c := range All() {
		facts = append(facts, c.Facts...)
	}
	for i := range facts {
		facts[i].Better = facts[i].Direction()
	}
	return facts
})

// Run runs every checker whose workload is in the log, one after the other. A
// checker that panics, and one during which ctx ended, leaves its facts
// unknown with the reason; the findings of the others stay. Zero limits mean
// those of DefaultLimits.
func Run(ctx context.Context, log *history.Log, limits checkers.Limits) checkers.Result {
	return checkers.Run(ctx, log, limits, All())
}
