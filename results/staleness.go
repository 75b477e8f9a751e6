package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// NodeColumn is what one node shows over time.
type NodeColumn struct {
	Node string `json:"node"`
	Max  Column `json:"max"`
}

// maxStaleNodes is how many nodes the picture of staleness tells apart.
const maxStaleNodes = 8

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
		at := min(max(since(op.Start, first), 0)/s.Width, int64(len(column)-1))
		if x := float64(r.Staleness) / 1e6; math.IsNaN(column[at]) || x > column[at] {
			column[at] = x
		}
	}
	nodes := make([]int8, 0, len(columns))
	for node := range columns {
		nodes = append(nodes, node)
	}
	slices.SortFunc(nodes, func(a, b int8) int { return cmp.Or(cmp.Compare(worst[b], worst[a]), cmp.Compare(a, b)) })
	nodes = nodes[:min(len(nodes), maxStaleNodes)]
	slices.Sort(nodes)
	for _, node := range nodes {
		s.Stale = append(s.Stale, NodeColumn{log.Meta.Nodes[node], columns[node]})
	}
}

// staleTotal is the row of all reads; nil if no read of a register was answered.
func (v *Verdict) staleTotal() *checkers.StaleReads {
	if i := slices.IndexFunc(v.Staleness, func(r checkers.StaleReads) bool { return r.Node == "" && r.When == "" }); i >= 0 {
		return &v.Staleness[i]
	}
	return nil
}

// staleNodes is how many nodes answered stale reads.
func staleNodes(v *Verdict) int {
	n := 0
	for _, r := range v.Staleness {
		if r.Node != "" && r.When == "" && r.Stale > 0 {
			n++
		}
	}
	return n
}

// staleRows are the rows of a table of staleness; none if no read was stale. A
// node's moments are left out where they tell no more than its whole row does.
func staleRows(v *Verdict) []checkers.StaleReads {
	if total := v.staleTotal(); total == nil || total.Stale == 0 {
		return nil
	}
	var rows []checkers.StaleReads
	whole := checkers.StaleReads{}
	for _, r := range v.Staleness {
		if r.When == "" {
			whole = r
		} else if whole.Stale == 0 || r.Reads == whole.Reads {
			continue
		}
		rows = append(rows, r)
	}
	return rows
}

// staleWords sums up the staleness of reads; empty if no read of a register was
// answered.
func staleWords(v *Verdict) string {
	total := v.staleTotal()
	switch {
	case total == nil:
		return ""
	case total.Stale > 0:
		return fmt.Sprintf("%d of %s returned a value that had certainly been superseded before the read began.",
			total.Stale, plural(total.Reads, "read", "reads"))
	case v.History.Torn:
		return fmt.Sprintf("No read was seen to be stale, of %s in a torn history.", plural(total.Reads, "read", "reads"))
	}
	return fmt.Sprintf("No read was stale, of %s.", plural(total.Reads, "read", "reads"))
}
