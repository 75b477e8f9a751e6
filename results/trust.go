package results

import (
	"fmt"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// distrust makes unknown what the run cannot tell: of events that are not whole
// whatever rests on them, and of a run that somebody from outside disturbed the
// times and rates, which were not those of the system alone. What was right and
// what was lost stays judged: that a system has to bear whoever disturbs it.
func distrust(values []checkers.Value, log *history.Log) {
	torn, disturbed := tornWhy(log), disturbance(log)
	if torn == "" && disturbed == "" {
		return
	}
	for i := range values {
		v := &values[i]
		why := ""
		switch fact, _ := claims.LookupFact(v.Name); {
		case disturbed != "" && (timed(fact) || strings.HasPrefix(v.Name, "cost.")):
			why = disturbed
		case torn != "" && (timed(fact) || ofEvents(v.Name)):
			why = torn
		}
		if why != "" && v.Known {
			*v = checkers.Value{Name: v.Name, Why: why}
		}
	}
}

func tornWhy(log *history.Log) string {
	if log.EventsTorn == "" {
		return ""
	}
	return "the events are not whole: " + history.EventsFileName + ": " + log.EventsTorn
}

// timed tells whether a fact is a time, a rate or a share of what happened in some time.
func timed(f checkers.Fact) bool {
	return f.Unit == checkers.Nanos || f.Unit == checkers.PerSec || f.Unit == checkers.Ratio
}

// ofEvents tells whether a count rests on the phases, or counts events.
func ofEvents(name string) bool {
	switch name {
	case "ops.ok", "faults.count", "failover.count", "server.crashes", "recovered":
		return true
	}
	if strings.HasPrefix(name, "rpo.") || strings.HasPrefix(name, "rto.") || strings.HasPrefix(name, "cost.") {
		return true
	}
	for word := range strings.SplitSeq(name, ".") {
		if word == string(checkers.PhaseBefore) || word == string(checkers.PhaseDuring) || word == string(checkers.PhaseAfter) {
			return true
		}
	}
	return false
}

// disturbance says what somebody did to the nodes beside the plan; empty:
// nothing that is known.
func disturbance(log *history.Log) string {
	for i := range log.Events {
		if e := &log.Events[i]; fromOutside(e) {
			words := fmt.Sprintf("%s at %s, which no plan asked for", outsideWords(e), units.Instant(e.At))
			if asleep := leftAlone(log, e); asleep != nil {
				words = fmt.Sprintf("%s, and %s was lost by it (%s)", kit.DoubtWords(asleep), e.Node, e.Detail)
			}
			return words + ": times and rates from then on are not the system's alone"
		}
	}
	return ""
}

// leave is how long after a stall of the harness a node that was lost was lost by
// it: agents give up, some seconds after they last heard of the harness.
const leave = int64(15 * time.Second)

// leftAlone is the stall of the harness by which a node was lost; nil: it was lost
// by something else.
func leftAlone(log *history.Log, lost *history.Event) *history.Event {
	for _, e := range kit.DoubtEvents(log) {
		if e.By == "" && lost.Kind == history.EventAway && e.At <= lost.At && lost.At <= max(e.Until, e.At)+leave && kit.Span(e.Until, e.At) >= int64(time.Second) {
			return e
		}
	}
	return nil
}

// fromOutside tells whether an event is something that neither the plan nor the
// system under test did, or may not have done.
func fromOutside(e *history.Event) bool {
	if e.Kind == history.EventAway {
		return true
	}
	return e.Kind == history.EventExit && (e.Cause == history.ByOther || e.Cause == history.ByNobody || e.Cause == history.ByMemory)
}

// outsideWords says in few words what an event from outside was.
func outsideWords(e *history.Event) string {
	if e.Kind == history.EventAway {
		return e.Node + " was lost (" + e.Detail + ")"
	}
	return "the server of " + e.Node + " ended (" + e.Detail + ")"
}

// outsideGate is not met when somebody disturbed the run. It is listed only then.
func outsideGate(log *history.Log) (Gate, bool) {
	const shown = 3
	var told []string
	for i := range log.Events {
		if e := &log.Events[i]; fromOutside(e) {
			words := fmt.Sprintf("%s at %s", outsideWords(e), units.Instant(e.At))
			if asleep := leftAlone(log, e); asleep != nil {
				words += ", as " + kit.DoubtWords(asleep)
			}
			told = append(told, words)
		}
	}
	if len(told) == 0 {
		return Gate{}, false
	}
	detail := strings.Join(told[:min(len(told), shown)], "; ")
	if n := len(told) - shown; n > 0 {
		detail += fmt.Sprintf("; and %d more", n)
	}
	return Gate{Name: "nobody else at work", Detail: detail + ": no plan asked for that. Find out who or what did it (see the folder nodes of the run), and make the run again"}, true
}
