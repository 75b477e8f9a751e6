package checkers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// Run has each checker of a table judge a log, as checkers/all does with all of them.
func Run(ctx context.Context, log *history.Log, limits Limits, table []Checker) Result {
	in := Input{Log: log, Limits: OrDefault(limits)}
	ordering := OrderingOf(log)
	var all Result
	for i := range table {
		Tell(ctx, float64(i)/float64(len(table)))
		c := &table[i]
		in := in
		in.Log = LogFor(c, log)
		Merge(&all, Contained(ctx, c, in.Log, func(ctx context.Context) Result {
			if !c.Order {
				return c.Check(ctx, in)
			}
			in.Log = LogFor(c, ordering.Log)
			r := c.Check(ctx, in)
			ordering.Restore(&r)
			return r
		}))
	}
	Conclude(ctx, in, table, &all)
	return all
}

// Conclude adds what the checkers of a table conclude from all that was found. One
// that crashes, and one during which ctx ended, leaves the facts unknown that it
// would have told.
func Conclude(ctx context.Context, in Input, table []Checker, found *Result) {
	for i := range table {
		c := &table[i]
		if c.Conclude == nil || !Applies(c, in.Log) {
			continue
		}
		in := in
		in.Log = LogFor(c, in.Log)
		r := Result{Values: concluded(ctx, c, in, found)}
		takeBack(&r, c, in.Log)
		found.Values = append(found.Values, r.Values...)
	}
}

func concluded(ctx context.Context, c *Checker, in Input, found *Result) (values []Value) {
	defer func() {
		if p := recover(); p != nil {
			values = untold(c, in.Log, found, fmt.Sprintf("the checker %s crashed: %v", c.Name, p))
		}
	}()
	if ctx.Err() != nil {
		return untold(c, in.Log, found, fmt.Sprintf("the checker %s was interrupted: %v", c.Name, context.Cause(ctx)))
	}
	return c.Conclude(in, found)
}

// untold are the facts of a checker that were not told yet, as unknown values.
func untold(c *Checker, log *history.Log, found *Result, why string) []Value {
	told := map[string]bool{}
	for _, v := range found.Values {
		told[v.Name] = true
	}
	return slices.DeleteFunc(UnknownFacts(c.Facts, log, why), func(v Value) bool { return told[v.Name] })
}

// Merge takes in what another checker found.
func Merge(r *Result, o Result) {
	r.Findings = append(r.Findings, o.Findings...)
	r.Values = append(r.Values, o.Values...)
	r.Latency = append(r.Latency, o.Latency...)
	r.Stale = append(r.Stale, o.Stale...)
	r.Staleness = append(r.Staleness, o.Staleness...)
	r.Isolation = cmp.Or(r.Isolation, o.Isolation)
	r.Lost = append(r.Lost, o.Lost...)
}

// Contained has the checker judge, if it applies, and turns a panic, or the end
// of ctx, into unknown facts. What the log's doubts forbid to say is taken back.
func Contained(ctx context.Context, c *Checker, log *history.Log, judge func(context.Context) Result) (r Result) {
	if !Applies(c, log) {
		return Result{}
	}
	defer func() {
		if p := recover(); p != nil {
			r = Result{Values: UnknownFacts(c.Facts, log, fmt.Sprintf("the checker %s crashed: %v", c.Name, p))}
		}
	}()
	if ctx.Err() == nil {
		r = judge(ctx)
	}
	if ctx.Err() != nil {
		r = Result{Values: UnknownFacts(c.Facts, log, fmt.Sprintf("the checker %s was interrupted: %v", c.Name, context.Cause(ctx)))}
	}
	takeBack(&r, c, log)
	return r
}

// takeBack takes out of a result what the log leaves open.
func takeBack(r *Result, c *Checker, log *history.Log) {
	doubt(r, c.Facts, &log.Doubts)
	lost(r, c, log)
	apart(r, c, log)
}

// Applies tells whether one of the checker's workloads is in the log.
func Applies(c *Checker, log *history.Log) bool {
	return len(c.Objects) == 0 || slices.ContainsFunc(log.Meta.Workloads, func(w history.WorkloadMeta) bool { return Judges(c, w) })
}

// Judges tells whether a workload acts on one of the checker's objects.
func Judges(c *Checker, w history.WorkloadMeta) bool { return slices.Contains(c.Objects, w.ActsOn()) }

// UnknownFacts are the facts as unknown values, those of a node, a fault or a phase
// of the load once for each in the log. Those of a kind of operation are left out: which kinds
// there were is for the checker to say.
func UnknownFacts(facts []Fact, log *history.Log, why string) []Value {
	var faults []string
	for _, e := range log.Events {
		if e.Kind == history.EventFault && !slices.Contains(faults, e.Fault) {
			faults = append(faults, e.Fault)
		}
	}
	var phases []string
	for _, e := range log.Events {
		if e.Kind == history.EventLoad && !slices.Contains(phases, e.Name) {
			phases = append(phases, e.Name)
		}
	}
	var values []Value
	for _, f := range facts {
		if strings.Contains(f.Name, "<kind>") {
			continue
		}
		for _, name := range expand(f.Name, "<node>", log.Meta.Nodes) {
			for _, name := range expand(name, "<fault>", faults) {
				for _, name := range expand(name, "<phase>", phases) {
					values = append(values, Value{Name: name, Why: why})
				}
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

// OrDefault puts DefaultLimits in place of limits that are not set.
func OrDefault(l Limits) Limits {
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
