package judge

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/wholefile"
)

const (
	// contextOps is how many operations of the register are drawn before each
	// one of the evidence, and as many after it.
	contextOps = 8
	// mostDrawn bounds the operations of a drawing.
	mostDrawn = 120
	// drawTime bounds porcupine's search for orders that explain the operations.
	drawTime = 5 * time.Second
)

// draw writes porcupine's interactive view of a register into a file: the
// operations of all findings about the register of f, and those around f's.
func (r *Record) draw(name string, f *checkers.Finding, findings []checkers.Finding) error {
	ops := r.drawnOps(f, findings)
	model := porcupine.Model{
		Init: func() any { return history.Nil },
		Step: func(state, input, _ any) (bool, any) { return stepRegister(state.(int64), input.(*history.Op)) },
		DescribeOperation: func(input, _ any) string {
			op := input.(*history.Op)
			if op.Outcome == history.Unknown {
				return r.describe(op) + " (outcome unknown)"
			}
			return r.describe(op)
		},
		DescribeState: func(state any) string { return asHTML(r.valueName(state.(int64))) },
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
				Description: r.describe(op), Details: "failed: " + op.Error.String()})
			continue
		case op.Outcome == history.Unknown:
			end = last + 1 // it may take effect at any later time
		}
		drawn = append(drawn, porcupine.Operation{ClientId: clients[op.Process], Input: op, Call: op.Start, Return: end})
	}
	for _, w := range r.Log.Windows() {
		if len(ops) > 0 && w.Contains(ops[0].Start, last) {
			notes = append(notes, porcupine.Annotation{Tag: "faults", Start: max(w.Begin, ops[0].Start), End: min(w.End, last),
				Description: w.Fault + " " + w.Name, Details: fmt.Sprint(w.Nodes)})
		}
	}
	_, info := porcupine.CheckOperationsVerbose(model, drawn, drawTime)
	info.AddAnnotations(notes)
	var page bytes.Buffer
	if err := porcupine.Visualize(model, info, &page); err != nil {
		return fmt.Errorf("draw %s: %w", name, err)
	}
	guarded, err := withPolicy(page.String())
	if err != nil {
		return fmt.Errorf("draw %s: %w", name, err)
	}
	err = wholefile.Replace(name, 0o644, func(w io.Writer) error {
		_, err := io.WriteString(w, guarded)
		return err
	})
	if err != nil {
		return fmt.Errorf("draw %s: %w", name, err)
	}
	return nil
}

// asHTML escapes a value of the history for porcupine's page, which shows states,
// and nothing else of what it is given, as HTML.
func asHTML(text string) string { return html.EscapeString(text) }

// withPolicy lets a page of porcupine run no script but porcupine's own, which
// holds the data as well, and load nothing: whatever the history's values are.
func withPolicy(page string) (string, error) {
	const head, begin, end = `<meta charset="UTF-8" />`, "<script>", "</script>"
	first, last := strings.Index(page, begin), strings.LastIndex(page, end)
	if strings.Count(page, head) != 1 || strings.Count(page, begin) != 1 || strings.Count(page, end) != 1 || first > last {
		return "", errors.New("porcupine's page has another form than is known")
	}
	hash := sha256.Sum256([]byte(page[first+len(begin) : last]))
	policy := fmt.Sprintf(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'" />`,
		base64.StdEncoding.EncodeToString(hash[:]))
	return strings.Replace(page, head, head+"\n    "+policy, 1), nil
}

// stepRegister is porcupine's model of a register with compare-and-set: whether
// the operation can be the next one in this state, and the state after it. A
// compare-and-set of unknown outcome whose comparison fails is possible and
// changes nothing.
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

// drawnOps chooses the operations to be drawn, at most mostDrawn, by start: the
// evidence of the register's findings, the operations around that of f, and the
// write of every value that one of these read or compared, so that no value
// comes from nowhere. What is left out can only hide a contradiction and never
// make one: any part of a linearizable history is linearizable, if it has the
// writes of what it reads.
func (r *Record) drawnOps(f *checkers.Finding, findings []checkers.Finding) []history.Op {
	workload := slices.IndexFunc(r.Log.Meta.Workloads, func(w history.WorkloadMeta) bool { return w.Name == f.Workload })
	var all []*history.Op // of the register, by start
	for i := range r.Log.Ops {
		if op := &r.Log.Ops[i]; int(op.Workload) == workload && op.Key == f.Key && (!op.Final() || f.Class == checkers.LostWrite) {
			all = append(all, op)
		}
	}
	writers, unique := map[int64]*history.Op{}, true // unique: no value is written twice
	for _, op := range all {
		if op.Kind != history.Read {
			unique = unique && writers[op.Value] == nil
			writers[op.Value] = op
		}
	}
	chosen := map[*history.Op]bool{}
	// add chooses an operation, the write that it read from, what that compared
	// with, and so on.
	add := func(op *history.Op) {
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
					add(all[at])
				}
			}
		}
	}
	for j := range f.Evidence {
		at := indexOp(all, &f.Evidence[j])
		if at < 0 || !unique {
			continue // of a value that was written twice nobody knows which write its reads need
		}
		for _, op := range all[max(0, at-contextOps):min(len(all), at+contextOps+1)] {
			add(op)
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

// indexOp finds an operation by the fields that tell it from others, as the
// evidence holds copies; -1 if it is not there.
func indexOp(all []*history.Op, op *history.Op) int {
	return slices.IndexFunc(all, func(o *history.Op) bool {
		return o.Start == op.Start && o.End == op.End && o.Process == op.Process && o.Kind == op.Kind && o.Value == op.Value && o.Node == op.Node
	})
}
