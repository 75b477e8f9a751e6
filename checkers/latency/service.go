package latency

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// served takes an operation's service time: from when it was sent. What it waited
// for before, and what was never sent, is no part of that; so it is in doubt only
// if it was itself under way when the harness or a node did not run as it should.
func (l *latencies) served(op *history.Op) {
	begin, end := kit.From(op), kit.Until(op)
	took := kit.Span(op.End, op.Start)
	if !l.doubts.Any() || !l.doubts.Touch(begin, end) {
		l.service[op.Kind].Add(op, took, took, false)
		return
	}
	l.service[op.Kind].Add(op, took, l.doubts.Sure(begin, end), true)
}

// serviceValues are the facts of every kind that was measured, and of all.
func (l *latencies) serviceValues() []checkers.Value {
	var values []checkers.Value
	var total kit.Bounded
	why := l.doubts.Why()
	for _, k := range Kinds {
		if !l.tried[k] {
			continue
		}
		total.Merge(&l.service[k])
		for _, p := range percentiles {
			values = append(values, l.service[k].Value(fmt.Sprintf("service.%s.%s", k, p.name), p.percent,
				fmt.Sprintf("no measured %s was acknowledged", k), why))
		}
	}
	for _, p := range percentiles {
		values = append(values, total.Value("service."+p.name, p.percent, "no measured operation was acknowledged", why))
	}
	return values
}
