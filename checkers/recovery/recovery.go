// Package recovery checks what became of the servers themselves: which ended by
// themselves, and whether the system came back once every fault was healed.
package recovery

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Checker measures crashes and the recovery from the faults.
func Checker() checkers.Checker {
	return checkers.Checker{
		Name: "recovery",
		Facts: []checkers.Fact{
			{Name: "server.crashes", Unit: checkers.Number, Meaning: "servers that ended by themselves: no fault of the plan, no signal from outside"},
			{Name: "recovered", Unit: checkers.Boolean, Meaning: "with all faults healed, the cluster was healthy again within settle: one primary, all nodes caught up"},
			{Name: "recovery.time", Unit: checkers.Nanos, Meaning: "time from the end of the last fault until the cluster was seen healthy, with all faults healed"},
		},
		Check:  checkers.CheckBy(follow),
		Follow: follow,
	}
}

// follower needs of the operations only the last that failed.
type follower struct {
	in   checkers.Input
	last *history.Op // the client's operation that was the last to fail; nil: none
}

func follow(in checkers.Input) checkers.Follower { return &follower{in: in} }

func (f *follower) Add(op *history.Op) {
	if op.Outcome != history.OK && op.Error != history.ErrCompare && op.Load() && (f.last == nil || op.End > f.last.End) {
		last := *op
		last.Elements = nil // valid during the call only
		f.last = &last
	}
}

func (*follower) Choose(func(history.Size) bool) func(*history.Op) bool { return nil }

func (f *follower) Judge(context.Context) checkers.Result {
	var r checkers.Result
	f.crashes(&r)
	f.recovery(&r)
	return r
}

// watched tells whether the servers of a log were watched as it was recorded:
// another tool's history tells nothing of them.
func watched(log *history.Log) bool {
	for i := range log.Events {
		if log.Events[i].Kind == history.EventPhase {
			return true
		}
	}
	return false
}

const notWatched = "nobody recorded what became of the servers"

// crashes counts the servers that ended by themselves. One that ended without an
// error may have been asked to.
func (f *follower) crashes(r *checkers.Result) {
	log := f.in.Log
	if !watched(log) {
		r.Values = append(r.Values, checkers.Value{Name: "server.crashes", Why: notWatched})
		return
	}
	own, perhaps := 0, 0
	for i := range log.Events {
		e := &log.Events[i]
		switch {
		case e.Kind != history.EventExit:
		case e.Cause == history.ByItself || e.Cause == history.ByMemory:
			if own++; own <= f.in.Limits.Findings {
				r.Findings = append(r.Findings, crash(log, e))
			}
		case e.Cause == history.ByNobody, e.Cause == "" && e.Failed && e.At >= 0:
			perhaps++
		}
	}
	r.Values = append(r.Values, kit.Between("server.crashes", float64(own), float64(own+perhaps),
		fmt.Sprintf("%s ended and nobody knows whether by itself", units.Plural(perhaps, "server", "servers"))))
}

func crash(log *history.Log, e *history.Event) checkers.Finding {
	said := "; it said nothing"
	if len(e.Log) > 0 {
		said = "; it said: " + strings.Join(e.Log, " | ")
	}
	return checkers.Finding{Class: checkers.Crash, At: e.At, Text: fmt.Sprintf("the server of %s crashed at %s (%s)%s%s",
		e.Node, units.Instant(e.At), e.Detail, kit.NewWords(log).During(e.At), said)}
}

// recovery tells whether the cluster came back.
func (f *follower) recovery(r *checkers.Result) {
	log := f.in.Log
	recovered, took := checkers.Value{Name: "recovered"}, checkers.Value{Name: "recovery.time"}
	defer func() { r.Values = append(r.Values, recovered, took) }()
	end, settled, why := outcome(log)
	if why != "" {
		recovered.Why, took.Why = why, why
		return
	}
	recovered.Known, recovered.N = true, 0
	if settled {
		recovered.N = 1
	}
	healed := int64(math.MinInt64)
	for _, w := range log.Windows() {
		healed = max(healed, w.End)
	}
	switch {
	case healed == math.MinInt64:
		took.Why = "no fault took effect"
	case !settled:
		took.N, took.Known, took.AtLeast, took.Why = float64(max(0, end.At-healed)), true, true, end.Detail
	default:
		least := int64(0)
		if end.Since != 0 {
			least = max(0, end.Since-healed)
		}
		took = kit.Between("recovery.time", float64(least), float64(max(0, end.At-healed)), "the cluster was not looked at before the load had ended")
	}
	if !settled {
		r.Findings = append(r.Findings, f.gone(end, healed))
	}
}

// outcome is what came of the wait for a settled cluster, and why it is unknown
// if it is.
func outcome(log *history.Log) (end history.Event, settled bool, why string) {
	if !watched(log) {
		return end, false, notWatched
	}
	away := ""
	for _, e := range log.Events {
		switch {
		case e.Kind == history.EventSettled:
			end, settled = e, !e.Failed
		case e.Kind == history.EventPhase && e.Detail == "final" && end.Kind == "":
			end, settled = e, true // of a run before there were such events
		case e.Kind == history.EventAway:
			away = fmt.Sprintf("%s was lost at %s: %s", e.Node, units.Instant(e.At), e.Detail)
		case e.Kind == history.EventExit && (e.Cause == history.ByOther || e.Cause == history.ByNobody) && away == "":
			away = fmt.Sprintf("the server of %s ended at %s (%s)", e.Node, units.Instant(e.At), e.Detail)
		}
	}
	switch {
	case end.Kind == "":
		return end, false, "the run ended before the cluster could settle"
	case !settled && away != "":
		return end, false, away + "; it is not the system's matter to come back from that"
	}
	return end, settled, ""
}

// gone is the finding of a system that did not come back.
func (f *follower) gone(end history.Event, healed int64) checkers.Finding {
	since := ""
	if healed != math.MinInt64 {
		since = fmt.Sprintf(", %s after the last fault had ended", units.Nanos(max(0, end.At-healed)))
	}
	text := fmt.Sprintf("the system did not come back: at %s%s, %s", units.Instant(end.At), since, end.Detail)
	if len(end.Log) > 0 {
		text += "; " + strings.Join(end.Log, "; ")
	}
	if op := f.last; op != nil {
		w := kit.NewWords(f.in.Log)
		text += fmt.Sprintf("; the last operation of a client to fail, a %s at %s, ended at %s with %s", kit.KindWord(op.Kind), w.Node(op.Node), units.Instant(op.End), kit.Reason(op))
	}
	return checkers.Finding{Class: checkers.NotRecovered, At: end.At, Text: text}
}
