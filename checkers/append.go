package checkers

import (
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

func appendChecker() Checker {
	facts := []Fact{
		{"append.txns", Number, "transactions that were acknowledged"},
		{"append.unknown", Number, "transactions whose outcome is unknown"},
		{"append.lost", Number, "elements whose append was acknowledged and that are missing from the final reads of every node"},
		{"append.anomalies", Number, "anomalies found; of cycles, one of each class is counted"},
	}
	for _, i := range isolations {
		facts = append(facts, Fact{i.fact, Boolean, i.meaning})
	}
	return Checker{Name: "append", Types: []string{appendType}, Facts: facts, Check: checkAppend}
}

// checkAppend finds the strongest isolation level that a history of
// list-append transactions allows, after Elle (Kingsbury and Alvaro, VLDB 2020): it
// draws which transaction must precede which, by the versions of lists that
// they wrote and read, by client and by real time, and looks for cycles. Every
// edge is certain, so every anomaly is real; what the history does not show
// cannot be found.
func checkAppend(ctx context.Context, log *history.Log, limits Limits) Result {
	shelves := newShelves(limits.Findings)
	w := newWords(log)
	var tally appendTally
	undecided := map[Class]bool{}
	for _, workload := range log.WorkloadIndex(appendType) {
		if ctx.Err() != nil {
			break
		}
		l := newLists(log, uint8(workload))
		l.findLostUpdates()
		found, open := l.graph().cycles(searchBudget)
		for class := range open {
			undecided[class] = true
		}
		all := l.anomalies
		for _, class := range severity {
			if a, ok := found[class]; ok {
				all = append(all, a)
			}
		}
		for _, a := range all {
			shelves.class(a.class).offer(-int64(len(a.txns)), func() Finding { return l.finding(w, uint8(workload), &a) })
		}
		tally.add(l, all, w, uint8(workload), shelves)
	}
	classes := append([]Class{LostElement, PhantomElement, Duplicate, IncompatibleOrder, InternalRead, G1a, G1b, DirtyUpdate, LostUpdate}, severity...)
	levels := tally.levels(log, undecided)
	return Result{Findings: shelves.findings(classes...), Values: append(tally.values(log), levels...), Isolation: tally.isolation(levels)}
}

// appendTally is what is counted over all append workloads.
type appendTally struct {
	acked, unknown       int
	malformed, ambiguous int
	anomalies            int
	classes              map[Class]int // of anomalies
	finals               finalTally
}

func (t *appendTally) add(l *lists, all []anomaly, w *words, workload uint8, shelves *shelves) {
	if t.classes == nil {
		t.classes = map[Class]int{}
	}
	for i := range l.txns {
		switch l.op(int32(i)).Outcome {
		case history.OK:
			t.acked++
		case history.Unknown:
			t.unknown++
		}
	}
	t.malformed, t.ambiguous = t.malformed+l.malformed, t.ambiguous+l.ambiguous
	t.anomalies += len(all)
	for _, a := range all {
		t.classes[a.class]++
	}
	t.finals.add(l.lose(w, workload, shelves))
}

func (t *appendTally) values(log *history.Log) []Value {
	return []Value{counted("append.txns", t.acked), counted("append.unknown", t.unknown),
		t.finals.lostValue("append.lost", log.Torn), anomalies("append.anomalies", t.anomalies, log.Torn)}
}

// levels tells of each level whether the history allows it.
func (t *appendTally) levels(log *history.Log, undecided map[Class]bool) []Value {
	var values []Value
	broken, why := false, ""
	switch {
	case t.acked == 0:
		why = "no transaction was acknowledged"
	case t.malformed > 0:
		why = plural(t.malformed, "transaction is", "transactions are") + " malformed"
	case t.ambiguous > 0:
		why = plural(t.ambiguous, "element that was read was", "elements that were read were") + " appended more than once"
	case log.Torn:
		why = tornWhy
	}
	for _, level := range isolations {
		for _, class := range level.ruled {
			broken = broken || t.classes[class] > 0
			if undecided[class] && why == "" {
				why = "the search for cycles of class " + string(class) + " ended at its limit"
			}
		}
		v := Value{Name: level.fact}
		switch {
		case broken:
			v.Known = true
		case why != "":
			v.Why = why
		default:
			v.Known, v.N = true, 1
		}
		values = append(values, v)
	}
	return values
}

// findLostUpdates finds transactions that read the same version of a list and
// both appended to it (P4 of Berenson and others, SIGMOD 1995).
func (l *lists) findLostUpdates() {
	type version struct{ key, n int32 }
	first := map[version]int32{}
	for i := range l.reads {
		r := &l.reads[i]
		if !r.appends {
			continue
		}
		at := version{r.key, r.n}
		before, ok := first[at]
		if !ok {
			first[at] = r.txn
			continue
		}
		l.anomalies = append(l.anomalies, anomaly{class: LostUpdate, txns: []int32{before, r.txn}, key: r.key})
	}
}

// finalList is what the last final reads of a list show, one of each node.
type finalList struct {
	reads []int32 // indexes into the log's Ops, by node of first answer
	lists [][]int64
}

// finalLists are the answered final reads by list.
func (l *lists) finalLists(workload uint8) map[int32]*finalList {
	all := map[int32]*finalList{}
	for i := range l.log.Ops {
		op := &l.log.Ops[i]
		if op.Workload != workload || op.Kind != history.Txn || !op.Final() || op.Outcome != history.OK {
			continue
		}
		micros, _ := history.Micros(op.Elements)
		for _, m := range micros {
			if !m.Read || !m.Known {
				continue
			}
			k := l.list(m.Key)
			if all[k] == nil {
				all[k] = &finalList{}
			}
			f := all[k]
			at := slices.IndexFunc(f.reads, func(r int32) bool { return l.log.Ops[r].Node == op.Node })
			if at < 0 {
				f.reads, f.lists = append(f.reads, int32(i)), append(f.lists, m.List)
				continue
			}
			f.reads[at], f.lists[at] = int32(i), m.List
		}
	}
	return all
}

// lose counts the elements that are missing from the final reads: their append
// was acknowledged before the last final read of each node that answered began,
// and none of these has them. In a torn history the final reads of some nodes may
// be missing, so only lists that every node answered are judged.
func (l *lists) lose(w *words, workload uint8, shelves *shelves) *finalTally {
	finals := l.finalLists(workload)
	t := finalTally{answered: len(finals)}
	began, has := map[int32]int64{}, map[int32]map[int64]bool{}
	for k, f := range finals {
		if l.torn && len(f.reads) < len(l.log.Meta.Nodes) {
			continue
		}
		began[k], has[k] = never, map[int64]bool{}
		for i, r := range f.reads {
			began[k] = min(began[k], from(&l.log.Ops[r]))
			for _, v := range f.lists[i] {
				has[k][v] = true
			}
		}
	}
	unjudged := map[int32]bool{}
	for i := range l.sites {
		s := &l.sites[i]
		switch op := l.op(s.txn); {
		case op.Outcome != history.OK:
		case has[s.key] == nil:
			unjudged[s.key] = true
		case !has[s.key][s.value] && until(op) < began[s.key]:
			t.lost++
			shelves.class(LostElement).offer(-from(op), func() Finding { return l.lostFinding(w, workload, s, finals[s.key].reads[0]) })
		}
	}
	t.unjudged = len(unjudged)
	return &t
}
