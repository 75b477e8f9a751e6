package results

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// Finding is one anomaly with its evidence in readable form.
type Finding struct {
	Class    checkers.Class `json:"class"`
	Workload string         `json:"workload"`
	Key      uint32         `json:"key"`
	At       int64          `json:"at_ns"`
	Gap      int64          `json:"gap_ns,omitempty"` // staleness
	Text     string         `json:"text"`
	Evidence []Evidence     `json:"evidence"`

	Cycle []checkers.Step `json:"cycle,omitempty"` // of transactions
}

// Evidence is one operation of a finding. Values that the operation does not
// have are absent; a read of a register that was never written has none either,
// but Nil.
type Evidence struct {
	What     string  `json:"what"`
	Key      uint32  `json:"key"`
	Value    *int64  `json:"value,omitempty"`
	Nil      bool    `json:"nil,omitempty"`
	Old      *int64  `json:"old,omitempty"`
	Observed *int64  `json:"observed,omitempty"`
	Elements []int64 `json:"elements,omitempty"` // at most MaxElements
	Txn      string  `json:"txn,omitempty"`      // a transaction, in words
	Size     int     `json:"size,omitempty"`     // number of elements
	Process  uint32  `json:"process"`
	Node     string  `json:"node,omitempty"`
	Intended int64   `json:"intended_ns"`
	Start    int64   `json:"start_ns"`
	End      int64   `json:"end_ns"`
	Outcome  string  `json:"outcome"`
	Error    string  `json:"error,omitempty"`
	Final    bool    `json:"final,omitempty"`
}

// MaxElements bounds the elements of one set read, or drain, that a verdict shows.
const MaxElements = 32

func findingOf(f *checkers.Finding, nodes []string) Finding {
	found := Finding{Class: f.Class, Workload: f.Workload, Key: f.Key, At: f.At, Gap: f.Gap, Text: f.Text, Cycle: f.Cycle}
	for i := range f.Evidence {
		found.Evidence = append(found.Evidence, evidenceOf(&f.Evidence[i], nodes))
	}
	return found
}

func evidenceOf(op *history.Op, nodes []string) Evidence {
	e := Evidence{
		What: op.Kind.String(), Key: op.Key, Process: op.Process,
		Intended: op.Intended, Start: op.Start, End: op.End,
		Outcome: op.Outcome.String(), Error: op.Error.String(), Final: op.Final(),
	}
	if i := int(op.Node); i >= 0 && i < len(nodes) {
		e.Node = nodes[i]
	}
	read := op.Kind == history.Read || op.Kind == history.Poll || op.Kind == history.Dequeue
	switch {
	case op.Kind == history.Txn:
		e.Txn = txnText(op.Elements)
	case op.Kind == history.ReadSet || op.Kind == history.Drain || op.Kind == history.Balances:
		e.Size = len(op.Elements)
		e.Elements = append(e.Elements, op.Elements[:min(len(op.Elements), MaxElements)]...)
		if op.Kind == history.Drain && op.Outcome == history.Unknown && op.Value != history.Nil {
			e.Value = &op.Value // received, and perhaps not acknowledged
		}
	case op.Kind == history.Dequeue && op.Outcome == history.Unknown && op.Value != history.Nil:
		e.Value = &op.Value
	case read && op.Outcome != history.OK:
	case read && op.Value == history.Nil:
		e.Nil = true
	default:
		e.Value = &op.Value
	}
	if op.Kind == history.CAS {
		e.Old = &op.Old
		if op.Flags&history.Seen != 0 {
			e.Observed = &op.Observed
		}
	}
	return e
}

// shownOfList bounds the elements of one list, the last ones, that the words of
// a transaction have.
const shownOfList = 4

// txnText is a transaction for people: "append 5 to 1, read 2 = [1 2]".
func txnText(elements []int64) string {
	micros, _ := history.Micros(elements)
	told := make([]string, len(micros))
	for i, m := range micros {
		switch {
		case !m.Read:
			told[i] = fmt.Sprintf("append %d to %d", m.Value, m.Key)
		case !m.Known:
			told[i] = fmt.Sprintf("read %d", m.Key)
		case len(m.List) > shownOfList:
			told[i] = fmt.Sprintf("read %d = [… %s", m.Key, strings.TrimPrefix(fmt.Sprint(m.List[len(m.List)-shownOfList:]), "["))
		default:
			told[i] = fmt.Sprintf("read %d = %v", m.Key, m.List)
		}
	}
	return strings.Join(told, ", ")
}
