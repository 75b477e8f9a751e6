package aftershock

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
)

// explain tells each finding in words, with a table of the operations that
// contradict each other, and draws the registers among them.
func (r *recorded) explain(ctx context.Context, w io.Writer, findings []checkers.Finding) error {
	if len(findings) == 0 {
		_, err := fmt.Fprintf(w, "\n%s: nothing contradicts anything\n", r.path)
		return err
	}
	drawn := map[string]string{}
	for i := range findings {
		f := &findings[i]
		if _, err := fmt.Fprintf(w, "\n%s  %s\n\n", f.Class, f.Text); err != nil {
			return err
		}
		if err := r.table(w, f.Evidence); err != nil {
			return err
		}
		name, err := r.drawing(f)
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		told := "  drawn in " + name + "\n"
		if drawn[name] == "" {
			drawn[name] = f.Text
			if told, err = r.draw(ctx, name, f, findings); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w, told); err != nil {
			return err
		}
	}
	return nil
}

// table is a timeline of a few operations.
func (r *recorded) table(w io.Writer, ops []history.Op) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  start\tend\tprocess\tnode\toperation\toutcome")
	digits, ends := 6, int64(0)
	for i := range ops {
		ends = max(ends, ops[i].End)
	}
	if ends < int64(time.Millisecond) {
		digits = 9
	}
	seconds := func(ns int64) string { return fmt.Sprintf("%.*f s", digits, time.Duration(ns).Seconds()) }
	for i := range ops {
		op := &ops[i]
		outcome := op.Outcome.String()
		if op.Error != history.ErrNone {
			outcome += " (" + op.Error.String() + ")"
		}
		if op.Final() {
			outcome += ", final read"
		}
		fmt.Fprintf(t, "  %s\t%s\t%d\t%s\t%s\t%s\n", seconds(op.Start), seconds(op.End), op.Process, r.node(op.Node), r.told(op), outcome)
	}
	return t.Flush()
}

func (r *recorded) node(i int8) string {
	if i < 0 || int(i) >= len(r.log.Meta.Nodes) {
		return "-"
	}
	return r.log.Meta.Nodes[i]
}

// value is a value for people.
func (r *recorded) value(v int64) string {
	if v == history.Nil {
		return "nil"
	}
	if name, ok := r.names().Value(v); ok {
		return name
	}
	return fmt.Sprint(v)
}

func (r *recorded) key(k uint32) string {
	if name, ok := r.names().Key(k); ok {
		return name
	}
	return fmt.Sprint(k)
}

// shownElements is how many elements of a set or list a table shows, from its end.
const shownElements = 12

func (r *recorded) values(all []int64) string {
	var told []string
	if n := len(all) - shownElements; n > 0 {
		told, all = append(told, fmt.Sprintf("(%d more)", n)), all[n:]
	}
	for _, v := range all {
		told = append(told, r.value(v))
	}
	return "[" + strings.Join(told, " ") + "]"
}

// told is an operation in few words.
func (r *recorded) told(op *history.Op) string {
	key, read := r.key(op.Key), r.value(op.Value)
	if op.Outcome != history.OK {
		read = "?"
	}
	switch op.Kind {
	case history.Read, history.Poll:
		return fmt.Sprintf("read %s → %s", key, read)
	case history.CAS:
		told := fmt.Sprintf("cas %s: %s → %s", key, r.value(op.Old), r.value(op.Value))
		if op.Flags&history.Seen != 0 {
			told += ", found " + r.value(op.Observed)
		}
		return told
	case history.ReadSet, history.Drain:
		return fmt.Sprintf("%s %s → %s", op.Kind, key, r.values(op.Elements))
	case history.Dequeue, history.Generate:
		return fmt.Sprintf("%s %s → %s", op.Kind, key, read)
	case history.Txn:
		return r.toldTxn(op)
	}
	return fmt.Sprintf("%s %s: %s", op.Kind, key, r.value(op.Value))
}

func (r *recorded) toldTxn(op *history.Op) string {
	micros, _ := history.Micros(op.Elements)
	told := make([]string, len(micros))
	for i, m := range micros {
		switch {
		case !m.Read:
			told[i] = fmt.Sprintf("append %s: %s", r.key(m.Key), r.value(m.Value))
		case m.Known:
			told[i] = fmt.Sprintf("read %s → %s", r.key(m.Key), r.values(m.List))
		default:
			told[i] = fmt.Sprintf("read %s → ?", r.key(m.Key))
		}
	}
	return strings.Join(told, "; ")
}

// drawing is the file in which a finding is drawn: next to the history, one for
// each register. It is empty for a finding about anything else, and
// for one without evidence.
func (r *recorded) drawing(f *checkers.Finding) (string, error) {
	if len(f.Evidence) == 0 {
		return "", nil // its operations did not fit into memory
	}
	at := slices.IndexFunc(r.log.Meta.Workloads, func(w history.WorkloadMeta) bool { return w.Name == f.Workload })
	if at < 0 || r.log.Meta.Workloads[at].Type != "register" || f.Class == checkers.Diverged {
		return "", nil
	}
	name := fmt.Sprintf("%s-key-%s.html", f.Workload, r.fileKey(f.Key))
	if r.dir != nil {
		return r.dir.File("explain-" + name), nil
	}
	return filepath.Join(filepath.Dir(r.path), filepath.Base(r.path)+"-"+name), nil
}

// fileKey is a key for the name of a file.
func (r *recorded) fileKey(k uint32) string {
	name, ok := r.names().Key(k)
	if !ok {
		return fmt.Sprint(k)
	}
	name = strings.Trim(name, `:"`)
	plain := strings.IndexFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}) < 0
	if !plain || name == "" || len(name) > 40 {
		return fmt.Sprint(k)
	}
	return name
}
