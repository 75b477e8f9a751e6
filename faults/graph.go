package faults

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Graph says who reaches whom among n nodes, numbered from 0, and the clients,
// who are all at number n.
type Graph struct {
	n   int
	cut []bool // at from*(n+1)+to
}

// NewGraph is the graph in which everybody reaches everybody.
func NewGraph(nodes int) Graph {
	return Graph{n: nodes, cut: make([]bool, (nodes+1)*(nodes+1))}
}

// Clients is the clients' number.
func (g *Graph) Clients() int { return g.n }

// Nodes are the nodes' numbers.
func (g *Graph) Nodes() []int {
	all := make([]int, g.n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Cut loses what from sends to to.
func (g *Graph) Cut(from, to int) { g.cut[from*(g.n+1)+to] = true }

// Reaches tells whether what from sends arrives at to.
func (g *Graph) Reaches(from, to int) bool { return !g.cut[from*(g.n+1)+to] }

// peers are those on the other end of a victim's cut links.
func (g *Graph) peers(victim int, from string) []int {
	var all []int
	if from != FromClients {
		all = without(g.Nodes(), []int{victim})
	}
	if from == FromClients || from == FromAll {
		all = append(all, g.Clients())
	}
	return all
}

// Rules are what each node's agent must drop for the graph to hold. A lost
// packet is dropped by its sender and by its receiver, so that the cut holds
// as soon as the first of the two agents acts; clients have no agent.
func (g *Graph) Rules(nodes []netip.Addr, clients netip.Addr) [][]cluster.Rule {
	rules := make([][]cluster.Rule, g.n)
	for i := range rules {
		for peer := range g.n + 1 {
			r := cluster.Rule{In: !g.Reaches(peer, i), Out: !g.Reaches(i, peer)}
			if peer == i || !r.In && !r.Out {
				continue
			}
			r.Peer = clients
			if peer < g.n {
				r.Peer = nodes[peer]
			}
			rules[i] = append(rules[i], r)
		}
	}
	return rules
}

// Describe says in words which links are cut: "n1 x n2 n3" for both ways,
// "n1 x> n2" for what n1 sends to n2 only.
func (g *Graph) Describe(names []string) string {
	names = append(slices.Clone(names), "clients")
	var parts []string
	for i := range names {
		var both, oneWay []string
		for j := range names {
			switch {
			case g.Reaches(i, j):
			case g.Reaches(j, i):
				oneWay = append(oneWay, names[j])
			case i < j:
				both = append(both, names[j])
			}
		}
		if both != nil {
			parts = append(parts, names[i]+" x "+strings.Join(both, " "))
		}
		if oneWay != nil {
			parts = append(parts, names[i]+" x> "+strings.Join(oneWay, " "))
		}
	}
	return strings.Join(parts, ", ")
}

// split cuts every link between two groups.
func split(g *Graph, a, b []int) {
	for _, x := range a {
		for _, y := range b {
			g.Cut(x, y)
			g.Cut(y, x)
		}
	}
}

// without is all but those in not, in order.
func without(all, not []int) []int {
	var rest []int
	for _, x := range all {
		if !slices.Contains(not, x) {
			rest = append(rest, x)
		}
	}
	return rest
}
