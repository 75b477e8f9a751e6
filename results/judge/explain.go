package judge

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
)

// explain writes each finding in words, with a table of its evidence: the
// operations that contradict each other. Findings about a register are drawn
// as well, all of one register in one file.
func (r *Record) explain(ctx context.Context, w io.Writer, findings []checkers.Finding) error {
	if len(findings) == 0 {
		_, err := fmt.Fprintf(w, "\n%s: nothing contradicts anything\n", r.path)
		return err
	}
	drawn := map[string]bool{} // by the drawing's file
	for i := range findings {
		if ctx.Err() != nil {
			return failure.ErrInterrupted
		}
		f := &findings[i]
		if _, err := fmt.Fprintf(w, "\n%s  %s\n\n", f.Class, f.Text); err != nil {
			return err
		}
		if err := r.writeTimeline(w, f.Evidence); err != nil {
			return err
		}
		name := r.drawingOf(f)
		if name == "" {
			continue
		}
		line := "  drawn in " + name + "\n"
		if !drawn[name] {
			drawn[name] = true
			if err := r.draw(name, f, findings); err != nil {
				return err
			}
			line = fmt.Sprintf("  drawn in %s: these operations and others on %s %s\n", name, f.Workload, r.keyName(f.Key))
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	return nil
}

// writeTimeline writes a table of operations with their times. Times are in
// microseconds; a history within its first millisecond, as one that was made up
// for a test is, gets nanoseconds.
func (r *Record) writeTimeline(w io.Writer, ops []history.Op) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  start\tend\tprocess\tnode\toperation\toutcome")
	digits, last := 6, int64(0)
	for i := range ops {
		last = max(last, ops[i].End)
	}
	if last < int64(time.Millisecond) {
		digits = 9
	}
	seconds := func(ns int64) string { return fmt.Sprintf("%.*fs", digits, time.Duration(ns).Seconds()) }
	for i := range ops {
		op := &ops[i]
		outcome := op.Outcome.String()
		if op.Error != history.ErrNone {
			outcome += " (" + op.Error.String() + ")"
		}
		if op.Final() {
			outcome += ", final read"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", seconds(op.Start), seconds(op.End), r.processName(op.Process), r.nodeName(op.Node), r.describe(op), outcome)
	}
	return t.Flush()
}

// nodeName is a node's name; "-" for an operation that reached none.
func (r *Record) nodeName(i int8) string {
	if i < 0 || int(i) >= len(r.Log.Meta.Nodes) {
		return "-"
	}
	return r.Log.Meta.Nodes[i]
}

// valueName is a value as its history spells it: a name where there are names.
func (r *Record) valueName(v int64) string {
	if name, ok := r.names().Value(v); ok {
		return name
	}
	if v == history.Nil {
		return "nil"
	}
	return fmt.Sprint(v)
}

// keyName is a key as its history spells it.
func (r *Record) keyName(k uint32) string {
	if name, ok := r.names().Key(k); ok {
		return name
	}
	return fmt.Sprint(k)
}

// processName is a process as its history calls it.
func (r *Record) processName(p uint32) string {
	if name, ok := r.names().Process(p); ok {
		return name
	}
	return fmt.Sprint(p)
}

// shownElements is how many elements of a set or list a table shows: the last
// ones, as a list grows at its end.
const shownElements = 12

func (r *Record) listOf(all []int64) string {
	var words []string
	if n := len(all) - shownElements; n > 0 {
		words, all = append(words, fmt.Sprintf("(%d more)", n)), all[n:]
	}
	for _, v := range all {
		words = append(words, r.valueName(v))
	}
	return "[" + strings.Join(words, " ") + "]"
}

// describe is an operation with what it was given and what it returned: "write
// 3: 7", "read 3 → 7".
func (r *Record) describe(op *history.Op) string {
	key, returned := r.keyName(op.Key), r.valueName(op.Value)
	if op.Outcome != history.OK {
		returned = "?" // it may have read nothing
	}
	switch op.Kind {
	case history.Read, history.Poll:
		return fmt.Sprintf("read %s → %s", key, returned)
	case history.CAS:
		words := fmt.Sprintf("cas %s: %s → %s", key, r.valueName(op.Old), r.valueName(op.Value))
		if op.Flags&history.Seen != 0 {
			words += ", found " + r.valueName(op.Observed)
		}
		return words
	case history.ReadSet, history.Drain:
		return fmt.Sprintf("%s %s → %s", op.Kind, key, r.listOf(op.Elements))
	case history.Dequeue, history.Generate:
		return fmt.Sprintf("%s %s → %s", op.Kind, key, returned)
	case history.Txn:
		return r.describeTxn(op)
	}
	return fmt.Sprintf("%s %s: %s", op.Kind, key, r.valueName(op.Value))
}

// describeTxn is a transaction with its steps in order.
func (r *Record) describeTxn(op *history.Op) string {
	micros, _ := history.Micros(op.Elements)
	steps := make([]string, len(micros))
	for i, m := range micros {
		switch {
		case !m.Read:
			steps[i] = fmt.Sprintf("append %s: %s", r.keyName(m.Key), r.valueName(m.Value))
		case m.Known:
			steps[i] = fmt.Sprintf("read %s → %s", r.keyName(m.Key), r.listOf(m.List))
		default:
			steps[i] = fmt.Sprintf("read %s → ?", r.keyName(m.Key))
		}
	}
	return strings.Join(steps, "; ")
}

// drawingOf is the path of the file in which a finding is drawn: next to the
// history, one for each register. It is empty for what is not drawn: findings
// about anything but a register, those that compare nodes after the run and not
// operations in time (diverged), and those without evidence.
func (r *Record) drawingOf(f *checkers.Finding) string {
	if len(f.Evidence) == 0 {
		return "" // its operations did not fit into memory
	}
	at := slices.IndexFunc(r.Log.Meta.Workloads, func(w history.WorkloadMeta) bool { return w.Name == f.Workload })
	if at < 0 || r.Log.Meta.Workloads[at].ActsOn() != history.ObjectRegister || f.Class == checkers.Diverged {
		return ""
	}
	workload := f.Workload // a damaged or forged history may name it as it likes
	if !plainName(workload) {
		workload = fmt.Sprintf("workload-%d", at+1)
	}
	name := fmt.Sprintf("%s-key-%s.html", workload, r.fileKey(f.Key))
	if r.Dir != nil {
		return r.Dir.File("explain-" + name)
	}
	return filepath.Join(filepath.Dir(r.path), filepath.Base(r.path)+"-"+name)
}

// fileKey is a key as a part of a file's name: its own name where that is short
// and plain, else its number.
func (r *Record) fileKey(k uint32) string {
	name, ok := r.names().Key(k)
	if !ok {
		return fmt.Sprint(k)
	}
	name = strings.Trim(name, `:"`)
	if !plainName(name) {
		return fmt.Sprint(k)
	}
	return name
}

// plainName tells whether a name can be a part of a file's.
func plainName(name string) bool {
	return name != "" && len(name) <= 40 && strings.IndexFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}) < 0
}
