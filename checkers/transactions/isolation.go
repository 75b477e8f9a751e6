package transactions

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// isolation is one level, with the classes of anomalies that rule it out. A
// stronger level is also ruled out by all that rules out a weaker one.
type isolation struct {
	fact    string
	meaning string
	ruled   []checkers.Class
}

// name is the level's usual name.
func (i *isolation) name() string {
	return strings.ReplaceAll(strings.TrimPrefix(i.fact, "append."), "_", " ")
}

// isolations from the weakest to the strongest. A snapshot may be isolated
// from others and yet the whole not be serializable (G2-item), but what breaks
// the isolation of snapshots also breaks serializability.
//
// What one transaction shows against itself counts as follows. A read of what
// it appends only later (future-read) is a read of a write that depends on the
// reader, a cycle of one transaction: G1c, as Elle has it (elle.consistency-model,
// implied-anomalies), so not read committed. A read without its own earlier
// appends, or two that differ in what others wrote (internal), breaks the axiom INT
// of Cerone, Bernardi and Gotsman ("A framework for transactional consistency
// models with atomic visibility", CONCUR 2015), which read committed does not
// ask for: the second may well be a read of a later version. Adya's levels do not
// ask for the first in words, but snapshot isolation is the weakest here of which
// Elle says that it does. Another's read of one transaction's appends in
// another order, or with one of the first missing, contradicts the order of writes
// within that transaction, which Adya's histories keep at every level: it counts
// as a list in two orders does, as not even read uncommitted. Elle leaves this
// out. A read that ends among one transaction's appends is intermediate (G1b).
var isolations = []isolation{
	{"append.read_uncommitted", "the history allows read uncommitted: no write cycle (G0), no list in two orders or against that of one transaction's appends",
		[]checkers.Class{checkers.G0, checkers.IncompatibleOrder, checkers.Duplicate}},
	{"append.read_committed", "the history allows read committed: no aborted, intermediate or circular reads (G1a, G1b, G1c) as well, none of what the reader appends later",
		[]checkers.Class{checkers.G1a, checkers.G1b, checkers.G1c, checkers.Future, checkers.DirtyUpdate, checkers.PhantomElement}},
	{"append.snapshot_isolation", "the history allows snapshot isolation: no read skew (G-single, G-nonadjacent) or lost update as well",
		[]checkers.Class{checkers.GSingle, checkers.GNonadjacent, checkers.LostUpdate, checkers.InternalRead}},
	{"append.serializable", "the history allows serializability: no write skew (G2-item) as well",
		[]checkers.Class{checkers.G2}},
	{"append.strong_session_serializable", "the history is serializable in an order that keeps each client's",
		[]checkers.Class{checkers.G0 + "-process", checkers.G1c + "-process", checkers.GSingle + "-process", checkers.GNonadjacent + "-process", checkers.G2 + "-process"}},
	{"append.strict_serializable", "the history is serializable in an order that keeps real time",
		[]checkers.Class{checkers.G0 + "-realtime", checkers.G1c + "-realtime", checkers.GSingle + "-realtime", checkers.GNonadjacent + "-realtime", checkers.G2 + "-realtime"}},
}

// isolation sums up the values of the levels, which are in order.
func (t *tally) isolation(levels []checkers.Value) *checkers.Isolation {
	sum := &checkers.Isolation{Txns: t.acked}
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
				sum.Anomalies = append(sum.Anomalies, checkers.ClassCount{Class: class, N: n, Not: name})
			}
		}
	}
	return sum
}
