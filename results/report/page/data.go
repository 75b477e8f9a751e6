// Package page writes a run's report as one file that needs nothing else: no network, no
// other files. It is a pure function of what the run's directory holds: the verdict, the
// history and what was measured of it, the nodes' logs. What is drawn stands in the page
// as data, in levels of time; what is told stands there as HTML and needs no script.
package page

import (
	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

// Input is what a report is made of. The verdict alone is enough for one without
// pictures.
type Input struct {
	Verdict  *results.Verdict
	Measured *results.Measured // nil: lost writes and stale reads are not marked
	Log      *history.Log      // nil: there are no pictures
	// Logs are the nodes' own logs, or the ends of them, by node.
	Logs map[string][]byte
	// Drawing tells where porcupine's view of a finding's register is, as a path from
	// the report, and whether it is there already; nil, or an empty path: nowhere.
	Drawing func(f int) (path string, exists bool)

	parsed map[string][]logLine // Logs, taken apart
}

// data is what the page's pictures are drawn from.
type data struct {
	*timeline.Data
	Ticks []ticks `json:"ticks"`
}

// dataOf makes the data; nil where there is nothing to draw.
func dataOf(in *Input, shown []*evidenceClass) *data {
	if in.Log == nil {
		return nil
	}
	var lost []checkers.Loss
	var stale []checkers.StaleSample
	if in.Measured != nil {
		lost, stale = in.Measured.Lost, in.Measured.Stale
	}
	d := timeline.Of(in.Verdict, in.Log, stale)
	if d == nil {
		return nil
	}
	return &data{d, ticksOf(in.Log, lost, stale, d.Finest(), shown)}
}
