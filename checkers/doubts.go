package checkers

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// Reasons that are others in a history from elsewhere.
const (
	// TornWhy is why what a torn log does not show is unknown.
	TornWhy = "the history is torn: the last operations are missing"
	// NoFinals is why nothing can be judged by final reads.
	NoFinals = "no final read was answered: the cluster did not settle, or the run ended before"
	// NoDrain is why what is left in queues cannot be judged.
	NoDrain = "no queue was drained: the cluster did not settle, or the run ended before"
)

// doubt takes back what a log's doubts forbid to say.
func doubt(r *Result, facts []Fact, d *history.Doubts) {
	for i := range r.Values {
		why := &r.Values[i].Why
		if d.Torn != "" {
			*why = strings.ReplaceAll(*why, TornWhy, d.Torn)
		}
		if d.Finals != "" {
			*why = strings.ReplaceAll(*why, NoFinals, d.Finals)
		}
		if d.Drained != "" {
			*why = strings.ReplaceAll(*why, NoDrain, d.Drained)
		}
	}
	if d.Begins != "" {
		unbegun(r, facts, d.Begins)
	}
	if d.Times != "" {
		untime(r, facts, d.Times)
	}
}

// untime takes out of a result what is a duration, or is counted in time: of
// facts it leaves the names, with the reason.
func untime(r *Result, facts []Fact, why string) {
	for i := range r.Values {
		if v := &r.Values[i]; v.Known && timed(facts, v.Name) {
			*v = Value{Name: v.Name, Why: why}
		}
	}
	for i := range r.Findings {
		r.Findings[i].Gap = 0
	}
	r.Latency, r.Stale, r.Staleness = nil, nil, nil
}

// plainCounts end the names of facts that count what was done. All other counts
// are of anomalies.
var plainCounts = []string{".acked", ".unknown", ".failed", ".ok", ".txns", ".increments", ".generated", ".enqueued", ".dequeued", ".drained",
	".count", ".keys_checked", ".keys_undecided", ".markers", ".transfers", ".reads"}

// unordered are the levels of isolation that rest on what was read alone.
var unordered = []string{"append.read_uncommitted", "append.read_committed", "append.snapshot_isolation", "append.serializable"}

// unbegun takes back what is known only with when operations began: that an
// order was kept, and that there are no more anomalies.
func unbegun(r *Result, facts []Fact, why string) {
	if r.Isolation != nil && r.Isolation.Not == "" {
		r.Isolation.Why = cmp.Or(r.Isolation.Why, why)
	}
	for i := range r.Values {
		v := &r.Values[i]
		plain := slices.ContainsFunc(plainCounts, func(end string) bool { return strings.HasSuffix(v.Name, end) })
		switch unit := unitOf(facts, v.Name); {
		case !v.Known || plain || slices.Contains(unordered, v.Name):
		case unit == Boolean && v.N != 0:
			*v = Value{Name: v.Name, Why: why}
		case (unit == Number || v.Name == "reads.stale_ratio") && !v.AtLeast:
			v.AtLeast, v.AtMost, v.Why = true, 0, cmp.Or(v.Why, why)
		}
	}
}

// unitOf is the unit of a value's fact.
func unitOf(facts []Fact, name string) Unit {
	unit := Unit("")
	for _, f := range facts {
		if f.Name == name {
			return f.Unit
		}
		if spells(f.Name, name) && unit == "" {
			unit = f.Unit
		}
	}
	return unit
}

// timed tells whether a value is of a fact that is measured in time. Names of
// nodes and faults may have any signs, so a name may be spelt as several facts.
func timed(facts []Fact, name string) bool {
	found := false
	for _, f := range facts {
		duration := f.Unit == Nanos || f.Unit == PerSec
		if f.Name == name {
			return duration
		}
		found = found || duration && spells(f.Name, name)
	}
	return found
}

// spells tells whether a name is one of a pattern's, with something in place of
// its first and last placeholder.
func spells(pattern, name string) bool {
	first, last := strings.IndexByte(pattern, '<'), strings.LastIndexByte(pattern, '>')
	return first >= 0 && last > first && len(name) > len(pattern)-(last+1-first) &&
		strings.HasPrefix(name, pattern[:first]) && strings.HasSuffix(name, pattern[last+1:])
}
