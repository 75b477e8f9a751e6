package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// completeGate is met when nothing of what was recorded is missing or changed.
func completeGate(in Input) Gate {
	g := Gate{Name: "whole history", Detail: "the history has its end mark"}
	switch {
	case in.Log.Doubts.Torn != "":
		g.Detail = in.Log.Doubts.Torn
	case in.Log.Torn:
		g.Detail = "the history ends without its end mark: the harness died, and the last operations are missing; make the run again"
	case in.Log.EventsTorn != "":
		g.Detail = fmt.Sprintf("%s: %s; make the run again, or take the file from where it was made", history.EventsFileName, in.Log.EventsTorn)
	case len(in.Changed) > 0:
		g.Detail = fmt.Sprintf("%s: changed after the run, so that it does not tell what was run; take it from where it was made, or name other claims with --claim", strings.Join(in.Changed, ", "))
	default:
		g.Met = true
		if in.Log.Meta.EventsMarked {
			g.Detail = "the history and the events have their end marks"
		}
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

// faultGates are one gate for each fault that the plan names an instant for, one
// for each entry of random faults, and one for each fault that happened though
// the schedule does not have it, as when lines of it are missing.
func faultGates(in Input, happened []Fault) []Gate {
	var list []Gate
	random := map[int][]PlannedFault{}
	var entries []int
	for _, p := range in.Planned {
		if p.Entry == 0 {
			list = append(list, faultGate(p, happened))
			continue
		}
		if random[p.Entry] == nil {
			entries = append(entries, p.Entry)
		}
		random[p.Entry] = append(random[p.Entry], p)
	}
	slices.Sort(entries)
	for _, entry := range entries {
		list = append(list, randomGate(random[entry], happened, in.Effect))
	}
	for i := range happened {
		f := &happened[i]
		if in.Scheduled && !slices.ContainsFunc(in.Planned, func(p PlannedFault) bool { return p.ID == f.ID }) {
			list = append(list, Gate{Name: strings.TrimSpace(fmt.Sprintf("fault %s %s", f.ID, f.Kind())),
				Detail: "it happened, and the schedule does not have it: the run's files do not belong together; take them from where the run was made"})
		}
	}
	return list
}

// randomGate is met when enough of the faults of one entry of random faults are
// in order: at an instant that chance chose there may be no victim, as in the
// middle of a failover, and one such among many proves nothing against the run.
func randomGate(planned []PlannedFault, happened []Fault, effect float64) Gate {
	const shown = 3
	if effect <= 0 {
		effect = 1
	}
	g := Gate{Name: fmt.Sprintf("faults %s", planned[0].Every)}
	var missed []string
	for _, p := range planned {
		if one := faultGate(p, happened); !one.Met {
			why, _, _ := strings.Cut(one.Detail, "; ")
			missed = append(missed, fmt.Sprintf("%s (%s)", one.Name, why))
		}
	}
	took := len(planned) - len(missed)
	need := max(1, int(math.Ceil(effect*float64(len(planned))-1e-9)))
	g.Met = took >= need
	g.Detail = fmt.Sprintf("%d of %d took effect while operations were in flight, at least %d needed", took, len(planned), need)
	if n := len(missed); n > 0 {
		g.missed = true
		g.Detail += "; not " + strings.Join(missed[:min(n, shown)], ", ")
		if n > shown {
			g.Detail += fmt.Sprintf(", and %d more", n-shown)
		}
	}
	if !g.Met {
		g.Detail += ". Give every a longer mean distance, so that the system has recovered, or lower gates.random_faults"
	}
	return g
}

// faultGate is met when the fault took effect while operations were under way,
// and its kind finds the evidence of that sufficient.
func faultGate(p PlannedFault, happened []Fault) Gate {
	g := Gate{Name: strings.TrimSpace(fmt.Sprintf("fault %s %s", p.ID, p.Kind))}
	i := indexFault(happened, p.ID)
	if i < 0 {
		g.Detail = "it was never put into effect: the run ended before"
		return g
	}
	f := &happened[i]
	if !f.Executed {
		g.Detail = "it did not take effect: " + cmp.Or(f.Error, "its event is missing") + "; choose another instant (at) or victim, and see harness.log in the run's folder"
		return g
	}
	if !f.met {
		g.Detail = fmt.Sprintf("no operation was attempted or answered from when it took effect at %s until it ended; raise the workload's rate, or have it last longer (for)", units.Instant(f.At))
		return g
	}
	kind, _ := faults.Lookup(cmp.Or(p.Kind, f.Kind()))
	words, ok := kind.Verify(faults.Evidence{Healed: f.Healed, Dropped: f.Dropped, Counts: f.Counts})
	if !ok {
		g.Detail = words
		return g
	}
	g.Met = true
	g.Detail = fmt.Sprintf("it took effect at %s while operations were in flight", units.Instant(f.At))
	if words != "" {
		g.Detail += " and " + words
	}
	return g
}

// touches tells whether an operation of the load shows something of a fault: it
// was under way when the fault took effect and ended, or it was attempted or
// answered while the fault was in force. One that found no node to go to
// attempted nothing, and one whose answer never came, as in histories of other
// tools, answers nothing, unless the agents have counted what they did: a reset
// leaves what was under way without an answer. That too few replicas took a write is an
// answer, though nobody knows what becomes of the write. Some faults are shown by what is answered
// afterwards, see Fault.afterwards.
func touches(op *history.Op, f *Fault) bool {
	within := func(at int64) bool { return f.At <= at && at <= f.End }
	switch {
	case op.Final() || op.Error == history.ErrNoTarget:
		return false
	case within(op.End) || within(op.Start):
		return true
	case f.afterwards() && op.Start > f.End:
		return op.Outcome == history.OK
	}
	return op.Start <= f.At && f.At <= op.End && (op.Outcome != history.Unknown || op.Error == history.ErrNoQuorum || len(f.Counts) > 0)
}

// afterwards tells whether what is answered after a fault shows something of it: that a
// server runs again which had ended by itself; and while what is over in an instant took
// effect, as a reset, nothing may have been under way just then.
func (f *Fault) afterwards() bool {
	kind, _ := faults.Lookup(f.Kind())
	return f.Counts[faults.CountStarted] > 0 || kind.Instant && !kind.Outage && !kind.Starts && f.Healed
}

// unansweredNotes tell of faults during which nobody was answered: of a history
// without a schedule no gate says that they show nothing.
func unansweredNotes(happened []Fault) []string {
	var notes []string
	for i := range happened {
		if f := &happened[i]; f.Executed && !f.answered {
			notes = append(notes, fmt.Sprintf("no operation was completed while %s (%s) was in force, from %s to %s: nothing here is shown of it",
				f.ID, f.Name, units.Instant(f.At), units.Instant(f.End)))
		}
	}
	return notes
}
