package faults

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
)

// force is a fault in force.
type force struct {
	planned Planned
	kind    kind
	victims []int
	names   []string         // of the victims
	rules   [][]cluster.Rule // by node; nil for faults of processes
	shape   string           // in words, what the rules cut

	// held says on which nodes the fault counts or has rules. An entry belongs
	// to whoever holds the node's turn, or, for rules, to the fault's own step.
	held   []bool
	healed []report  // by node; for faults of processes, what the release did
	ends   []*ticket // by node; for faults of processes, the announced end
}

// instant tells whether f is undone on each node as soon as it took effect.
func (f *force) instant() bool { return f.kind.instant && f.planned.For == 0 }

func (e *Engine) newForce(p Planned, victims []int) *force {
	f := &force{planned: p, victims: victims, held: make([]bool, len(e.Nodes)), healed: make([]report, len(e.Nodes)),
		ends: make([]*ticket, len(e.Nodes))}
	f.kind, _ = findKind(p.Spec.Kind)
	for _, v := range victims {
		f.names = append(f.names, e.Nodes[v].Name)
	}
	if f.kind.draw != nil {
		addresses, names := make([]netip.Addr, len(e.Nodes)), make([]string, len(e.Nodes))
		for i, n := range e.Nodes {
			addresses[i], names[i] = n.Addr, n.Name
		}
		g := f.kind.draw(p, victims, len(e.Nodes))
		f.rules, f.shape = g.Rules(addresses, e.Harness), g.Describe(names)
	}
	return f
}

// begin puts f into effect on all its nodes at once and tells what became of
// it. An instant fault is undone on each node without waiting for the others.
func (e *Engine) begin(ctx context.Context, f *force) {
	at := e.instant(f.planned.At)
	var reports []report
	if f.rules != nil {
		reports = e.each(e.ruled(f), func(i int) report { return e.block(ctx, f, i, at) })
	} else {
		reports = e.each(f.victims, func(i int) report {
			r := e.seize(ctx, f, i, at)
			if f.instant() {
				e.release(ctx, f, i, 0)
			}
			return r
		})
	}
	event := e.tell(f, history.EventFault, at, reports)
	if event.Detail == "" {
		event.Detail = f.shape
	}
	if !event.Failed && !slices.ContainsFunc(reports, func(r report) bool { return r.err != nil || !r.nothing }) {
		event.Failed = true
		event.Detail = "there was nothing to do: " + event.Detail
	}
	e.emit(event)
}

// end undoes f on all its nodes at the instant at of the clock; 0 is at once,
// unplanned. What could not be undone is returned; while f holds anything it
// stays in force.
func (e *Engine) end(ctx context.Context, f *force, at int64) error {
	var reports []report
	if f.rules != nil {
		reports = e.each(e.ruled(f), func(i int) report { return e.unblock(ctx, f, i, at) })
	} else {
		reports = e.each(f.victims, func(i int) report { return e.release(ctx, f, i, at) })
	}
	event := e.tell(f, history.EventHeal, at, reports)
	e.emit(event)
	var errs []error
	for _, r := range reports {
		errs = append(errs, r.err)
	}
	if !slices.Contains(f.held, true) {
		e.mu.Lock()
		delete(e.forces, f.planned.ID)
		e.mu.Unlock()
	}
	return errors.Join(errs...)
}

// block adds f's rules to node i.
func (e *Engine) block(ctx context.Context, f *force, i int, at int64) report {
	f.held[i] = true
	r := e.act(ctx, i, cluster.Action{Kind: cluster.Block, ID: f.planned.ID, At: e.Clock.Time(at), Rules: f.rules[i]})
	r.nothing = false // rules are always new
	return r
}

// unblock takes f's rules from node i.
func (e *Engine) unblock(ctx context.Context, f *force, i int, at int64) report {
	if !f.held[i] {
		return report{at: max(at, e.Clock.Now())}
	}
	r := e.undo(ctx, i, cluster.Action{Kind: cluster.Unblock, ID: f.planned.ID, At: e.Clock.Time(at)})
	f.held[i] = r.err != nil
	return r
}

// ruled are the nodes that have rules to follow.
func (e *Engine) ruled(f *force) []int {
	var all []int
	for i, rules := range f.rules {
		if len(rules) > 0 {
			all = append(all, i)
		}
	}
	return all
}

// each runs a step for several nodes at once.
func (e *Engine) each(nodes []int, step func(i int) report) []report {
	reports := make([]report, len(nodes))
	var steps sync.WaitGroup
	for k, i := range nodes {
		steps.Go(func() { reports[k] = step(i) })
	}
	steps.Wait()
	return reports
}

// tell makes the event of a step from the reports of its nodes: the time is
// that of the last one, and any error makes it failed.
func (e *Engine) tell(f *force, kind history.EventKind, planned int64, reports []report) history.Event {
	event := history.Event{Planned: planned, Kind: kind, Fault: f.planned.ID, Name: eventName(f.planned.Spec), Nodes: f.names}
	var words []string
	for _, r := range reports {
		event.At = max(event.At, r.at)
		event.Dropped += r.dropped
		if r.err != nil {
			event.Failed = true
			words = append(words, r.err.Error())
		}
		if r.note != "" {
			words = append(words, r.note)
		}
	}
	if event.At == 0 {
		event.At = e.Clock.Now()
	}
	event.Detail = strings.Join(words, "; ")
	return event
}

// eventName is what events call a fault: "kill", "partition isolate".
func eventName(s Spec) string {
	if s.Shape == "" {
		return s.Kind
	}
	return s.Kind + " " + s.Shape
}
