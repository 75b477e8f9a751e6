package kit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Words puts what a log tells into words.
type Words struct {
	Log     *history.Log
	Doubts  *Doubts
	windows []history.Window
}

// NewWords tells of a log.
func NewWords(log *history.Log) *Words {
	return &Words{Log: log, Doubts: DoubtsOf(log), windows: log.Windows()}
}

// Node is a node's name.
func (w *Words) Node(i int8) string {
	switch {
	case i < 0:
		return "no node"
	case int(i) >= len(w.Log.Meta.Nodes):
		return fmt.Sprintf("node %d", i)
	}
	return w.Log.Meta.Nodes[i]
}

func (w *Words) Workload(i uint8) string {
	if int(i) >= len(w.Log.Meta.Workloads) {
		return ""
	}
	return w.Log.Meta.Workloads[i].Name
}

// Content is a register's content.
func Content(v int64) string {
	switch v {
	case history.Nil:
		return "nothing"
	case history.Torn:
		return "a torn value"
	}
	return fmt.Sprint(v)
}

// KindWord is a kind of operation for people.
func KindWord(k history.Kind) string {
	if k == history.CAS {
		return "compare-and-set"
	}
	return k.String()
}

// Op is an operation in few words.
func (w *Words) Op(op *history.Op) string {
	var what string
	switch op.Kind {
	case history.Read:
		what = "read of " + Content(op.Value)
		if op.Outcome != history.OK {
			what = "read"
		}
	case history.CAS:
		what = fmt.Sprintf("compare-and-set from %s to %s", Content(op.Old), Content(op.Value))
		if op.Flags&history.Seen != 0 {
			what += ", which found " + Content(op.Observed) + ","
		}
	case history.Write:
		what = "write of " + Content(op.Value)
		if op.Value == history.Nil {
			what = "delete"
		}
	default:
		what = fmt.Sprintf("%s of %s", op.Kind, Content(op.Value))
	}
	outcome := ""
	switch op.Outcome {
	case history.Fail:
		outcome = ", which failed"
	case history.Unknown:
		outcome = ", outcome unknown"
	}
	return fmt.Sprintf("%s at %s from %s to %s by process %d%s", what, w.Node(op.Node), units.Instant(op.Start), units.Instant(op.End), op.Process, outcome)
}

func (w *Words) fault(f *history.Window) string {
	kind, _ := faults.Lookup(history.FaultKind(f.Name))
	did := kind.Done
	if did == "" {
		did = "hit by " + f.Name
	}
	be := "was"
	if len(f.Nodes) > 1 {
		be = "were"
	}
	if len(f.Nodes) == 0 {
		return fmt.Sprintf("fault %s (%s) began", f.Fault, f.Name)
	}
	return fmt.Sprintf("%s %s %s by %s", strings.Join(f.Nodes, ", "), be, did, f.Fault)
}

// During tells which faults were in force at a time: " (while f1, a kill of
// n1, was in force)", or nothing.
func (w *Words) During(at int64) string {
	var active []string
	for i := range w.windows {
		f := &w.windows[i]
		if !f.Contains(at, at) {
			continue
		}
		what := fmt.Sprintf("%s (%s)", f.Fault, f.Name)
		if len(f.Nodes) > 0 {
			what = fmt.Sprintf("%s (%s of %s)", f.Fault, f.Name, strings.Join(f.Nodes, ", "))
		}
		active = append(active, what)
	}
	if len(active) == 0 {
		return ""
	}
	be := "was"
	if len(active) > 1 {
		be = "were"
	}
	return fmt.Sprintf(", while %s %s in force", strings.Join(active, " and "), be)
}

// Nearest tells of the first fault after a time, " (0.8 s before n1 was killed
// by f1)", or else of those in force.
func (w *Words) Nearest(at int64) string {
	best := -1
	for i := range w.windows {
		if f := &w.windows[i]; f.Begin >= at && (best < 0 || f.Begin < w.windows[best].Begin) {
			best = i
		}
	}
	if best >= 0 && w.During(at) == "" {
		f := &w.windows[best]
		return fmt.Sprintf(" (%s before %s)", units.Nanos(Span(f.Begin, at)), w.fault(f))
	}
	return w.During(at)
}

// NewFinding fills in what all findings have.
func NewFinding(w *Words, g *Group, class checkers.Class, at int64, ops []int32, text string, args ...any) checkers.Finding {
	return checkers.Finding{Class: class, Workload: w.Workload(g.Workload), Key: g.Key, At: at,
		Evidence: Evidence(w.Log, ops...), Text: fmt.Sprintf(text, args...)}
}

// Reason says why an operation failed.
func Reason(op *history.Op) string {
	if op.Error == history.ErrNone {
		return "without a reason"
	}
	return op.Error.String()
}

// TrimmedFinding makes a finding of logged operations that shows when the last
// of them ended. Sets read and queues drained have of their elements only those
// that matter: there may be a hundred thousand.
func TrimmedFinding(w *Words, g *Group, class checkers.Class, matter []int64, ops []int32, text string, args ...any) checkers.Finding {
	f := NewFinding(w, g, class, 0, ops, text, args...)
	for n := range f.Evidence {
		op := &f.Evidence[n]
		f.At = max(f.At, Until(op))
		if op.Kind == history.ReadSet || op.Kind == history.Drain {
			if f.Trimmed == nil {
				f.Trimmed = make([]checkers.Trim, len(f.Evidence))
			}
			f.Trimmed[n] = checkers.Trim{Size: len(op.Elements), Without: absent(matter, op.Elements)}
			op.Elements = slices.DeleteFunc(slices.Clone(op.Elements), func(v int64) bool { return !slices.Contains(matter, v) })
		}
	}
	return f
}

// absent are those of some values that are not among the elements.
func absent(values, elements []int64) []int64 {
	there := make(map[int64]bool, len(values))
	for _, v := range values {
		there[v] = false
	}
	for _, v := range elements {
		if _, ok := there[v]; ok {
			there[v] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(values), func(v int64) bool { return there[v] })
}

// ShownElements is how many elements a text tells.
const ShownElements = 5
