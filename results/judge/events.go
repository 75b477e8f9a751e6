package judge

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
)

// checkEvents refuses events of faults that were never planned, and of nodes that
// there are not. They are of another run, damaged or forged: what a fault touched
// could not be told, and any number of them would hold up the judgement. Without a
// schedule, of a bare history, there may be as many faults as a plan can have.
func checkEvents(log *history.Log, schedule []faults.Planned, known bool) error {
	planned := map[string]bool{}
	for _, p := range schedule {
		planned[p.ID] = true
	}
	seen := map[string]bool{}
	for i := range log.Events {
		e := &log.Events[i]
		if e.Kind != history.EventFault && e.Kind != history.EventHeal {
			continue
		}
		if seen[e.Fault] = true; known && !planned[e.Fault] || len(seen) > faults.MaxPlanned {
			return fmt.Errorf("%s tells of the fault %q, which the schedule does not have: the two are not of one run", history.EventsFileName, e.Fault)
		}
		for _, node := range e.Nodes {
			if !slices.Contains(log.Meta.Nodes, node) {
				return fmt.Errorf("%s tells of the fault %s on the node %q, which the history does not have: the two are not of one run", history.EventsFileName, e.Fault, node)
			}
		}
	}
	return nil
}
