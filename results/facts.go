package results

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// loadKinds are the kinds of operations whose latency is measured; they stand
// for <kind> in facts' names.
var loadKinds = [...]history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Enqueue, history.Dequeue,
	history.Txn, history.Increment, history.Generate, history.Transfer, history.Balances}

// percentile names one percentile of a latency fact.
type percentile struct {
	name    string
	percent float64
	about   string
}

var percentiles = [...]percentile{
	{"p50", 50, "median"},
	{"p90", 90, "90th percentile"},
	{"p99", 99, "99th percentile"},
	{"p999", 99.9, "99.9th percentile"},
	{"max", 100, "greatest"},
}

// Facts lists every fact that a run can have: those measured here and those of
// the checkers. In their names <node>, <fault>, <workload> and <kind> (read,
// write, cas, add, readset, enqueue, dequeue, txn, increment, …) stand for the run's own.
func Facts() []checkers.Fact { return append(ownFacts(), checkers.Facts()...) }

func ownFacts() []checkers.Fact {
	var facts []checkers.Fact
	add := func(name string, unit checkers.Unit, meaning string) {
		facts = append(facts, checkers.Fact{Name: name, Unit: unit, Meaning: meaning})
	}
	for _, p := range percentiles {
		add("latency.<kind>."+p.name, checkers.Nanos, p.about+" of intended start to answer of the acknowledged operations of a kind")
	}
	for _, p := range percentiles {
		add("latency."+p.name, checkers.Nanos, p.about+" of intended start to answer of all acknowledged operations")
	}
	add("latency.<kind>.before.p99", checkers.Nanos, "99th percentile of the operations intended before the first fault")
	add("latency.<kind>.during.p99", checkers.Nanos, "99th percentile of the operations intended while a fault was active")
	add("latency.<kind>.after.p99", checkers.Nanos, "99th percentile of the operations intended when no fault was active any more")
	add("ops.late.p99", checkers.Nanos, "99th percentile of intended to actual start before the first fault: how far the load generator itself fell behind")
	add("faults.count", checkers.Number, "faults that took effect")
	add("faults.precision.max", checkers.Nanos, "greatest distance between a fault's planned and actual instant")
	return facts
}

// KnownFact tells whether a claim may name this fact in a run with these
// nodes, fault ids and workloads.
func KnownFact(name string, nodes, faults, workloads []string) bool {
	for _, f := range Facts() {
		for _, n := range expand(f.Name, nodes, faults, workloads) {
			if n == name {
				return true
			}
		}
	}
	return false
}

// expand replaces the placeholders of a fact's name in every way.
func expand(name string, nodes, faults, workloads []string) []string {
	names := []string{name}
	for placeholder, values := range map[string][]string{
		"<node>": nodes, "<fault>": faults, "<workload>": workloads, "<kind>": kindNames(),
	} {
		if !strings.Contains(name, placeholder) {
			continue
		}
		var next []string
		for _, n := range names {
			for _, v := range values {
				next = append(next, strings.ReplaceAll(n, placeholder, v))
			}
		}
		names = next
	}
	return names
}

func kindNames() []string {
	names := make([]string, 0, len(loadKinds))
	for _, k := range loadKinds {
		names = append(names, k.String())
	}
	return names
}

// LookupFact finds the fact that a name stands for, by its own spelling or by
// a pattern whose placeholders stand for one word each. The name of the result
// is the given one.
func LookupFact(name string) (checkers.Fact, bool) {
	return lookup(Facts(), name)
}

func lookup(facts []checkers.Fact, name string) (checkers.Fact, bool) {
	best, found := checkers.Fact{}, false
	for _, f := range facts {
		if f.Name == name {
			return f, true
		}
		if matches(f.Name, name) && (!found || strings.Count(f.Name, "<") < strings.Count(best.Name, "<")) {
			best, found = f, true
		}
	}
	best.Name = name
	return best, found
}

func matches(pattern, name string) bool {
	p, n := strings.Split(pattern, "."), strings.Split(name, ".")
	if len(p) != len(n) {
		return false
	}
	for i := range p {
		if p[i] != n[i] && !placeholder(p[i]) || p[i] == "<kind>" && !isKind(n[i]) {
			return false
		}
	}
	return true
}

func placeholder(s string) bool { return strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") }

func isKind(s string) bool {
	for _, k := range loadKinds {
		if k.String() == s {
			return true
		}
	}
	return false
}

// SuggestFact returns the known name nearest to a misspelt one, or "" when
// none is near. Placeholders take the misspelt name's own words.
func SuggestFact(name string) string {
	var candidates []string
	for _, f := range Facts() {
		for _, candidate := range expand(f.Name, []string{"<node>"}, []string{"<fault>"}, []string{"<workload>"}) {
			candidates = append(candidates, fillIn(candidate, name))
		}
	}
	best, _ := spelling.Nearest(name, candidates)
	return best
}

func fillIn(pattern, name string) string {
	p, n := strings.Split(pattern, "."), strings.Split(name, ".")
	for i := range p {
		if placeholder(p[i]) && i < len(n) {
			p[i] = n[i]
		}
	}
	return strings.Join(p, ".")
}
