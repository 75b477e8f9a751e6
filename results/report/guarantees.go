package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
)

// guarantee is one session guarantee and how the reads of registers kept it.
type guarantee struct {
	Name   string
	Reads  int // that could have broken it
	Broken results.FactValue
	First  *results.Finding // the earliest that broke it; nil: none is kept
}

// sessionGuarantees in the order in which they are shown. Those on what a node
// shows can be judged only of reads that name their node.
var sessionGuarantees = [...]struct {
	name, fact string
	class      checkers.Class
	byNode     bool
}{
	{"read your writes", "sessions.read_your_writes", checkers.ReadYourWrites, false},
	{"monotonic reads", "sessions.monotonic_reads", checkers.MonotonicRead, false},
	{"monotonic writes", "sessions.monotonic_writes", checkers.MonotonicWrite, true},
	{"writes follow reads", "sessions.writes_follow_reads", checkers.WriteAfterRead, true},
}

// guarantees lists the session guarantees; none if no read of a register was
// answered.
func guarantees(v *results.Verdict) []guarantee {
	total := staleTotal(v)
	if total == nil {
		return nil
	}
	named := 0
	for _, r := range v.Staleness {
		if r.Node != "" && r.When == "" {
			named += r.Reads
		}
	}
	var all []guarantee
	for _, g := range sessionGuarantees {
		broken, ok := factOf(v, g.fact)
		if !ok {
			continue
		}
		row := guarantee{Name: g.name, Reads: total.Reads, Broken: broken, First: firstOf(v, g.class)}
		if g.byNode {
			row.Reads = named
		}
		all = append(all, row)
	}
	return all
}

// Answer tells whether the guarantee was kept.
func (g guarantee) Answer() results.Answer {
	switch {
	case g.Broken.Known && g.Broken.N > 0:
		return results.Violated
	case g.Broken.Known && g.Reads > 0:
		return results.Holds
	}
	return results.Unproven
}

// Times tells how often it was broken.
func (g guarantee) Times() string {
	switch {
	case g.Answer() == results.Unproven:
		return "unknown"
	case g.Broken.AtLeast:
		return "at least " + units.Digits(g.Broken.N)
	}
	return units.Digits(g.Broken.N)
}

// Told tells of the first that broke it, or why it is unknown.
func (g guarantee) Told() string {
	switch {
	case g.First != nil:
		return g.First.Text
	case g.Answer() != results.Unproven:
		return ""
	case g.Reads == 0:
		return "no read names the node that answered it"
	}
	return g.Broken.Why
}

func factOf(v *results.Verdict, name string) (results.FactValue, bool) {
	i := slices.IndexFunc(v.Values, func(f results.FactValue) bool { return f.Name == name })
	if i < 0 {
		return results.FactValue{}, false
	}
	return v.Values[i], true
}

// firstOf is the earliest finding of a class.
func firstOf(v *results.Verdict, class checkers.Class) *results.Finding {
	var first *results.Finding
	for i := range v.Findings {
		if f := &v.Findings[i]; f.Class == class && (first == nil || f.At < first.At) {
			first = f
		}
	}
	return first
}

// setRow is a time that the elements of sets took.
type setRow struct {
	Name, About   string
	P50, P99, Max results.FactValue
}

// setRows are the times of sets that were measured.
func setRows(v *results.Verdict) []setRow {
	var rows []setRow
	for _, t := range [...]struct{ name, fact, about string }{
		{"set stable", "set.stable_latency.", "from an element's acknowledgement to the last read that still lacked it"},
		{"set lost", "set.lost_latency.", "from a lost element's acknowledgement to the last read that had it"},
	} {
		row := setRow{Name: t.name, About: t.about}
		row.P50, _ = factOf(v, t.fact+"p50")
		row.P99, _ = factOf(v, t.fact+"p99")
		row.Max, _ = factOf(v, t.fact+"max")
		if row.Max.Known {
			rows = append(rows, row)
		}
	}
	return rows
}

// setNode is what one node showed of sets.
type setNode struct {
	Node            string
	Stale, Flapping results.FactValue
}

// setNodes lists the nodes that were asked for sets.
func setNodes(v *results.Verdict) []setNode {
	var rows []setNode
	for _, node := range v.Nodes {
		stale, ok := factOf(v, "set."+node+".stale")
		flapping, also := factOf(v, "set."+node+".flapping")
		if ok && also {
			rows = append(rows, setNode{node, stale, flapping})
		}
	}
	return rows
}

