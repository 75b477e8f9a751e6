package aftershock

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	// contextOps is how many operations before the evidence, and behind it, are
	// drawn with it.
	contextOps = 8
	// mostDrawn bounds the operations of a drawing.
	mostDrawn = 120
	// drawTime bounds the search for partial orders.
	drawTime = 5 * time.Second
)

// draw writes porcupine's interactive view of the operations of all findings
// on one register, with a few around them, and tells its name.
func (r *recorded) draw(_ context.Context, name string, f *checkers.Finding, findings []checkers.Finding) (string, error) {
	ops := r.core(f, findings)
	model := porcupine.Model{
		Init: func() any { return history.Nil },
		Step: func(state, input, _ any) (bool, any) { return stepRegister(state.(int64), input.(*history.Op)) },
		DescribeOperation: func(input, _ any) string {
			op := input.(*history.Op)
			if op.Outcome == history.Unknown {
				return r.told(op) + " (outcome unknown)"
			}
			return r.told(op)
		},
		DescribeState: func(state any) string { return r.value(state.(int64)) },
	}
	last := int64(0)
	for i := range ops {
		last = max(last, ops[i].End)
	}
	clients := map[uint32]int{}
	var drawn []porcupine.Operation
	var notes []porcupine.Annotation
	for i := range ops {
		op := &ops[i]
		if _, ok := clients[op.Process]; !ok {
			clients[op.Process] = len(clients)
		}
		end := op.End
		switch {
		case op.Outcome == history.Fail:
			notes = append(notes, porcupine.Annotation{ClientId: clients[op.Process], Start: op.Start, End: op.End,
				Description: r.told(op), Details: "failed: " + op.Error.String()})
			continue
		case op.Outcome == history.Unknown:
			end = last + 1
		}
		drawn = append(drawn, porcupine.Operation{ClientId: clients[op.Process], Input: op, Call: op.Start, Return: end})
	}
	for _, w := range r.log.Windows() {
		if len(ops) > 0 && w.Contains(ops[0].Start, last) {
			notes = append(notes, porcupine.Annotation{Tag: "faults", Start: max(w.Begin, ops[0].Start), End: min(w.End, last),
				Description: w.Fault + " " + w.Name, Details: fmt.Sprint(w.Nodes)})
		}
	}
	_, info := porcupine.CheckOperationsVerbose(model, drawn, drawTime)
	info.AddAnnotations(notes)
	if err := porcupine.VisualizePath(model, info, name); err != nil {
		return "", fmt.Errorf("draw %s: %w", name, err)
	}
	return fmt.Sprintf("  drawn in %s: these operations and others on %s %s\n", name, f.Workload, r.key(f.Key)), nil
}

// stepRegister is a register with compare-and-set. An unknown one whose
// comparison fails did nothing.
func stepRegister(state int64, op *history.Op) (bool, any) {
	switch {
	case op.Kind == history.Read:
		return op.Value == state, state
	case op.Kind == history.Write:
		return true, op.Value
	case op.Old == state:
		return true, op.Value
	}
	return op.Outcome == history.Unknown, state
}

// core is what is drawn: the evidence of the register's findings, the
// operations around it, and the writes of what any of these read, so that
// nothing drawn seems to come out of nowhere. To leave out other operations
// makes no contradiction.
func (r *recorded) core(f *checkers.Finding, findings []checkers.Finding) []history.Op {
	workload := slices.IndexFunc(r.log.Meta.Workloads, func(w history.WorkloadMeta) bool { return w.Name == f.Workload })
	var all []*history.Op // on the register, in order
	for i := range r.log.Ops {
		if op := &r.log.Ops[i]; int(op.Workload) == workload && op.Key == f.Key && (!op.Final() || f.Class == checkers.LostWrite) {
			all = append(all, op)
		}
	}
	writers, unique := map[int64]*history.Op{}, true
	for _, op := range all {
		if op.Kind != history.Read {
			unique = unique && writers[op.Value] == nil
			writers[op.Value] = op
		}
	}
	chosen := map[*history.Op]bool{}
	take := func(op *history.Op) {
		for op != nil && !chosen[op] && len(chosen) < mostDrawn && (op.Kind != history.Read || op.Outcome == history.OK) {
			chosen[op] = true
			switch op.Kind {
			case history.Read:
				op = writers[op.Value]
			case history.CAS:
				op = writers[op.Old]
			default:
				op = nil
			}
			if !unique {
				op = nil
			}
		}
	}
	for i := range findings {
		if g := &findings[i]; g.Workload == f.Workload && g.Key == f.Key {
			for j := range g.Evidence {
				if at := indexOp(all, &g.Evidence[j]); at >= 0 {
					take(all[at])
				}
			}
		}
	}
	for j := range f.Evidence {
		at := indexOp(all, &f.Evidence[j])
		if at < 0 || !unique {
			continue // of a value written twice nobody knows which write a read needs
		}
		for _, op := range all[max(0, at-contextOps):min(len(all), at+contextOps+1)] {
			take(op)
		}
	}
	ops := make([]history.Op, 0, len(chosen))
	for op := range chosen {
		ops = append(ops, *op)
	}
	slices.SortFunc(ops, func(a, b history.Op) int {
		return cmp.Or(history.Less(&a, &b), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	return ops
}

// indexOp finds an operation by what tells it from others; -1 if it is not there.
func indexOp(all []*history.Op, op *history.Op) int {
	return slices.IndexFunc(all, func(o *history.Op) bool {
		return o.Start == op.Start && o.End == op.End && o.Process == op.Process && o.Kind == op.Kind && o.Value == op.Value && o.Node == op.Node
	})
}
