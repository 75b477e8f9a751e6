// Package timeline is a run over time as data that pages draw: bins of operations in
// levels of width, what nodes and clients were like, lag, faults, distributions. It is
// pure, and takes one pass over the history.
package timeline

import (
	"math"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
)

// Data is what pictures of a run are drawn from. Times are seconds of the run's clock.
type Data struct {
	Begin     float64    `json:"begin"`
	End       float64    `json:"end"`
	Levels    []*Level   `json:"levels"` // the coarsest first
	Lanes     []Lane     `json:"lanes"`
	Clients   []Lane     `json:"clients"`
	Bands     []Band     `json:"bands"`
	Failovers []Moment   `json:"failovers"`
	Spreads   []Spread   `json:"spreads"`
	Resources *Resources `json:"resources,omitempty"`

	finest int64
}

// Of makes the data of a run; nil where there is nothing to draw: no load, or times that
// measure nothing. stale are the reads of old values, nil if nobody looked for them.
func Of(v *results.Verdict, log *history.Log, stale []checkers.StaleSample) *Data {
	if log.Doubts.Times != "" {
		return nil
	}
	from := int64(math.MaxInt64)
	if len(v.Phases) > 0 {
		from = v.Phases[0].Begin
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
	d := &Data{
		Begin: Seconds(over.first), End: Seconds(last), Lanes: nodeLanes(log, lagging, last), Clients: clientLanes(over),
		Bands: bandsOf(v, log), Failovers: failoversOf(log), Spreads: tails.latency(), Resources: resourcesOf(log), finest: over.width,
	}
	if s, ok := lagSpread(log); ok {
		d.Spreads = append(d.Spreads, s)
	}
	if s, ok := staleSpread(log, stale); ok {
		d.Spreads = append(d.Spreads, s)
	}
	d.Levels = over.levels()
	for _, l := range d.Levels {
		lagging.fill(l)
		l.stale(log, stale)
	}
	return d
}

// Finest is the width of the narrowest bins, in nanoseconds.
func (d *Data) Finest() int64 { return d.finest }

// stale adds, for each of the nodes with the stalest reads, the greatest staleness of
// the reads that began in each bin; nothing where none was stale.
func (l *Level) stale(log *history.Log, stale []checkers.StaleSample) {
	columns := map[int8]Column{}
	for _, r := range stale {
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
			l.Stale = append(l.Stale, OfNode{node, c})
		}
	}
	l.Stale = worstNodes(l.Stale)
}