// anomalyNames are the usual names of transactions' anomalies: of those that are
// counted one and several, of cycles one.
var anomalyNames = map[checkers.Class][2]string{
	checkers.G0:                {"write cycle"},
	checkers.G1c:               {"circular read"},
	checkers.GSingle:           {"read skew"},
	checkers.GNonadjacent:      {"long read skew"},
	checkers.G2:                {"write skew"},
	checkers.G1a:               {"aborted read", "aborted reads"},
	checkers.G1b:               {"intermediate read", "intermediate reads"},
	checkers.LostUpdate:        {"lost update", "lost updates"},
	checkers.DirtyUpdate:       {"dirty update", "dirty updates"},
	checkers.Future:            {"future read", "future reads"},
	checkers.InternalRead:      {"internal inconsistency", "internal inconsistencies"},
	checkers.IncompatibleOrder: {"list in two orders", "lists in two orders"},
	checkers.Duplicate:         {"duplicated element", "duplicated elements"},
	checkers.PhantomElement:    {"phantom element", "phantom elements"},
}

// anomalyEndings tell of a class of cycles which order its transactions contradict.
var anomalyEndings = [...][2]string{{"-process", " against a client's own order"}, {"-realtime", " against real time"}}

// anomalyRow is a class of anomalies of transactions.
type anomalyRow struct {
	Name, Not string
	Count     string // of cycles only that there are
	Words     string // name and count
	First     *results.Finding
}

func anomalyRowOf(v *results.Verdict, c checkers.ClassCount) anomalyRow {
	base, against := string(c.Class), ""
	for _, e := range anomalyEndings {
		if rest, ok := strings.CutSuffix(base, e[0]); ok {
			base, against = rest, e[1]
		}
	}
	row := anomalyRow{Name: string(c.Class), Not: c.Not, Count: fmt.Sprint(c.N), First: firstOf(v, c.Class)}
	switch names := anomalyNames[checkers.Class(base)]; {
	case names[1] != "":
		row.Name, row.Words = names[0], units.Plural(c.N, names[0], names[1])
	default:
		row.Name = strings.TrimSpace(names[0] + against + " (" + string(c.Class) + ")")
		row.Words, row.Count = row.Name, "at least 1"
	}
	return row
}

// anomalyRows are the anomalies of transactions, those that rule out the weakest
// level first.
func anomalyRows(v *results.Verdict) []anomalyRow {
	var rows []anomalyRow
	if v.Isolation != nil {
		for _, c := range v.Isolation.Anomalies {
			rows = append(rows, anomalyRowOf(v, c))
		}
	}
	return rows
}

// decisive is the index of the finding of fewest transactions that rules out
// the weakest level; -1 if none is kept.
func decisive(v *results.Verdict) int {
	if v.Isolation == nil {
		return -1
	}
	least := -1
	for i := range v.Findings {
		f := &v.Findings[i]
		rules := slices.ContainsFunc(v.Isolation.Anomalies, func(c checkers.ClassCount) bool { return c.Class == f.Class && c.Not == v.Isolation.Not })
		if rules && (least < 0 || len(f.Evidence) < len(v.Findings[least].Evidence)) {
			least = i
		}
	}
	return least
}

// isolationWords tells in one sentence how isolated transactions were; empty if
// there were none.
func isolationWords(v *results.Verdict) string {
	i := v.Isolation
	switch {
	case i == nil || i.Txns == 0:
		return ""
	case i.Not == "" && i.Why == "":
		return fmt.Sprintf("Nothing rules out %s, of %s.", i.Level, units.Plural(i.Txns, "transaction", "transactions"))
	case i.Not == "":
		return fmt.Sprintf("At most %s; whether it is that is unknown: %s.", i.Level, i.Why)
	}
	text := "At most " + i.Level
	var found []string
	var first *results.Finding
	for _, a := range anomalyRows(v) {
		if a.Not != i.Not {
			continue
		}
		found = append(found, a.Words)
		if a.First != nil && (first == nil || a.First.At < first.At) {
			first = a.First
		}
	}
	text += fmt.Sprintf(", not %s: %s", i.Not, strings.Join(found, " and "))
	if i.Level == "" {
		text = fmt.Sprintf("Not even %s: %s", i.Not, strings.Join(found, " and "))
	}
	if first != nil {
		text += ", the first at " + units.Instant(first.At)
	}
	if i.Why != "" && i.Level != "" {
		text += "; whether it is " + i.Level + " is unknown: " + i.Why
	}
	return text + "."
}
