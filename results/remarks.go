package results

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// remarks are what a reader of the figures has to know of the run itself: when
// the harness or a node did not run as it should, what was never sent, and whether
// the machine was busy with something else.
func remarks(log *history.Log, values map[string]checkers.Value) []string {
	doubts := kit.DoubtEvents(log) // the longest first
	var told []string
	if len(doubts) > 0 {
		words := kit.DoubtWords(doubts[0])
		if more := len(doubts) - 1; more > 0 {
			words += fmt.Sprintf(", and %s for less", units.Plural(more, "more time", "more times"))
		}
		told = append(told, words+": what took its time then counts by bounds, as that was not the system's doing")
	}
	return append(append(append(driverRemarks(log), told...), loadRemark(values)...), busyRemarks(values)...)
}

// lateLeast is the share of late operations from which on it is told.
const lateLeast = 0.01

// loadRemark tells what of the load was late or never sent, and whose doing it was.
func loadRemark(values map[string]checkers.Value) []string {
	told := lateRemark(values)
	dropped, left := values["load.dropped"], values["load.unsent"]
	if n := most(dropped) - most(left); dropped.Known && left.Known && n > 0 {
		told = append(told, kit.UnsentWhy(int64(n))+": they were skipped as no client was free when they were due (backlog: skip), and count as waiting until then at least")
	}
	return append(told, unsentRemark(values)...)
}

func lateRemark(values map[string]checkers.Value) []string {
	late, own, burst := values["load.late"], values[ownShare], values["load.burst"]
	var told []string
	if own.Known && own.N > mostOwnLate {
		told = append(told, fmt.Sprintf("the harness itself sent %s of the operations more than %s late, by up to %s: claims about latency are not decided by what it may have added; a machine with less else to do, fewer clients or a lower rate would not",
			percent(own.N), history.LateBound, units.FloatNanos(values[ownShareMost].N)))
	}
	if late.Known && most(late) >= lateLeast {
		words := fmt.Sprintf("%s of the operations were sent more than %s late, or never", percent(most(late)), history.LateBound)
		if burst.Known {
			words += fmt.Sprintf(", and in bursts of up to %s", burst.Format(checkers.PerSec))
		}
		if !own.Known || own.N <= mostOwnLate {
			words += ", as no client was free for them"
		}
		told = append(told, words+": they count from when they were intended")
	}
	return told
}

// most is the greatest that a count or a share can be; what has no upper bound counts
// with what is certain.
func most(v checkers.Value) float64 { return max(v.N, v.AtMost) }

func unsentRemark(values map[string]checkers.Value) []string {
	unsent, asked, rate := values["load.unsent"], values["load.asked"], values["load.rate"]
	if !unsent.Known || most(unsent) == 0 {
		return nil
	}
	words := kit.UnsentWhy(int64(most(unsent))) + ": no client was free for them before the load was over"
	if asked.Known && rate.Known {
		words = fmt.Sprintf("asked for %s, sent %s: %s", asked.Format(checkers.PerSec), rate.Format(checkers.PerSec), words)
	}
	return []string{words + "; more clients or a lower rate would send all"}
}
