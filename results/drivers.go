package results

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Driver is a process that drove a part of the load, by a clock of its own.
type Driver struct {
	Name   string `json:"name"`
	Off    int64  `json:"off_ns"`     // how far off its times may be, for most of the run
	OffMax int64  `json:"off_max_ns"` // at any time
	Sent   int64  `json:"sent"`       // operations at a rate, of the measured phase
	Late   int64  `json:"late"`       // of these, more than 10ms too late by its own doing
	P99    int64  `json:"late_p99_ns"`
	Max    int64  `json:"late_max_ns"`
	Lost   int64  `json:"lost_ns,omitempty"` // when it was heard of last, if it was lost
}

// driversOf are those of a log. Of several workloads the worst counts.
func driversOf(log *history.Log) []Driver {
	var all []Driver
	for _, told := range log.Meta.Drivers {
		one := history.Log{Meta: history.Meta{Drivers: []history.Driver{told}}}
		d := Driver{Name: told.Name, Off: one.UsualSpan(), OffMax: one.Span(), Lost: told.Lost}
		for i := range log.Events {
			if e := &log.Events[i]; e.Kind == history.EventDemand && e.By == told.Name && e.Demand != nil && e.Demand.Own != nil {
				own := e.Demand.Own
				d.Sent, d.Late = d.Sent+own.Sent, d.Late+own.Late
				d.P99, d.Max = max(d.P99, own.P99), max(d.Max, own.Max)
			}
		}
		all = append(all, d)
	}
	return all
}

// driverRemarks tell how well the order of what different drivers did is known, and who
// was lost.
func driverRemarks(log *history.Log) []string {
	n := len(log.Meta.Drivers)
	if n == 0 {
		return nil
	}
	words := fmt.Sprintf("%s drove the load, by clocks that are known to within %s", units.Plural(n, "driver", "drivers"), units.Nanos(log.UsualSpan()))
	if most := log.Span(); most > log.UsualSpan() {
		words += ", at worst " + units.Nanos(most)
	}
	told := []string{words + ": what contradicts only by an order that is closer than twice that is not seen"}
	for _, d := range log.Meta.Drivers {
		switch {
		case d.Lost == 0:
		case log.Doubts.Lost == "":
			told = append(told, fmt.Sprintf("%s was lost at %s: what it did last is unknown, and its part of the load is missing from then on", d.Name, units.Instant(d.Lost)))
		case log.Doubts.Tolerated:
			told = append(told, fmt.Sprintf("%s was lost at %s: what is said of promises is of what was recorded, and nothing after is judged of its part, which is missing from then on", d.Name, units.Instant(d.Lost)))
		default:
			told = append(told, fmt.Sprintf("%s was lost at %s: what it was told last is not recorded, so that it is not known whether that was kept, and its part of the load is missing from then on", d.Name, units.Instant(d.Lost)))
		}
	}
	return told
}

// driversGate is met when no more drivers were lost than the plan allows. It is listed
// only where some were.
func driversGate(in Input) (Gate, bool) {
	var lost []string
	for _, d := range in.Log.Meta.Drivers {
		if d.Lost > 0 {
			lost = append(lost, fmt.Sprintf("%s at %s", d.Name, units.Instant(d.Lost)))
		}
	}
	n := len(lost)
	if n == 0 || in.Log.Torn {
		return Gate{}, false
	}
	g := Gate{Name: "drivers", Met: n <= in.Lost, Detail: fmt.Sprintf("%d of %s lost (%s), at most %d may be", n, units.Plural(len(in.Log.Meta.Drivers), "driver was", "drivers were"), strings.Join(lost, ", "), in.Lost)}
	if !g.Met {
		g.Detail += fmt.Sprintf(": make the run again, or, if claims may be about what is recorded, allow it (gates: {lost_drivers: %d})", n)
	}
	return g, true
}
