package checkers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// The types of workloads that have checkers.
const (
	registerType = "register"
	setType      = "set"
	queueType    = "queue"
	lagType      = "lag"
	appendType   = "append"
	counterType  = "counter"
	idsType      = "unique-ids"
	bankType     = "bank"
)

// All is the table of checkers. A new checker is a file and a line here.
func All() []Checker {
	return []Checker{
		registerChecker(),
		linearizableChecker(),
		sessionsChecker(),
		setChecker(),
		queueChecker(),
		lagChecker(),
		appendChecker(),
		counterChecker(),
		idsChecker(),
		bankChecker(),
		serverLagChecker(),
		availabilityChecker(),
	}
}

// Facts lists what all checkers measure, in the order of the table.
func Facts() []Fact {
	var facts []Fact
	for _, c := range All() {
		facts = append(facts, c.Facts...)
	}
	return facts
}

// Run runs every checker whose workload is in the log, one after the other. A
// checker that panics, and one during which ctx ended, leaves its facts
// unknown with the reason; the findings of the others stay. Zero limits mean
// those of DefaultLimits.
func Run(ctx context.Context, log *history.Log, limits Limits) Result {
	return run(ctx, log, limits, All())
}

func run(ctx context.Context, log *history.Log, limits Limits, table []Checker) Result {
	limits = limits.orDefault()
	limits.shared = &shared{}
	var all Result
	for _, c := range table {
		r := contained(ctx, c, log, limits)
		all.add(r)
	}
	return all
}

// add takes in what another checker found.
func (r *Result) add(o Result) {
	r.Findings = append(r.Findings, o.Findings...)
	r.Values = append(r.Values, o.Values...)
	r.Stale = append(r.Stale, o.Stale...)
	r.Staleness = append(r.Staleness, o.Staleness...)
	r.Isolation = cmp.Or(r.Isolation, o.Isolation)
}

// contained runs one checker and turns its panic, or the end of ctx, into
// unknown facts.
func contained(ctx context.Context, c Checker, log *history.Log, limits Limits) (r Result) {
	if !c.applies(log) {
		return Result{}
	}
	defer func() {
		if p := recover(); p != nil {
			r = Result{Values: c.unknown(log, fmt.Sprintf("the checker %s crashed: %v", c.Name, p))}
		}
	}()
	if ctx.Err() == nil {
		r = c.Check(ctx, log, limits)
	}
	if ctx.Err() != nil {
		r = Result{Values: c.unknown(log, fmt.Sprintf("the checker %s was interrupted: %v", c.Name, context.Cause(ctx)))}
	}
	return r
}

// applies tells whether one of the checker's workloads is in the log.
func (c *Checker) applies(log *history.Log) bool {
	return len(c.Types) == 0 || slices.ContainsFunc(log.Meta.Workloads, func(w history.WorkloadMeta) bool {
		return slices.Contains(c.Types, w.Type)
	})
}

// unknown gives every fact of the checker as unknown.
func (c *Checker) unknown(log *history.Log, why string) []Value {
	var faults []string
	for _, e := range log.Events {
		if e.Kind == history.EventFault && !slices.Contains(faults, e.Fault) {
			faults = append(faults, e.Fault)
		}
	}
	var values []Value
	for _, f := range c.Facts {
		for _, name := range expand(f.Name, "<node>", log.Meta.Nodes) {
			for _, name := range expand(name, "<fault>", faults) {
				values = append(values, Value{Name: name, Why: why})
			}
		}
	}
	return values
}

func expand(name, placeholder string, words []string) []string {
	if !strings.Contains(name, placeholder) {
		return []string{name}
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = strings.ReplaceAll(name, placeholder, w)
	}
	return names
}

func (l Limits) orDefault() Limits {
	if l.Time <= 0 {
		l.Time = DefaultLimits.Time
	}
	if l.Memory == 0 {
		l.Memory = DefaultLimits.Memory
	}
	if l.Findings <= 0 {
		l.Findings = DefaultLimits.Findings
	}
	if l.Workers <= 0 {
		l.Workers = DefaultLimits.Workers
	}
	return l
}
