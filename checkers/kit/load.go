package kit

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// LoadPhase is a stretch of a run in which the load followed one rule.
type LoadPhase struct {
	Name string
	Rule string // in words: "500/s"
	Stretch
	workloads []bool // whose load it is, by index
}

// Of tells whether a workload followed the phase's rule.
func (p *LoadPhase) Of(workload uint8) bool { return p.workloads[workload] }

// Has tells whether an instant is in the phase, whose end is not.
func (p *LoadPhase) Has(at int64) bool { return p.Begin <= at && at < p.End }

// LoadPhases are those of a log, in order of their begin: as far as the load went
// on, if it was called off.
func LoadPhases(log *history.Log) []LoadPhase {
	var all []LoadPhase
	demand := DemandOf(log)
	for i := range log.Events {
		e := &log.Events[i]
		if e.Kind != history.EventLoad || slices.ContainsFunc(all, func(p LoadPhase) bool { return p.Name == e.Name }) {
			continue
		}
		p := LoadPhase{Name: e.Name, Rule: e.Detail, Stretch: Stretch{e.At, max(e.At, e.Until)}, workloads: make([]bool, 256)}
		if demand.Told {
			p.End = max(p.Begin, min(p.End, demand.Stop))
		}
		for _, name := range e.Workloads {
			if w, ok := workloadOf(log, name); ok {
				p.workloads[w] = true
			}
		}
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b LoadPhase) int { return int(min(max(Span(a.Begin, b.Begin), -1), 1)) })
	return all
}
