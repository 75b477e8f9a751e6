// Package objectives measures each fault in the words of those who run databases:
// the recovery time objective, how long until clients were served again, and the
// recovery point objective, what was lost of what had been acknowledged.
package objectives

import (
	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// measures are what is told of every fault, and of all cycles their median and worst.
var measures = []struct {
	name, fault string // of all cycles, before .p50 and .max; of one fault
	unit        checkers.Unit
	meaning     string
}{
	{"rto.detect", "rto.<fault>.detect", checkers.Nanos, "time from the fault to the first error or time-out of a client, before the next fault"},
	{"rto.role", "rto.<fault>.role", checkers.Nanos, "time from the fault, which hit the primary, until another node was the primary; known as exactly as roles are asked for"},
	{"rto.client.write", "rto.<fault>.client.write", checkers.Nanos, "time from the fault to the first acknowledged write begun after it"},
	{"rto.client.read", "rto.<fault>.client.read", checkers.Nanos, "time from the fault to the first answered read begun after it"},
	{"rpo.ops", "rpo.<fault>.ops", checkers.Number, "acknowledged writes that were lost by the fault: those begun before its effects were over, and after those of the fault before"},
	{"rpo.time", "rpo.<fault>.time", checkers.Nanos, "age, when the fault began, of the oldest acknowledgement of a write that was lost by it; 0 without any"},
	{"redundancy.restored", "redundancy.<fault>.restored", checkers.Nanos, "time from the fault until every node had shown something that was written after the fault was over, or the cluster was seen settled"},
}

// Checker measures recovery times and points.
func Checker() checkers.Checker {
	facts := []checkers.Fact{{Name: "rto.cycles", Unit: checkers.Number, Better: checkers.Neither, Meaning: "cycles: faults that hit the primary, or, of a system without one, that keep nodes from serving; those that overlap count once"}}
	for _, m := range measures {
		facts = append(facts, checkers.Fact{Name: m.name + ".p50", Unit: m.unit, Meaning: "median of all cycles: " + m.meaning},
			checkers.Fact{Name: m.name + ".max", Unit: m.unit, Meaning: "worst of all cycles: " + m.meaning},
			checkers.Fact{Name: m.fault, Unit: m.unit, Meaning: m.meaning})
	}
	return checkers.Checker{
		Name:     "objectives",
		Objects:  []history.Object{history.ObjectRegister, history.ObjectSet, history.ObjectQueue, history.ObjectList, history.ObjectCounter, history.ObjectIDs, history.ObjectAccounts},
		Facts:    facts,
		Check:    checkers.CheckBy(follow),
		Follow:   follow,
		Conclude: func(in checkers.Input, found *checkers.Result) []checkers.Value { return points(in.Log, found) },
	}
}
