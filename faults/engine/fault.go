package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
)

// activeFault is a fault in force.
type activeFault struct {
	planned faults.Planned
	kind    faults.Kind
	victims []string       // their names
	nodes   []int          // on which the fault does something: its victims or those of its steps
	steps   []*faults.Step // by node; nil where there is none, and for faults of processes
	about   string         // what the steps do, in words

	// inEffect says on which nodes the fault holds the processes or has its
	// step in effect. An entry belongs to whoever has the node's turn, or, for
	// a step, to the fault's own begin and end, which follow each other.
	inEffect []bool
	ends     []*ticket // by node, of faults of processes: the turn reserved for the end
	healed   []outcome // by node, of faults of processes: what came of letting go
}

// instant tells whether f is undone on each node as soon as it took effect.
func (f *activeFault) instant() bool { return f.kind.Instant && f.planned.For == 0 }

// activate makes a fault ready to begin.
func (e *Engine) activate(p faults.Planned, victims []int, also []netip.Addr) *activeFault {
	n := len(e.Nodes)
	f := &activeFault{planned: p, nodes: victims, steps: make([]*faults.Step, n),
		inEffect: make([]bool, n), ends: make([]*ticket, n), healed: make([]outcome, n)}
	kind, _ := faults.Lookup(p.Spec.Kind)
	f.kind = kind.On(e.Attached)
	for _, v := range victims {
		f.victims = append(f.victims, e.Nodes[v].Name)
	}
	if f.kind.Steps == nil {
		return f
	}
	c := faults.Cluster{Names: e.names(), Addrs: make([]netip.Addr, n), Clients: e.Harness, Also: also}
	for i, node := range e.Nodes {
		c.Addrs[i] = node.At()
	}
	steps, about := f.kind.Steps(p, victims, c)
	f.about, f.nodes = about, nil
	for i := range steps {
		steps[i].Begin = faults.Spread(steps[i].Begin, e.Harness, e.Clients)
		node := steps[i].Node
		f.steps[node] = &steps[i]
		f.nodes = append(f.nodes, node)
	}
	return f
}

// begin puts f into effect on all its nodes at once and emits what came of it.
// An instant fault is undone on each node without waiting for the others.
func (e *Engine) begin(ctx context.Context, f *activeFault) {
	at := e.instant(f.planned.At)
	outcomes := onAll(f.nodes, func(i int) outcome {
		if f.kind.Steps != nil {
			return e.beginStep(ctx, f, i, at)
		}
		o := e.hold(ctx, f, i, at)
		if f.instant() {
			e.letGo(ctx, f, i, 0)
		}
		return o
	})
	if f.kind.Replaces {
		sinceFirst(outcomes)
	}
	event := e.event(f, history.EventFault, at, outcomes)
	if event.Detail == "" {
		event.Detail = f.about
	}
	if !event.Failed && !slices.ContainsFunc(outcomes, func(o outcome) bool { return !o.unchanged }) {
		event.Failed = true
		event.Detail = "there was nothing to do: " + event.Detail
	}
	e.emit(event)
}

// end undoes f on all its nodes at an instant of the clock; 0 is at once,
// unplanned. What could not be undone is returned; while f is in effect
// anywhere it stays in force.
func (e *Engine) end(ctx context.Context, f *activeFault, at int64) error {
	outcomes := onAll(f.nodes, func(i int) outcome {
		if f.kind.Steps != nil {
			return e.endStep(ctx, f, i, at)
		}
		return e.letGo(ctx, f, i, at)
	})
	heal := e.event(f, history.EventHeal, at, outcomes)
	e.emit(heal)
	var errs []error
	lapsed := time.Duration(0)
	for _, o := range outcomes {
		errs = append(errs, o.err)
		lapsed = max(lapsed, o.lapsed)
	}
	if lapsed > 0 {
		e.emit(history.Event{At: heal.At, Kind: history.EventGateFailed, Fault: f.planned.ID,
			Detail: fmt.Sprintf("fault %s was interrupted: its rules were not in force for %s, as the harness was not heard of; make the run again", f.planned.ID, lapsed)})
	}
	if !slices.Contains(f.inEffect, true) {
		e.mu.Lock()
		delete(e.active, f.planned.ID)
		e.mu.Unlock()
	}
	return errors.Join(errs...)
}

func (e *Engine) beginStep(ctx context.Context, f *activeFault, i int, at int64) outcome {
	f.inEffect[i] = true
	switch {
	case f.kind.Members != "":
		return e.inTurn(ctx, f, i, at, f.steps[i].Begin)
	case f.kind.Replaces:
		return e.upgrade(ctx, f, i, at)
	}
	return e.do(ctx, i, e.actionOf(f, f.steps[i].Begin, at))
}

func (e *Engine) endStep(ctx context.Context, f *activeFault, i int, at int64) outcome {
	if !f.inEffect[i] {
		return outcome{at: max(at, e.Clock.Now())}
	}
	if f.steps[i].End.Kind == "" { // what it did is not to be undone
		f.inEffect[i] = false
		return outcome{at: max(at, e.Clock.Now())}
	}
	if f.kind.Members != "" {
		f.inEffect[i] = false // what the target could not do once, it would not in another try
		o := e.inTurn(ctx, f, i, at, f.steps[i].End)
		o.at = e.Clock.Now() // it is over when that is done
		return o
	}
	o := e.undo(ctx, i, e.actionOf(f, f.steps[i].End, at))
	f.inEffect[i] = o.err != nil
	return o
}

// event is the event of a begin or an end. Its time is that of the last node,
// and an error on any node makes it failed.
func (e *Engine) event(f *activeFault, kind history.EventKind, planned int64, outcomes []outcome) history.Event {
	event := history.Event{Planned: planned, Kind: kind, Fault: f.planned.ID, Name: f.planned.Spec.Name(), Nodes: f.victims}
	var words []string
	for _, o := range outcomes {
		event.At = max(event.At, o.at)
		event.Dropped += o.dropped
		event.Counts = faults.AddCounts(event.Counts, o.counts)
		if o.err != nil {
			event.Failed = true
			words = append(words, o.err.Error())
		}
		if o.note != "" {
			words = append(words, o.note)
		}
	}
	if event.At == 0 {
		event.At = e.Clock.Now()
	}
	event.Detail = strings.Join(words, "; ")
	return event
}
