package results

import (
	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// Finding is one anomaly with its evidence in readable form.
type Finding struct {
	Class    checkers.Class `json:"class"`
	Workload string         `json:"workload"`
	Key      uint32         `json:"key"`
	KeyName  string         `json:"key_name,omitempty"` // what the key stands for, see Names
	At       int64          `json:"at_ns"`
	Gap      int64          `json:"gap_ns,omitempty"` // staleness
	Text     string         `json:"text"`
	Evidence []Evidence     `json:"evidence"`

	Cycle []checkers.Step `json:"cycle,omitempty"` // of transactions
}

// Evidence is one operation of a finding. Values that the operation does not
// have are absent, and so are those that are nil; a read of a register that was
// never written has Nil.
type Evidence struct {
	What     string   `json:"what"`
	Key      uint32   `json:"key"`
	KeyName  string   `json:"key_name,omitempty"` // what the key stands for, see Names
	Value    *int64   `json:"value,omitempty"`
	Nil      bool     `json:"nil,omitempty"`
	Old      *int64   `json:"old,omitempty"`
	Observed *int64   `json:"observed,omitempty"`
	Elements Elements `json:"elements,omitempty"` // at most MaxElements
	Shown    string   `json:"shown,omitempty"`    // all values in words, where they are not all numbers
	Txn      string   `json:"txn,omitempty"`      // a transaction, in words
	Size     int      `json:"size,omitempty"`     // number of elements
	Without  Elements `json:"without,omitempty"`  // of the elements that the finding is about, those that it lacks
	Process  uint32   `json:"process"`
	Number   int      `json:"number,omitempty"` // of the client among those of its workload, from 1; 0: not told
	Client   string   `json:"client,omitempty"` // what the process stands for, see Names
	Node     string   `json:"node,omitempty"`
	Intended int64    `json:"intended_ns"`
	Start    int64    `json:"start_ns"`
	End      int64    `json:"end_ns"`
	Outcome  string   `json:"outcome"`
	Error    string   `json:"error,omitempty"`
	Final    bool     `json:"final,omitempty"`
}

// MaxElements bounds the elements of one set read, or drain, that a verdict shows.
const MaxElements = 32

func findingOf(f *checkers.Finding, nodes []string, names Names) Finding {
	found := Finding{Class: f.Class, Workload: f.Workload, Key: f.Key, At: f.At, Gap: f.Gap, Text: sayNil(f.Text)}
	if names != nil {
		found.KeyName, _ = names.Key(f.Key)
	}
	for _, s := range f.Cycle {
		s.Why = sayNil(s.Why)
		found.Cycle = append(found.Cycle, s)
	}
	for i := range f.Evidence {
		e := NamedEvidence(&f.Evidence[i], nodes, names)
		if i < len(f.Trimmed) && f.Trimmed[i].Size > 0 {
			e.Size, e.Without = f.Trimmed[i].Size, append(e.Without, f.Trimmed[i].Without...)
			e.Shown = speller{names}.trimmed(&e)
		}
		found.Evidence = append(found.Evidence, e)
	}
	return found
}

// EvidenceOf is an operation as evidence, its node by name.
func EvidenceOf(op *history.Op, nodes []string) Evidence { return NamedEvidence(op, nodes, nil) }

// NamedEvidence is EvidenceOf of a history in which numbers stand for names;
// names may be nil.
func NamedEvidence(op *history.Op, nodes []string, names Names) Evidence {
	say := speller{names}
	e := Evidence{
		What: op.Kind.String(), Key: op.Key, Process: op.Process,
		Intended: op.Intended, Start: op.Start, End: op.End,
		Outcome: op.Outcome.String(), Error: op.Error.String(), Final: op.Final(),
	}
	if names != nil {
		e.KeyName, _ = names.Key(op.Key)
		e.Client, _ = names.Process(op.Process)
	} else {
		e.Number = int(op.Worker) + 1
	}
	if i := int(op.Node); i >= 0 && i < len(nodes) {
		e.Node = nodes[i]
	}
	read := op.Kind == history.Read || op.Kind == history.Poll || op.Kind == history.Dequeue
	switch {
	case op.Kind == history.Txn:
		e.Txn = say.txn(op.Elements)
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
	e.Shown = say.shown(&e)
	for _, n := range []**int64{&e.Value, &e.Old, &e.Observed} {
		if *n != nil && **n == history.Nil {
			*n = nil
		}
	}
	return e
}
