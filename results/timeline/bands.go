package timeline

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/report"
)

// Band is a stretch through all lanes, in seconds of the run's clock.
type Band struct {
	Label string  `json:"label"`
	Begin float64 `json:"begin"`
	End   float64 `json:"end"`
	Kind  string  `json:"kind"` // fault, phase, doubt
}

// Moment is an instant through all lanes.
type Moment struct {
	At    float64 `json:"at"`
	Label string  `json:"label"`
}

// bandsOf are the faults, the phases around the measured one, and the times in which
// the harness did not run as it should.
func bandsOf(v *results.Verdict, log *history.Log) []Band {
	list := []Band{}
	for _, s := range v.Phases {
		if s.Name == "warmup" || s.Name == "heal" || s.Name == "settle" || s.Name == "final" {
			list = append(list, Band{s.Name, Seconds(s.Begin), Seconds(s.End), "phase"})
		}
	}
	for i := range v.Faults {
		if f := &v.Faults[i]; f.Executed {
			label := f.ID + " " + f.Name + " " + strings.Join(f.Victims, ", ")
			list = append(list, Band{Shorten(report.Plain(label), 40), Seconds(f.At), Seconds(f.End), "fault"})
		}
	}
	if log == nil {
		return list
	}
	for _, e := range kit.DoubtEvents(log) {
		if e.Until > e.At {
			list = append(list, Band{"the harness did not run", Seconds(e.At), Seconds(e.Until), "doubt"})
		}
	}
	return list
}

// failoversOf are when nodes became the primary after the first one had.
func failoversOf(log *history.Log) []Moment {
	list := []Moment{}
	node := ""
	for _, e := range kit.PrimariesOf(log.Events) {
		if node != "" && e.Node != node {
			list = append(list, Moment{Seconds(e.At), Shorten(report.Plain(e.Node), 24) + " became primary"})
		}
		node = e.Node
	}
	return list
}

// Seconds is a reading of the run's clock to the microsecond.
func Seconds(ns int64) float64 { return float64(ns/1000) / 1e6 }

// Shorten cuts a text to n characters.
func Shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
