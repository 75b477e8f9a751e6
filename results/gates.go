package results

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

func completeGate(log *history.Log) Gate {
	g := Gate{Name: "whole history", Met: !log.Torn, Detail: "the history has its end mark"}
	if log.Torn {
		g.Detail = "the history ends without its end mark: the harness died, and the last operations are missing"
	}
	return g
}

// plannedGate is not met when the harness recorded that a planned thing did
// not happen.
func plannedGate(log *history.Log) Gate {
	const shown = 3
	var failed []string
	for i := range log.Events {
		if e := &log.Events[i]; e.Kind == history.EventGateFailed {
			failed = append(failed, strings.TrimSpace(e.Fault+" "+e.Detail))
		}
	}
	g := Gate{Name: "run as planned", Met: len(failed) == 0, Detail: "nothing that was planned failed to happen"}
	if n := len(failed); n > 0 {
		g.Detail = strings.Join(failed[:min(n, shown)], "; ")
		if n > shown {
			g.Detail += fmt.Sprintf("; and %d more", n-shown)
		}
	}
	return g
}

// faultGate is met when the fault took effect while operations were in flight,
// and, of a partition, when its rules dropped packets.
func faultGate(p PlannedFault, faults []Fault) Gate {
	g := Gate{Name: strings.TrimSpace(fmt.Sprintf("fault %s %s", p.ID, p.Kind))}
	i := indexFault(faults, p.ID)
	if i < 0 {
		g.Detail = "it was never put into effect"
		return g
	}
	f := &faults[i]
	if !f.Executed {
		g.Detail = "it did not take effect: " + f.Error
		return g
	}
	if !f.met {
		g.Detail = fmt.Sprintf("no operation was in flight when it took effect at %s or until it ended", seconds(f.At))
		return g
	}
	if isPartition(p.Kind, f.Kind) && f.Dropped == 0 {
		g.Detail = "it dropped no packet, so nobody can have noticed it"
		if !f.Healed {
			g.Detail = "it was not seen to drop a packet: its heal was not recorded"
		}
		return g
	}
	g.Met = true
	g.Detail = fmt.Sprintf("it took effect at %s while operations were in flight", seconds(f.At))
	if f.Dropped > 0 {
		g.Detail += fmt.Sprintf(" and dropped %s", plural(int(min(f.Dropped, 1<<53)), "packet", "packets"))
	}
	return g
}

func isPartition(planned, actual string) bool {
	if planned == "" {
		planned = actual
	}
	return planned == "partition"
}

// inFlight tells whether an operation of the load ran when the fault took
// effect, or began while it lasted.
func inFlight(op *history.Op, f *Fault) bool {
	return !op.Final() && (op.Start <= f.At && f.At <= op.End || f.At <= op.Start && op.Start <= f.End)
}
