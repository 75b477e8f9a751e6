package checkers

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// LogFor is a log as a checker gets it where drivers of the load were lost. What they may
// have done that nobody recorded is in the log as possible operations, each of which may
// have taken effect or not (history.ErrUntold); then the log is whole, as one is in which
// a client died between its question and the answer. Where it is not, as of workloads of
// which nobody can tell what would have been sent, the log is torn for whoever judges
// these, and for whoever judges all.
func LogFor(c *Checker, log *history.Log) *history.Log {
	if log.Torn || log.Doubts.Lost == "" {
		return log
	}
	why := ""
	if len(c.Objects) == 0 {
		why = log.Doubts.Lost
	}
	for i, w := range log.Meta.Workloads {
		if Judges(c, w) {
			why = cmp.Or(why, log.UntoldOf(i))
		}
	}
	if why == "" {
		return log
	}
	torn := *log
	torn.Torn, torn.Doubts.Torn = true, why
	return &torn
}

// absent are the facts that count what nobody saw, or what nothing decides: what a lost
// driver saw last may have shown it, and what it was told last may be more of it.
var absent = []string{"set.never_seen", "writes.undecided"}

// lost takes back what is known only with all that a lost driver was told: that there are
// no more anomalies, and how long something took to be seen. What contradicts among the
// operations that are recorded does in any case: to leave out what a driver was told
// last, and to have it as possible operations, allows every order that was allowed
// with it (a history with an operation pending is linearizable if it is with its
// answer: Herlihy and Wing, "Linearizability", 1990, and so for sets, lists and numbers).
// Where that is tolerated, counts of anomalies and what they decide stay: they are then about
// what is recorded. Of a log that is torn for the checker only lengths of time are left to
// take back: a torn log is cut at one time, and here others went on.
func lost(r *Result, c *Checker, log *history.Log) {
	why := log.Doubts.Lost
	if why == "" || !c.Order || !lostPart(c, log) {
		return
	}
	tolerated := log.Doubts.Tolerated && !log.Torn
	if r.Isolation != nil && r.Isolation.Not == "" && !tolerated {
		r.Isolation.Why = cmp.Or(r.Isolation.Why, why)
	}
	for i := range r.Values {
		v := &r.Values[i]
		plain := slices.ContainsFunc(plainCounts, func(end string) bool { return strings.HasSuffix(v.Name, end) })
		switch unit := unitOf(c.Facts, v.Name); {
		case !v.Known:
		case slices.Contains(absent, v.Name):
			*v = Value{Name: v.Name, Why: why}
		case strings.HasPrefix(v.Name, "linearizable.keys_"):
		case v.Name == "append.anomalies" && v.N > 1: // cycles share transactions: how many there are is not certain
			v.N, v.AtLeast, v.AtMost, v.Why = 1, true, 0, cmp.Or(v.Why, "at least; "+why)
		case plain:
			v.AtLeast, v.AtMost, v.Why = true, 0, cmp.Or(v.Why, "at least; "+why)
		case unit == Nanos && strings.HasSuffix(v.Name, ".max") && strings.HasPrefix(v.Name, "reads."), v.Name == "reads.delta_atomicity":
			v.AtLeast, v.AtMost, v.Why = true, 0, cmp.Or(v.Why, "at least; "+why)
		case unit == Nanos, unit == Ratio, unit == PerSec, strings.HasPrefix(v.Name, "reads.version_lag.p"):
			*v = Value{Name: v.Name, Why: why}
		case tolerated:
		case unit == Boolean && v.N != 0, unit == Number && v.N == 0:
			*v = Value{Name: v.Name, Why: why}
		case unit == Number:
			v.AtLeast, v.AtMost, v.Why = true, 0, cmp.Or(v.Why, "at least; "+why)
		}
	}
}

// lostPart tells whether a driver was lost that had a part of what the checker judges.
func lostPart(c *Checker, log *history.Log) bool {
	for i, w := range log.Meta.Workloads {
		if Judges(c, w) && log.LostOf(i) {
			return true
		}
	}
	return false
}
