package availability

import (
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// Faults counts the faults themselves and how punctual they were.
func Faults() checkers.Checker {
	return checkers.Checker{
		Name: "faults",
		Facts: []checkers.Fact{
			{Name: "faults.count", Unit: checkers.Number, Better: checkers.Neither, Meaning: "faults that took effect"},
			{Name: "faults.precision.max", Unit: checkers.Nanos, Meaning: "greatest distance between a fault's planned and actual instant"},
		},
		Check:  func(_ context.Context, in checkers.Input) checkers.Result { return countFaults(in.Log) },
		Follow: func(in checkers.Input) checkers.Follower { return eventsAlone{in.Log} },
	}
}

// eventsAlone judges a log on disk by its events, which are in memory.
type eventsAlone struct{ log *history.Log }

func (eventsAlone) Add(*history.Op)                                       {}
func (eventsAlone) Choose(func(history.Size) bool) func(*history.Op) bool { return nil }
func (f eventsAlone) Judge(context.Context) checkers.Result               { return countFaults(f.log) }

// countFaults looks at the events of the faults that took effect, one for each
// victim or one for all: a fault is as punctual as its least punctual victim.
func countFaults(log *history.Log) checkers.Result {
	var took []string
	worst, sure, doubts := int64(0), int64(0), kit.DoubtsOf(log)
	for i := range log.Events {
		e := &log.Events[i]
		if e.Kind != history.EventFault || e.Failed {
			continue
		}
		if !slices.Contains(took, e.Fault) {
			took = append(took, e.Fault)
		}
		if off := kit.Span(e.At, e.Planned); e.Planned != 0 {
			worst = max(worst, off, -off)
			sure = max(sure, doubts.Sure(min(e.At, e.Planned), max(e.At, e.Planned)))
		}
	}
	precision := kit.Between("faults.precision.max", float64(sure), float64(worst), doubts.Why())
	if len(took) == 0 {
		precision = checkers.Value{Name: precision.Name, Why: "no fault took effect"}
	}
	return checkers.Result{Values: []checkers.Value{{Name: "faults.count", N: float64(len(took)), Known: true}, precision}}
}
