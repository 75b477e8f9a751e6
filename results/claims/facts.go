package claims

import (
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	allcheckers "github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/checkers/latency"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// Facts lists every fact that a run can have. In their names <node>, <fault>,
// <workload>, <phase> (of the load) and <kind> (read, write, cas, add, readset, enqueue, dequeue, txn,
// increment, …) stand for the run's own.
func Facts() []checkers.Fact { return allcheckers.Facts() }

// KnownFact tells whether a claim may name this fact in a run with these
// nodes, fault ids, workloads and phases of the load.
func KnownFact(name string, nodes, faults, workloads, phases []string) bool {
	for _, f := range Facts() {
		for _, n := range expand(f.Name, nodes, faults, workloads, phases) {
			if n == name {
				return true
			}
		}
	}
	return false
}

// expand replaces the placeholders of a fact's name in every way.
func expand(name string, nodes, faults, workloads, phases []string) []string {
	names := []string{name}
	for placeholder, values := range map[string][]string{
		"<node>": nodes, "<fault>": faults, "<workload>": workloads, "<phase>": phases, "<kind>": kindNames(),
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
	names := make([]string, 0, len(latency.Kinds))
	for _, k := range latency.Kinds {
		names = append(names, k.String())
	}
	return names
}

// LookupFact finds the fact that a name stands for, by its own spelling or by
// a pattern whose placeholders stand for one word each. The name of the result
// is the given one.
func LookupFact(name string) (checkers.Fact, bool) {
	return Lookup(Facts(), name)
}

// MeasuredBy finds the checker that measures the fact that a name stands for, as
// LookupFact reads it; it is false for facts that no checker measures.
func MeasuredBy(name string) (checkers.Checker, bool) {
	fact, found := pattern(Facts(), name)
	for _, c := range allcheckers.All() {
		if found && slices.ContainsFunc(c.Facts, func(f checkers.Fact) bool { return f.Name == fact.Name }) {
			return c, true
		}
	}
	return checkers.Checker{}, false
}

// PatternOf is the name of a fact as the table has it, with placeholders; empty
// for a name of none.
func PatternOf(name string) string {
	fact, _ := pattern(Facts(), name)
	return fact.Name
}

// Lookup is LookupFact among some facts.
func Lookup(facts []checkers.Fact, name string) (checkers.Fact, bool) {
	fact, found := pattern(facts, name)
	fact.Name = name
	return fact, found
}

// pattern is the fact whose name a name is spelt as, or else matches.
func pattern(facts []checkers.Fact, name string) (checkers.Fact, bool) {
	best, found := checkers.Fact{}, false
	for _, f := range facts {
		if f.Name == name {
			return f, true
		}
		if matches(f.Name, name) && (!found || strings.Count(f.Name, "<") < strings.Count(best.Name, "<")) {
			best, found = f, true
		}
	}
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
	for _, k := range latency.Kinds {
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
		for _, candidate := range expand(f.Name, []string{"<node>"}, []string{"<fault>"}, []string{"<workload>"}, []string{"<phase>"}) {
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
