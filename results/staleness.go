package results

import (
	"cmp"
	"math"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// NodeColumn is what one node shows over time.
type NodeColumn struct {
	Node string `json:"node"`
	Max  Column `json:"max"`
}

// MaxStaleNodes is how many nodes the picture of staleness tells apart.
const MaxStaleNodes = 8

// addStaleness adds, for each of the nodes with the stalest reads, the greatest
// staleness of the reads that began in each bucket; nothing where none was
// stale. first is where the first bucket begins.
func (s *Series) addStaleness(log *history.Log, stale []checkers.StaleSample, first int64) {
	columns, worst := map[int8]Column{}, map[int8]int64{}
	for _, r := range stale {
		op := &log.Ops[r.Op]
		if op.Node < 0 || int(op.Node) >= len(log.Meta.Nodes) || len(s.T) == 0 {
			continue
		}
		column := columns[op.Node]
		if column == nil {
			column = empty(len(s.T))
			columns[op.Node] = column
		}
		worst[op.Node] = max(worst[op.Node], r.Staleness)
		at := min(max(kit.Span(op.Start, first), 0)/s.Width, int64(len(column)-1))
		if x := float64(r.Staleness) / 1e6; math.IsNaN(column[at]) || x > column[at] {
			column[at] = x
		}
	}
	nodes := make([]int8, 0, len(columns))
	for node := range columns {
		nodes = append(nodes, node)
	}
	slices.SortFunc(nodes, func(a, b int8) int { return cmp.Or(cmp.Compare(worst[b], worst[a]), cmp.Compare(a, b)) })
	nodes = nodes[:min(len(nodes), MaxStaleNodes)]
	slices.Sort(nodes)
	for _, node := range nodes {
		s.Stale = append(s.Stale, NodeColumn{log.Meta.Nodes[node], columns[node]})
	}
}
