package transactions

import (
	"cmp"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
)

// Transactions that appended to one list what nobody read came one after the
// other in some order. For a serial order any will do that the rest of the graph
// allows: there is one if the graph has no cycle. Isolated snapshots allow
// cycles, those with two anti-dependencies in a row, and none of these
// transactions may overlap: a transaction of such a cycle may have to come both
// before and after another one of it.

// snapshots tells whether there is known to be an order of all appends with
// which the snapshots are as isolated as without it. It is for graphs that have
// no cycles but such as isolated snapshots allow.
func (l *lists) snapshots(g *graph, budget int) bool {
	if !l.unorderedIn(g) {
		return true
	}
	found, undecided := l.graph(true).cycles(budget)
	for _, class := range []checkers.Class{checkers.G0, checkers.G1c, checkers.GSingle, checkers.GNonadjacent} {
		if _, ok := found[class]; ok || undecided[class] {
			return false
		}
	}
	return true
}

// unorderedIn tells whether two transactions appended to one list what nobody
// read and are in cycles with each other. Of all others the order can be that of
// the graph's components.
func (l *lists) unorderedIn(g *graph) bool {
	nodes := make([]int32, len(g.txns))
	for i := range nodes {
		nodes[i] = int32(i)
	}
	component, _ := g.components(dataEdges, nodes, nil)
	for k := range l.keys {
		seen := map[int32]bool{}
		for _, t := range l.keys[k].unseen {
			c := component[l.txns[t].node]
			if c != kit.None && seen[c] {
				return true
			}
			seen[c] = true
		}
	}
	return false
}

// drawGuess draws an order of those that appended to a list what nobody read,
// by the middle of the time that each took: snapshots that exclude each other
// are apart in time.
func (l *lists) drawGuess(e *edges) {
	for k := range l.keys {
		order := slices.Clone(l.keys[k].unseen)
		slices.SortStableFunc(order, func(a, b int32) int {
			x, y := l.op(a), l.op(b)
			return cmp.Compare(x.Start+x.End, y.Start+y.End)
		})
		for i := 1; i < len(order); i++ {
			e.add(l.txns[order[i-1]].node, l.txns[order[i]].node, edgeWW, int32(k))
		}
	}
}
