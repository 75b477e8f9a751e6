package checkers

import (
	"context"
	"github.com/aftershock-chaos/aftershock/history"
)

// isolation is one level, with the classes of anomalies that rule it out. A
// stronger level is also ruled out by all that rules out a weaker one.
type isolation struct {
	fact    string
	meaning string
	ruled   []Class
}

// isolations from the weakest to the strongest. A snapshot may be isolated
// from others and yet the whole not be serializable (G2-item), but what breaks
// the isolation of snapshots also breaks serializability.
var isolations = []isolation{
	{"append.read_uncommitted", "the history allows read uncommitted: no write cycle (G0), no list in two orders",
		[]Class{G0, IncompatibleOrder, Duplicate}},
	{"append.read_committed", "the history allows read committed: no aborted, intermediate or circular reads (G1a, G1b, G1c) as well",
		[]Class{G1a, G1b, G1c, DirtyUpdate, PhantomElement}},
	{"append.snapshot_isolation", "the history allows snapshot isolation: no read skew (G-single, G-nonadjacent) or lost update as well",
		[]Class{GSingle, GNonadjacent, LostUpdate, InternalRead}},
	{"append.serializable", "the history allows serializability: no write skew (G2-item) as well",
		[]Class{G2}},
	{"append.strong_session_serializable", "the history is serializable in an order that keeps each client's",
		[]Class{G0 + "-process", G1c + "-process", GSingle + "-process", GNonadjacent + "-process", G2 + "-process"}},
	{"append.strict_serializable", "the history is serializable in an order that keeps real time",
		[]Class{G0 + "-realtime", G1c + "-realtime", GSingle + "-realtime", GNonadjacent + "-realtime", G2 + "-realtime"}},
}

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
		found, open := l.graph().cycles()
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
	return Result{Findings: shelves.findings(classes...), Values: tally.values(log, undecided)}
}

// appendTally is what is counted over all append workloads.
type appendTally struct {
	acked, unknown, malformed int
	anomalies                 int
	classes                   map[Class]bool
	finals                    finalTally
}

func (t *appendTally) add(l *lists, all []anomaly, w *words, workload uint8, shelves *shelves) {
	if t.classes == nil {
		t.classes = map[Class]bool{}
	}
	for i := range l.txns {
		switch l.op(int32(i)).Outcome {
		case history.OK:
			t.acked++
		case history.Unknown:
			t.unknown++
		}
	}
	t.malformed += l.malformed
	t.anomalies += len(all)
	for _, a := range all {
		t.classes[a.class] = true
	}
	t.finals.add(l.lose(w, workload, shelves))
}

func (t *appendTally) values(log *history.Log, undecided map[Class]bool) []Value {
	values := []Value{counted("append.txns", t.acked), counted("append.unknown", t.unknown),
		t.finals.lostValue("append.lost", log.Torn), anomalies("append.anomalies", t.anomalies, log.Torn)}
	broken, why := false, ""
	switch {
	case t.acked == 0:
		why = "no transaction was acknowledged"
	case t.malformed > 0:
		why = plural(t.malformed, "transaction is", "transactions are") + " malformed"
	case log.Torn:
		why = tornWhy
	}
	for _, level := range isolations {
		for _, class := range level.ruled {
			broken = broken || t.classes[class]
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

// lose counts the elements that are missing from the final reads: their append
// was acknowledged, some node answered the final read of the list, and none
// that answered has them.
func (l *lists) lose(w *words, workload uint8, shelves *shelves) *finalTally {
	var t finalTally
	finals := map[int32]map[int64]bool{}
	shown := map[int32]int32{}
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
			if finals[k] == nil {
				finals[k], shown[k] = map[int64]bool{}, int32(i)
				t.answered++
			}
			for _, v := range m.List {
				finals[k][v] = true
			}
		}
	}
	unjudged := map[int32]bool{}
	for i := range l.sites {
		s := &l.sites[i]
		if l.op(s.txn).Outcome != history.OK {
			continue
		}
		if finals[s.key] == nil {
			unjudged[s.key] = true
			continue
		}
		if !finals[s.key][s.value] {
			t.lost++
			shelves.class(LostElement).offer(-from(l.op(s.txn)), func() Finding { return l.lostFinding(w, workload, s, shown[s.key]) })
		}
	}
	t.unjudged = len(unjudged)
	return &t
}
