package checkers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// finding tells an anomaly of transactions.
func (l *lists) finding(w *words, workload uint8, a *anomaly) Finding {
	ops := make([]int32, len(a.txns))
	for i, t := range a.txns {
		ops[i] = l.txns[t].op
	}
	key := uint32(0)
	if a.key != none {
		key = l.keys[a.key].key
	}
	f := Finding{Class: a.class, Workload: w.workload(workload), Key: key, Evidence: evidence(l.log, ops...)}
	for i := range f.Evidence {
		f.At = max(f.At, until(&f.Evidence[i]))
		f.Evidence[i].Elements = slices.Clone(f.Evidence[i].Elements)
	}
	f.Text = l.tell(a, key) + w.during(f.At)
	return f
}

// name is a transaction for people: "T17 (n1, 8.013 s)".
func (l *lists) name(t int32) string {
	op := l.op(t)
	return fmt.Sprintf("T%d (process %d, %s to %s)", t, op.Process, clock(op.Start), clock(op.End))
}

func (l *lists) tell(a *anomaly, key uint32) string {
	t := func(i int) string { return l.name(a.txns[i]) }
	switch a.class {
	case InternalRead:
		return fmt.Sprintf("%s read of list %d something else than it had read and appended itself before", t(0), key)
	case PhantomElement:
		return fmt.Sprintf("%s read in list %d the element %d, which nobody appended", t(0), key, a.value)
	case Duplicate:
		return fmt.Sprintf("%s read in list %d the element %d twice, which %s appended once", t(1), key, a.value, t(0))
	case IncompatibleOrder:
		return fmt.Sprintf("%s and %s read list %d in orders of which neither continues the other", t(0), t(1), key)
	case G1a:
		return fmt.Sprintf("%s read in list %d the element %d, although the append of it by %s was reported failed", t(1), key, a.value, t(0))
	case G1b:
		return fmt.Sprintf("%s read list %d up to the element %d, in the middle of what %s appended", t(1), key, a.value, t(0))
	case DirtyUpdate:
		return fmt.Sprintf("%s appended %d to list %d behind an element of %s, which was reported failed", t(1), a.value, key, t(0))
	case LostUpdate:
		return fmt.Sprintf("%s and %s both read the same state of list %d and then appended to it: one update was made without seeing the other", t(0), t(1), key)
	}
	told := make([]string, len(a.steps))
	for i, s := range a.steps {
		told[i] = l.tellStep(s)
	}
	return fmt.Sprintf("a cycle of %d transactions: %s: a contradiction", len(a.steps), strings.Join(told, "; "))
}

// tellStep explains one edge.
func (l *lists) tellStep(s hop) string {
	from, to := l.name(s.from), l.name(s.to)
	switch s.kind {
	case edgeProcess:
		return fmt.Sprintf("%s was called before %s by the same client", from, to)
	case edgeRealtime:
		return fmt.Sprintf("%s had ended before %s began", from, to)
	}
	key := &l.keys[s.key]
	switch s.kind {
	case edgeWR:
		return fmt.Sprintf("%s read %s of list %d, which %s appended", to, l.lastOf(key, s.from), key.key, from)
	case edgeRW:
		return fmt.Sprintf("%s read list %d without %s, which %s appended", from, key.key, l.firstOf(s.key, s.to), to)
	default:
		return fmt.Sprintf("%s appended to list %d before %s", from, key.key, to)
	}
}

// lastOf is the last element of a list's version that a transaction appended.
func (l *lists) lastOf(key *list, t int32) string {
	for i := len(key.sites) - 1; i >= 0; i-- {
		if at := key.sites[i]; at != none && l.sites[at].txn == t {
			return fmt.Sprint(key.version[i])
		}
	}
	return "an element"
}

// firstOf is the first element that a transaction appended to a list.
func (l *lists) firstOf(k, t int32) string {
	for i := range l.sites {
		if s := &l.sites[i]; s.key == k && s.txn == t {
			return fmt.Sprint(s.value)
		}
	}
	return "an element"
}

func (l *lists) lostFinding(w *words, workload uint8, s *site, final int32) Finding {
	key := l.keys[s.key].key
	read := &l.log.Ops[final]
	return Finding{Class: LostElement, Workload: w.workload(workload), Key: key, At: from(read),
		Evidence: []history.Op{*l.op(s.txn), *read},
		Text: fmt.Sprintf("%d, appended to list %d by %s and acknowledged%s, is missing from every final read, that of %s at %s among them",
			s.value, key, l.name(s.txn), w.nearest(until(l.op(s.txn))), w.node(read.Node), clock(read.End))}
}
