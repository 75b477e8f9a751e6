package transactions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// finding tells an anomaly of transactions.
func (l *lists) finding(w *kit.Words, workload uint8, a *anomaly) checkers.Finding {
	ops := make([]int32, len(a.txns))
	for i, t := range a.txns {
		ops[i] = l.txns[t].op
	}
	key := uint32(0)
	if a.key != kit.None {
		key = l.keys[a.key].key
	}
	f := checkers.Finding{Class: a.class, Workload: w.Workload(workload), Key: key, Evidence: kit.Evidence(l.log, ops...)}
	for i := range f.Evidence {
		f.At = max(f.At, kit.Until(&f.Evidence[i]))
		f.Evidence[i].Elements = slices.Clone(f.Evidence[i].Elements)
	}
	if a.steps == nil {
		f.Text = l.tell(a, key) + w.During(f.At)
		return f
	}
	f.Text = l.tellCycle(a.steps, w.During(f.At))
	order := kit.ByStart(l.log, ops)
	for _, s := range a.steps {
		f.Cycle = append(f.Cycle, checkers.Step{Name: short(s.from), Op: slices.Index(order, l.txns[s.from].op), Edge: s.kind.String(), Why: l.tellStep(s, short)})
	}
	return f
}

// short is a transaction's name.
func short(t int32) string { return fmt.Sprintf("T%d", t) }

// name is a transaction for people: "T17 (process 3, 8.013 s to 8.014 s)".
func (l *lists) name(t int32) string {
	op := l.op(t)
	return fmt.Sprintf("%s (process %d, %s to %s)", short(t), op.Process, units.Instant(op.Start), units.Instant(op.End))
}

// String is the kind's usual name.
func (k edgeKind) String() string {
	switch k {
	case edgeWR:
		return "wr"
	case edgeRW:
		return "rw"
	case edgeProcess:
		return "process"
	case edgeRealtime:
		return "realtime"
	}
	return "ww"
}

// tell tells an anomaly that is no cycle.
func (l *lists) tell(a *anomaly, key uint32) string {
	t := func(i int) string { return l.name(a.txns[i]) }
	switch a.class {
	case checkers.InternalRead:
		return fmt.Sprintf("%s read of list %d something else than it had read and appended itself before", t(0), key)
	case checkers.PhantomElement:
		return fmt.Sprintf("%s read in list %d the element %d, which nobody appended", t(0), key, a.value)
	case checkers.Duplicate:
		return fmt.Sprintf("%s read in list %d the element %d twice, which %s appended once", t(1), key, a.value, t(0))
	case checkers.Future:
		return fmt.Sprintf("%s read in list %d the element %d, which it appended itself only afterwards", t(0), key, a.value)
	case checkers.IncompatibleOrder:
		if a.askew {
			return fmt.Sprintf("%s read in list %d the element %d not behind what %s appended first", t(1), key, a.value, t(0))
		}
		return fmt.Sprintf("%s and %s read list %d in orders of which neither continues the other", t(0), t(1), key)
	case checkers.G1a:
		return fmt.Sprintf("%s read in list %d the element %d, although the append of it by %s was reported failed", t(1), key, a.value, t(0))
	case checkers.G1b:
		return fmt.Sprintf("%s read list %d up to the element %d, in the middle of what %s appended", t(1), key, a.value, t(0))
	case checkers.DirtyUpdate:
		return fmt.Sprintf("%s appended %d to list %d behind an element of %s, which was reported failed", t(1), a.value, key, t(0))
	default:
		return fmt.Sprintf("%s and %s both read the same state of list %d and then appended to it: one update was made without seeing the other", t(0), t(1), key)
	}
}

// tellCycle tells a cycle in one sentence, whose steps begin behind the colon.
func (l *lists) tellCycle(steps []hop, during string) string {
	texts := make([]string, len(steps))
	for i, s := range steps {
		texts[i] = l.tellStep(s, l.name)
	}
	return fmt.Sprintf("a cycle of %d transactions%s: %s: a contradiction", len(steps), during, strings.Join(texts, "; "))
}

// tellStep explains one edge.
func (l *lists) tellStep(s hop, name func(int32) string) string {
	from, to := name(s.from), name(s.to)
	switch s.kind {
	case edgeProcess:
		return fmt.Sprintf("%s was called before %s by the same client", from, to)
	case edgeRealtime:
		return fmt.Sprintf("%s had ended before %s began", from, to)
	}
	key := &l.keys[s.key]
	switch s.kind {
	case edgeWR:
		return fmt.Sprintf("%s read %s of list %d, which %s appended", to, l.lastOf(s), key.key, from)
	case edgeRW:
		return fmt.Sprintf("%s read list %d without %s, which %s appended", from, key.key, l.firstOf(s), to)
	default:
		return fmt.Sprintf("%s appended to list %d before %s", from, key.key, to)
	}
}

// readBy is what a transaction read of a list before it appended to it.
func (l *lists) readBy(t, k int32) []int64 {
	for _, r := range l.reads {
		if r.txn == t && r.key == k {
			return l.keys[k].version[:r.n]
		}
	}
	return nil
}

// lastOf is the last element of the step's first transaction that the other read.
func (l *lists) lastOf(s hop) string {
	read := l.readBy(s.to, s.key)
	for i := len(read) - 1; i >= 0; i-- {
		if at := l.keys[s.key].sites[i]; at != kit.None && l.sites[at].txn == s.from {
			return fmt.Sprint(read[i])
		}
	}
	return "an element"
}

// firstOf is the first element of the step's second transaction that the other
// read nothing of.
func (l *lists) firstOf(s hop) string {
	read := l.readBy(s.from, s.key)
	for i := range l.sites {
		if a := &l.sites[i]; a.key == s.key && a.txn == s.to && !slices.Contains(read, a.value) {
			return fmt.Sprint(a.value)
		}
	}
	return "an element"
}

func (l *lists) lostFinding(w *kit.Words, workload uint8, s *site, final int32) checkers.Finding {
	key := l.keys[s.key].key
	read := &l.log.Ops[final]
	return checkers.Finding{Class: checkers.LostElement, Workload: w.Workload(workload), Key: key, At: kit.From(read),
		Evidence: []history.Op{*l.op(s.txn), *read},
		Text: fmt.Sprintf("%d, appended to list %d by %s and acknowledged%s, is missing from every final read, that of %s at %s among them",
			s.value, key, l.name(s.txn), w.Nearest(kit.Until(l.op(s.txn))), w.Node(read.Node), units.Instant(read.End))}
}
