package checkers

import "strings"

// isolation is one level, with the classes of anomalies that rule it out. A
// stronger level is also ruled out by all that rules out a weaker one.
type isolation struct {
	fact    string
	meaning string
	ruled   []Class
}

// name is the level's usual name.
func (i *isolation) name() string {
	return strings.ReplaceAll(strings.TrimPrefix(i.fact, "append."), "_", " ")
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

// Isolation is the strongest level that a history of transactions may have.
type Isolation struct {
	Level     string       `json:"level,omitempty"` // empty: not even the weakest
	Not       string       `json:"not,omitempty"`   // the weakest level that is ruled out; empty: none is
	Anomalies []ClassCount `json:"anomalies,omitempty"`
	Txns      int          `json:"txns"`          // acknowledged
	Why       string       `json:"why,omitempty"` // why it is unknown whether Level is reached
}

// ClassCount is how often a class of anomalies was found; of cycles, one of each
// class is counted.
type ClassCount struct {
	Class Class  `json:"class"`
	N     int    `json:"n"`
	Not   string `json:"not"` // the weakest level that it rules out
}

// isolation sums up the values of the levels, which are in order.
func (t *appendTally) isolation(levels []Value) *Isolation {
	sum := &Isolation{Txns: t.acked}
	for i, v := range levels {
		name := isolations[i].name()
		switch {
		case sum.Not != "":
		case v.Known && v.N == 0:
			sum.Not = name
		default:
			sum.Level, sum.Why = name, v.Why
		}
		for _, class := range isolations[i].ruled {
			if n := t.classes[class]; n > 0 {
				sum.Anomalies = append(sum.Anomalies, ClassCount{class, n, name})
			}
		}
	}
	return sum
}
