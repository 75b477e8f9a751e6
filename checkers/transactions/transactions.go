// Package transactions checks transactions on lists for the isolation level that
// they were given, by the cycles of their dependencies.
package transactions

import (
	"cmp"
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Checker judges transactions on lists.
func Checker() checkers.Checker {
	facts := []checkers.Fact{
		{Name: "append.txns", Unit: checkers.Number, Better: checkers.Higher, Meaning: "transactions that were acknowledged"},
		{Name: "append.unknown", Unit: checkers.Number, Meaning: "transactions whose outcome is unknown"},
		{Name: "append.lost", Unit: checkers.Number, Meaning: "elements whose append was acknowledged and that are missing from the final reads of every node; at most those too that a node which did not answer may have"},
		{Name: "append.anomalies", Unit: checkers.Number, Meaning: "anomalies found; of cycles, one of each class is counted; a lower bound where the search was cut short"},
	}
	for _, i := range isolations {
		facts = append(facts, checkers.Fact{Name: i.fact, Unit: checkers.Boolean, Meaning: i.meaning})
	}
	return checkers.Checker{Name: "append", Objects: []history.Object{history.ObjectList}, Order: true, Facts: facts, Check: checkAppend}
}

// checkAppend finds the strongest isolation level that a history of
// list-append transactions allows, after Elle (Kingsbury and Alvaro, VLDB 2020): it
// draws which transaction must precede which, by the versions of lists that
// they wrote and read, by client and by real time, and looks for cycles. Every
// edge is certain, so every anomaly is real; what the history does not show
// cannot be found.
func checkAppend(ctx context.Context, in checkers.Input) checkers.Result {
	log, limits := in.Log, in.Limits
	top := kit.NewTopFindings(limits.Findings)
	w := kit.NewWords(log)
	var tally tally
	undecided := map[checkers.Class]bool{}
	for _, workload := range log.WorkloadIndex(history.ObjectList) {
		if ctx.Err() != nil {
			break
		}
		l := newLists(log, uint8(workload))
		l.findLostUpdates()
		g := l.graph(false)
		found, open := g.cycles(searchBudget)
		for class := range open {
			undecided[class] = true
		}
		all := l.anomalies
		for _, class := range severity {
			if a, ok := found[class]; ok {
				all = append(all, a)
			}
		}
		if _, skewed := found[checkers.G2]; skewed && !l.snapshots(g, searchBudget) {
			tally.unordered++
		}
		for _, a := range all {
			top.Class(a.class).Offer(-int64(len(a.txns)), func() checkers.Finding { return l.finding(w, uint8(workload), &a) })
		}
		tally.add(l, all, w, uint8(workload), top)
	}
	classes := append([]checkers.Class{checkers.LostElement, checkers.PhantomElement, checkers.Duplicate, checkers.IncompatibleOrder, checkers.InternalRead, checkers.Future, checkers.G1a, checkers.G1b, checkers.DirtyUpdate, checkers.LostUpdate}, severity...)
	levels := tally.levels(log, undecided)
	return checkers.Result{Findings: top.Findings(classes...), Values: append(tally.values(log, undecided), levels...), Isolation: tally.isolation(levels)}
}

// tally is what is counted over all append workloads.
type tally struct {
	acked, unknown       int
	reads                int // of lists, answered
	malformed, ambiguous int
	unordered            int // workloads whose snapshots depend on the order of appends that nobody read
	anomalies            int
	classes              map[checkers.Class]int // of anomalies
	finals               kit.FinalTally
}

func (t *tally) add(l *lists, all []anomaly, w *kit.Words, workload uint8, top *kit.TopFindings) {
	if t.classes == nil {
		t.classes = map[checkers.Class]int{}
	}
	for i := range l.txns {
		switch l.op(int32(i)).Outcome {
		case history.OK:
			t.acked++
		case history.Unknown:
			if l.op(int32(i)).Error != history.ErrUntold { // it may never have been sent
				t.unknown++
			}
		}
	}
	t.reads += l.answers
	t.malformed, t.ambiguous = t.malformed+l.malformed, t.ambiguous+l.ambiguous
	t.anomalies += len(all)
	for _, a := range all {
		t.classes[a.class]++
	}
	t.finals.Add(l.countLost(w, workload, top))
}

func (t *tally) values(log *history.Log, undecided map[checkers.Class]bool) []checkers.Value {
	why := t.undecided(log)
	for _, class := range kit.SortedKeys(undecided) {
		why = cmp.Or(why, searchEnded(class))
	}
	lost := t.finals.LostValue("append.lost", log.Torn)
	if t.malformed > 0 && lost.Known {
		lost = kit.Proven("append.lost", t.finals.Lost, why) // what they appended is not known
	}
	anomalies := kit.Proven("append.anomalies", t.anomalies, why)
	if log.Torn { // what is missing may make one anomaly of several
		anomalies = kit.Proven("append.anomalies", min(t.anomalies, 1), why)
	}
	return []checkers.Value{kit.Recorded("append.txns", t.acked, log.Torn), kit.Recorded("append.unknown", t.unknown, log.Torn), lost, anomalies}
}

// undecided tells why anomalies may have been missed.
func (t *tally) undecided(log *history.Log) string {
	switch {
	case log.Torn:
		return kit.TornWhy
	case t.acked == 0:
		return "no transaction was acknowledged"
	case t.malformed > 0:
		return units.Plural(t.malformed, "transaction is", "transactions are") + " malformed"
	case t.ambiguous > 0:
		return units.Plural(t.ambiguous, "element that was read was", "elements that were read were") + " appended more than once"
	case t.reads == 0:
		return "no read of a list was answered, so that nobody looked"
	}
	return ""
}

func searchEnded(class checkers.Class) string {
	return "the search for cycles of class " + string(class) + " ended at its limit"
}

// levels tells of each level whether the history allows it.
func (t *tally) levels(log *history.Log, undecided map[checkers.Class]bool) []checkers.Value {
	var values []checkers.Value
	broken, why := false, t.undecided(log)
	for _, level := range isolations {
		for _, class := range level.ruled {
			broken = broken || t.classes[class] > 0
			if undecided[class] && why == "" {
				why = searchEnded(class)
			}
		}
		if t.unordered > 0 && why == "" && slices.Contains(level.ruled, checkers.GSingle) {
			why = "it depends on which of some transactions came first that appended to one list what nobody read"
		}
		v := checkers.Value{Name: level.fact}
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
		l.anomalies = append(l.anomalies, anomaly{class: checkers.LostUpdate, txns: []int32{before, r.txn}, key: r.key})
	}
}

// finalList is what the last final reads of a list show, one of each node.
type finalList struct {
	reads  []int32 // indexes into the log's Ops, by node of first answer
	lists  [][]int64
	silent map[int8]bool // the nodes that were asked in vain
}

// finalLists are the answered final reads by list.
func (l *lists) finalLists(workload uint8) map[int32]*finalList {
	all := map[int32]*finalList{}
	for i := range l.log.Ops {
		op := &l.log.Ops[i]
		if op.Workload != workload || op.Kind != history.Txn || !op.Final() || op.Outcome != history.OK && !kit.InVain(op) {
			continue
		}
		micros, _ := history.Micros(op.Elements)
		for _, m := range micros {
			if !m.Read {
				continue
			}
			k := l.list(m.Key)
			if all[k] == nil {
				all[k] = &finalList{}
			}
			all[k].take(l.log, int32(i), &m)
		}
	}
	return all
}

// take takes in a final read, or that there was none. Of one node the last
// answer counts.
func (f *finalList) take(log *history.Log, i int32, m *history.Micro) {
	node := log.Ops[i].Node
	at := slices.IndexFunc(f.reads, func(r int32) bool { return log.Ops[r].Node == node })
	switch {
	case log.Ops[i].Outcome != history.OK || !m.Known:
		if at < 0 {
			if f.silent == nil {
				f.silent = map[int8]bool{}
			}
			f.silent[node] = true
		}
		return
	case at < 0:
		f.reads, f.lists = append(f.reads, i), append(f.lists, m.List)
	default:
		f.reads[at], f.lists[at] = i, m.List
	}
	delete(f.silent, node)
}

// countLost counts the elements that are missing from the final reads: their append
// was acknowledged before the last final read of each node that answered began,
// and none of these has them. They may be lost if it was acknowledged later, or
// if a node was asked in vain. In a torn history the final reads of some nodes may
// be missing, so only lists that every node answered are judged.
func (l *lists) countLost(w *kit.Words, workload uint8, top *kit.TopFindings) *kit.FinalTally {
	finals := l.finalLists(workload)
	t := kit.FinalTally{}
	began, has := map[int32]int64{}, map[int32]map[int64]bool{}
	for k, f := range finals {
		if len(f.reads) > 0 {
			t.Answered++
		}
		if len(f.reads) == 0 || l.torn && len(f.reads) < len(l.log.Meta.Nodes) {
			continue
		}
		began[k], has[k] = kit.Never, map[int64]bool{}
		for i, r := range f.reads {
			began[k] = min(began[k], kit.From(&l.log.Ops[r]))
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
		case has[s.key][s.value]:
		case kit.Until(op) >= began[s.key]:
			t.Undecide(1, kit.LateWhy)
		case len(finals[s.key].silent) > 0:
			t.Undecide(1, kit.SilentWhy)
		default:
			t.Lost++
			top.Class(checkers.LostElement).Offer(-kit.From(op), func() checkers.Finding { return l.lostFinding(w, workload, s, finals[s.key].reads[0]) })
		}
	}
	t.Unjudged = len(unjudged)
	return &t
}
