// Package page writes a run's report as one file that needs nothing else: no network, no
// other files. It is a pure function of what the run's directory holds: the verdict, the
// history and what was measured of it, the nodes' logs. What is drawn stands in the page
// as data, in levels of time; what is told stands there as HTML and needs no script.
package page

import (
	"math"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
)

// Input is what a report is made of. The verdict alone is enough for one without
// pictures.
type Input struct {
	Verdict  *results.Verdict
	Measured *results.Measured // nil: there are no pictures
	Log      *history.Log      // that it was measured of; nil: likewise
	// Logs are the nodes' own logs, or the ends of them, by node.
	Logs map[string][]byte
	// Drawing tells where porcupine's view of a finding's register is, as a path from
	// the report, and whether it is there already; nil, or an empty path: nowhere.
	Drawing func(f int) (path string, exists bool)
	// Foreign says that the history is of another tool: no number in it is one of our
	// clients' values.
	Foreign bool

	parsed map[string][]logLine // Logs, taken apart
}

// data is what the page's pictures are drawn from. Times are seconds of the run's clock.
type data struct {
	Begin     float64    `json:"begin"`
	End       float64    `json:"end"`
	Levels    []*level   `json:"levels"`
	Lanes     []lane     `json:"lanes"`
	Clients   []lane     `json:"clients"`
	Bands     []band     `json:"bands"`
	Failovers []moment   `json:"failovers"`
	Ticks     []ticks    `json:"ticks"`
	Spreads   []spread   `json:"spreads"`
	Resources *resources `json:"resources,omitempty"`
}

// dataOf makes the data; nil where there is nothing to draw: no load, or times that
// measure nothing.
func dataOf(in *Input, shown []*evidenceClass) *data {
	log, m := in.Log, in.Measured
	if m == nil || log == nil || log.Doubts.Times != "" {
		return nil
	}
	from := int64(math.MaxInt64)
	if len(m.Phases) > 0 {
		from = m.Phases[0].Begin
	}
	over, tails := newOverTime(log, from), newSpreads(log)
	if over == nil {
		return nil
	}
	for op := range log.All() {
		over.add(op)
		tails.add(op)
	}
	last := max(log.End(), over.first+1)
	lagging := newLagging(log)
	d := &data{
		Begin: seconds(over.first), End: seconds(last), Lanes: nodeLanes(log, lagging, last), Clients: clientLanes(over),
		Bands: bandsOf(in.Verdict, log), Failovers: failoversOf(log), Ticks: ticksOf(in, over.width, shown), Spreads: tails.latency(), Resources: resourcesOf(log),
	}
	if s, ok := lagSpread(log); ok {
		d.Spreads = append(d.Spreads, s)
	}
	if s, ok := staleSpread(log, m.Stale); ok {
		d.Spreads = append(d.Spreads, s)
	}
	d.Levels = over.levels()
	for _, l := range d.Levels {
		lagging.fill(l)
		l.stale(log, m)
	}
	return d
}

// stale adds, for each of the nodes with the stalest reads, the greatest staleness of
// the reads that began in each bin; nothing where none was stale.
func (l *level) stale(log *history.Log, m *results.Measured) {
	columns := map[int8]column{}
	for _, r := range m.Stale {
		if int(r.Op) >= len(log.Ops) {
			continue
		}
		op := &log.Ops[r.Op]
		if op.Node < 0 || int(op.Node) >= len(log.Meta.Nodes) {
			continue
		}
		if columns[op.Node] == nil {
			columns[op.Node] = unmeasured(l.Bins)
		}
		at := min(max(op.Start-l.first, 0)/l.width, int64(l.Bins-1))
		columns[op.Node].raise(at, float64(r.Staleness)/1e6)
	}
	for i, node := range log.Meta.Nodes {
		if c := columns[int8(i)]; c != nil {
			l.Stale = append(l.Stale, ofNode{node, c})
		}
	}
	l.Stale = worstNodes(l.Stale)
}
