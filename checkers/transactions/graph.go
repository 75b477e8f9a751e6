package transactions

import (
	"cmp"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// edgeKind is why one transaction must come before another.
type edgeKind uint8

const (
	edgeWW       edgeKind = 1 << iota // it wrote the version before the other's
	edgeWR                            // the other read the version that it wrote
	edgeRW                            // it read the version before the one that the other wrote
	edgeProcess                       // the same client called it before the other
	edgeRealtime                      // it had ended before the other began
	edgeVia                           // goes on from an auxiliary node; takes its meaning from the edge before it
)

const dataEdges = edgeWW | edgeWR | edgeRW | edgeVia

// graph is a directed graph in compressed form. Nodes below txns are
// transactions; the others are auxiliary, so that the number of edges is linear
// in the transactions: one for each end of a transaction, in order of time, and
// up to two for each transaction with elements that nobody read.
type graph struct {
	n     int
	first []int32 // edges of node i are first[i] to first[i+1]
	to    []int32
	kind  []edgeKind
	key   []int32
	txns  []int32 // by node: index of the transaction
}

// edges collects a graph's edges.
type edges struct {
	from, to, key []int32
	kind          []edgeKind
}

func (e *edges) add(from, to int32, kind edgeKind, key int32) {
	if from == to || from == kit.None || to == kit.None {
		return
	}
	e.from, e.to, e.kind, e.key = append(e.from, from), append(e.to, to), append(e.kind, kind), append(e.key, key)
}

// graph draws the graph of all that took effect. If guess, it has an order of
// those too that appended to a list what nobody read: the one in which they
// were under way, which is likely, but not certain.
func (l *lists) graph(guess bool) *graph {
	g := &graph{}
	for t := range l.txns {
		if l.txns[t].committed {
			l.txns[t].node = int32(len(g.txns))
			g.txns = append(g.txns, int32(t))
		}
	}
	g.n = len(g.txns)
	e := &edges{}
	l.drawVersions(g, e)
	if guess {
		l.drawGuess(e)
	}
	l.drawReads(g, e)
	l.drawProcesses(g, e)
	l.drawTime(g, e)
	g.compress(e)
	return g
}

// writer is the node of the transaction that appended the element at a place
// of a list's version.
func (l *lists) writer(key *list, place int) int32 {
	if at := key.sites[place]; at != kit.None {
		return l.txns[l.sites[at].txn].node
	}
	return kit.None
}

// drawVersions draws who wrote after whom. An element that took effect and is
// not in the longest read comes after all that are.
func (l *lists) drawVersions(g *graph, e *edges) {
	for k := range l.keys {
		key := &l.keys[k]
		last := kit.None
		for i := range key.version {
			w := l.writer(key, i)
			if w != kit.None {
				e.add(last, w, edgeWW, int32(k))
				last = w
			}
		}
		for _, t := range key.unseen {
			e.add(last, l.txns[t].node, edgeWW, int32(k))
		}
	}
}

// drawReads draws who read what whom wrote, and who read what was there before.
func (l *lists) drawReads(g *graph, e *edges) {
	chains := map[int32]unseenChain{} // by list
	for i := range l.reads {
		r := &l.reads[i]
		key, node := &l.keys[r.key], l.txns[r.txn].node
		if r.n > 0 {
			e.add(l.writer(key, int(r.n)-1), node, edgeWR, r.key)
		}
		switch {
		case int(r.n) < len(key.version):
			for place := int(r.n); place < len(key.version); place++ {
				if w := l.writer(key, place); w != kit.None {
					e.add(node, w, edgeRW, r.key)
					break
				}
			}
		case len(key.unseen) > 0:
			c, ok := chains[r.key]
			if !ok {
				c = l.drawUnseen(g, e, r.key)
				chains[r.key] = c
			}
			own, appends := slices.BinarySearch(key.unseen, r.txn)
			if own > 0 {
				e.add(node, c.upTo+int32(own)-1, edgeRW, r.key)
			}
			if appends {
				own++
			}
			if own < len(key.unseen) {
				e.add(node, c.onFrom+int32(own), edgeRW, r.key)
			}
		}
	}
}

// unseenChain are a list's auxiliary nodes for the transactions with elements
// that nobody read: from node upTo+i on lie the transactions up to the ith, from
// onFrom+i on those from the ith on.
type unseenChain struct{ upTo, onFrom int32 }

// drawUnseen draws the chains of a list.
func (l *lists) drawUnseen(g *graph, e *edges, k int32) unseenChain {
	unseen := l.keys[k].unseen
	n := int32(len(unseen))
	c := unseenChain{int32(g.n), int32(g.n) + n}
	g.n += int(2 * n)
	for i, t := range unseen {
		up, on := c.upTo+int32(i), c.onFrom+int32(i)
		e.add(up, l.txns[t].node, edgeVia, k)
		e.add(on, l.txns[t].node, edgeVia, k)
		if i > 0 {
			e.add(up, up-1, edgeVia, k)
			e.add(on-1, on, edgeVia, k)
		}
	}
	return c
}

// drawProcesses draws the order of each client's transactions. One of unknown
// outcome may take effect later than what its client does next.
func (l *lists) drawProcesses(g *graph, e *edges) {
	last := map[uint32]int32{}
	for node, t := range g.txns {
		p := l.op(t).Process
		if before, ok := last[p]; ok && l.follows(g.txns[before], t) {
			e.add(before, int32(node), edgeProcess, kit.None)
		}
		if l.op(t).Outcome == history.OK {
			last[p] = int32(node)
		}
	}
}

// follows tells whether a client had ended one of its transactions before it began
// another, by the times that it saw itself.
func (l *lists) follows(before, after int32) bool {
	start, end := l.log.Seen(l.txns[before].op)
	begun, ended := l.log.Seen(l.txns[after].op)
	return max(start, end) <= min(begun, ended)
}

// drawTime draws who had ended before whom began: a chain of auxiliary nodes
// in order of the ends, each reached from the transaction that ends there, and
// left to those whose begin is the first after it.
func (l *lists) drawTime(g *graph, e *edges) {
	var ended []int32
	for node, t := range g.txns {
		if l.op(t).Outcome == history.OK {
			ended = append(ended, int32(node))
		}
	}
	slices.SortFunc(ended, func(a, b int32) int { return cmp.Compare(kit.Until(l.op(g.txns[a])), kit.Until(l.op(g.txns[b]))) })
	chain := int32(g.n)
	g.n += len(ended)
	for i, node := range ended {
		e.add(node, chain+int32(i), edgeRealtime, kit.None)
		if i > 0 {
			e.add(chain+int32(i)-1, chain+int32(i), edgeRealtime, kit.None)
		}
	}
	before := func(i int, begin int64) bool { return kit.Until(l.op(g.txns[ended[i]])) < begin }
	place := 0 // transactions are about in order of begin
	for node, t := range g.txns {
		begin := kit.From(l.op(t))
		for place > 0 && !before(place-1, begin) {
			place--
		}
		for place < len(ended) && before(place, begin) {
			place++
		}
		if place > 0 {
			e.add(chain+int32(place)-1, int32(node), edgeRealtime, kit.None)
		}
	}
}

// compress sorts the edges by their first node.
func (g *graph) compress(e *edges) {
	g.first = make([]int32, g.n+1)
	for _, f := range e.from {
		g.first[f+1]++
	}
	for i := range g.n {
		g.first[i+1] += g.first[i]
	}
	next := slices.Clone(g.first[:g.n])
	g.to, g.kind, g.key = make([]int32, len(e.to)), make([]edgeKind, len(e.to)), make([]int32, len(e.to))
	for i, f := range e.from {
		at := next[f]
		next[f]++
		g.to[at], g.kind[at], g.key[at] = e.to[i], e.kind[i], e.key[i]
	}
}

// components finds the strongly connected components of the part of the graph
// that has the edges of mask, within the nodes that are in the same group;
// nodes of no component with others get none. It is Tarjan's algorithm
// ("Depth-first search and linear graph algorithms", SICOMP 1972), with a
// stack of its own in place of recursion.
func (g *graph) components(mask edgeKind, nodes []int32, group []int32) (component []int32, count int32) {
	t := tarjan{g: g, mask: mask, group: group, component: make([]int32, g.n), low: make([]int32, g.n)}
	for i := range t.component {
		t.component[i] = kit.None
	}
	for _, n := range nodes {
		if t.low[n] == 0 {
			t.visit(n)
		}
	}
	return t.component, t.count
}

type tarjan struct {
	g         *graph
	mask      edgeKind
	group     []int32
	low       []int32 // 0: not visited
	component []int32
	count     int32
	clock     int32
	stack     []int32
	calls     []visiting
}

// visiting is one level of the depth-first search.
type visiting struct{ node, edge, index int32 }

// popped is the low of a node whose component is complete.
const popped = never32

const never32 int32 = 1<<31 - 1

func (t *tarjan) enter(n int32) {
	t.clock++
	t.low[n] = t.clock
	t.stack = append(t.stack, n)
	t.calls = append(t.calls, visiting{n, t.g.first[n], t.clock})
}

func (t *tarjan) visit(root int32) {
	t.enter(root)
	for len(t.calls) > 0 {
		c := &t.calls[len(t.calls)-1]
		if c.edge < t.g.first[c.node+1] {
			e := c.edge
			c.edge++
			if t.g.kind[e]&t.mask == 0 {
				continue
			}
			to := t.g.to[e]
			switch {
			case t.group != nil && t.group[to] != t.group[c.node]:
			case t.low[to] == 0:
				t.enter(to)
			case t.low[to] != popped:
				t.low[c.node] = min(t.low[c.node], t.low[to])
			}
			continue
		}
		n, index := c.node, c.index
		t.calls = t.calls[:len(t.calls)-1]
		if len(t.calls) > 0 {
			up := t.calls[len(t.calls)-1].node
			t.low[up] = min(t.low[up], t.low[n])
		}
		if t.low[n] == index {
			t.pop(n)
		}
	}
}

// pop takes a complete component from the stack.
func (t *tarjan) pop(root int32) {
	alone := t.stack[len(t.stack)-1] == root
	for {
		n := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.low[n] = popped
		if !alone {
			t.component[n] = t.count
		}
		if n == root {
			break
		}
	}
	if !alone {
		t.count++
	}
}
