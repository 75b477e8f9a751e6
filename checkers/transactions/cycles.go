package transactions

import (
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
)

// hop is one edge of a cycle between two transactions.
type hop struct {
	from, to int32 // transactions
	kind     edgeKind
	key      int32
}

// cycleClass is a kind of cycle, as Adya ("Weak consistency: a generalized
// theory and optimistic implementations for distributed transactions", 1999)
// and Elle call them.
type cycleClass struct {
	class checkers.Class
	start edgeKind // the edge that a cycle must have
	rest  edgeKind // what its other edges may be
	apart bool     // no two edges from a reader to the next writer may follow each other
}

// cycleClasses from the worst to the mildest: a cycle is of the first class
// that it fits.
var cycleClasses = []cycleClass{
	{checkers.G0, edgeWW, edgeWW | edgeVia, false},
	{checkers.G1c, edgeWR, edgeWW | edgeWR | edgeVia, false},
	{checkers.GSingle, edgeRW, edgeWW | edgeWR | edgeVia, false},
	{checkers.GNonadjacent, edgeRW, dataEdges, true},
	{checkers.G2, edgeRW, dataEdges, false},
}

// extras are the orders that a stronger level adds to the data's own, with the
// ending of the class of the cycles that need them.
var extras = []struct {
	kind   edgeKind
	ending checkers.Class
}{{0, ""}, {edgeProcess, "-process"}, {edgeRealtime, "-realtime"}}

// searchBudget bounds the edges looked at for one class in one component. A
// class that needs more is undecided.
const searchBudget = 20_000_000

// cycleSearch looks for the cycles of a graph.
type cycleSearch struct {
	g         *graph
	found     map[checkers.Class]anomaly // the shortest cycle seen of each class
	undecided map[checkers.Class]bool
	most      int // edges that the search for one class looks at
	budget    int // of them, left

	// Of one breadth-first search, by node and whether the last edge was from
	// a reader to the next writer.
	reached []int32 // number of the search that reached the state
	search  int32
	by      []int32 // edge by which; the edge's first node is in fromState
	from    []int32
	queue   []int32
}

// cycles finds, of each class of cycles that the graph has, a short one. The
// search for one class looks at about so many edges at the most; undecided are
// the classes for which that was not enough.
func (g *graph) cycles(budget int) (found map[checkers.Class]anomaly, undecided map[checkers.Class]bool) {
	s := &cycleSearch{g: g, most: budget, found: map[checkers.Class]anomaly{}, undecided: map[checkers.Class]bool{}}
	all := make([]int32, g.n)
	for i := range all {
		all[i] = int32(i)
	}
	component, count := g.components(dataEdges|edgeProcess|edgeRealtime, all, nil)
	if count == 0 {
		return s.found, s.undecided
	}
	members := make([]int32, 0, g.n)
	for n, c := range component {
		if c != kit.None {
			members = append(members, int32(n))
		}
	}
	s.reached, s.by, s.from = make([]int32, 2*g.n), make([]int32, 2*g.n), make([]int32, 2*g.n)
	for i, extra := range extras {
		for _, c := range cycleClasses {
			if s.foundWithLess(c.class, i) {
				continue
			}
			s.lookFor(c, extra.kind, extra.ending, members, component)
		}
	}
	return s.found, s.undecided
}

// foundWithLess tells whether a cycle of the class was found that needs less
// than the ith extra order.
func (s *cycleSearch) foundWithLess(class checkers.Class, i int) bool {
	for _, less := range extras[:i] {
		if _, ok := s.found[class+less.ending]; ok {
			return true
		}
	}
	return false
}

// lookFor looks for cycles of a class: from each edge that they must have, the
// shortest way back. They lie within the components of the edges that they
// may have.
func (s *cycleSearch) lookFor(c cycleClass, extra edgeKind, ending checkers.Class, members, outer []int32) {
	component, count := s.g.components(c.start|c.rest|extra, members, outer)
	if count == 0 {
		return
	}
	s.budget = s.most
	for _, u := range members {
		if component[u] == kit.None {
			continue
		}
		for e := s.g.first[u]; e < s.g.first[u+1]; e++ {
			if s.g.kind[e] != c.start || component[s.g.to[e]] != component[u] {
				continue
			}
			if s.budget < 0 {
				s.undecided[c.class+ending] = true
				return
			}
			s.cycleOf(u, e, c, extra, ending, component)
		}
	}
}

// cycleOf notes a shortest cycle that begins with edge e of node u, under the
// class that it turns out to be of.
func (s *cycleSearch) cycleOf(u, e int32, c cycleClass, extra edgeKind, ending checkers.Class, component []int32) {
	if best, have := s.found[c.class+ending]; have && len(best.steps) <= 2 {
		return // there is none shorter
	}
	way := s.back(u, e, c, extra, component)
	if way == nil {
		return
	}
	steps := s.steps(u, way)
	class := classify(steps)
	for i, x := range extras {
		if base, ok := strings.CutSuffix(string(class), string(x.ending)); ok && x.kind != 0 && s.foundWithLess(checkers.Class(base), i) {
			return
		}
	}
	if best, have := s.found[class]; have && len(best.steps) <= len(steps) {
		return
	}
	txns := make([]int32, len(steps))
	for i := range steps {
		txns[i] = steps[i].from
	}
	s.found[class] = anomaly{class: class, txns: txns, key: steps[0].key, steps: steps}
}

// back is the shortest way, as edges, that begins with edge e of u and ends in
// u. States are nodes with whether the last edge was from a reader to the next
// writer, which matters where two of these must not follow each other.
func (s *cycleSearch) back(u, e int32, c cycleClass, extra edgeKind, component []int32) []int32 {
	s.search++
	mask := c.rest | extra
	begin := 2 * s.g.to[e]
	if c.apart {
		begin++
	}
	s.queue = append(s.queue[:0], begin)
	s.reached[begin], s.by[begin], s.from[begin] = s.search, e, kit.None
	for n := 0; n < len(s.queue); n++ {
		state := s.queue[n]
		node, after := state/2, state%2 == 1
		s.budget -= int(s.g.first[node+1] - s.g.first[node])
		for f := s.g.first[node]; f < s.g.first[node+1]; f++ {
			kind, to := s.g.kind[f], s.g.to[f]
			if kind&mask == 0 || component[to] != component[u] || after && kind == edgeRW {
				continue
			}
			next := 2 * to
			if c.apart && (kind == edgeRW || kind == edgeVia && after) {
				next++
			}
			if to == u && next%2 == 0 {
				return s.trace(state, f)
			}
			if s.reached[next] != s.search {
				s.reached[next], s.by[next], s.from[next] = s.search, f, state
				s.queue = append(s.queue, next)
			}
		}
	}
	return nil
}

func (s *cycleSearch) trace(state, last int32) []int32 {
	way := []int32{last}
	for ; state != kit.None; state = s.from[state] {
		way = append(way, s.by[state])
	}
	slices.Reverse(way)
	return way
}

// steps leaves the auxiliary nodes out of a cycle that begins in u. A way that
// passes one transaction twice is cut down to the part between.
func (s *cycleSearch) steps(u int32, way []int32) []hop {
	var steps []hop
	current := hop{from: s.g.txns[u], key: kit.None}
	fresh := true
	for _, e := range way {
		kind, to := s.g.kind[e], s.g.to[e]
		if fresh {
			current.kind, current.key, fresh = kind, s.g.key[e], false
		}
		if int(to) >= len(s.g.txns) {
			continue
		}
		current.to = s.g.txns[to]
		steps = append(steps, current)
		current, fresh = hop{from: current.to, key: kit.None}, true
	}
	last := map[int32]int{}
	for i := range steps {
		last[steps[i].from] = i
	}
	for i := range steps {
		if j := last[steps[i].from]; j > i {
			inner := slices.Clone(steps[i:j])
			outer := append(slices.Clone(steps[:i]), steps[j:]...)
			if slices.Index(severity, classify(outer)) < slices.Index(severity, classify(inner)) {
				return outer
			}
			return inner
		}
	}
	return steps
}

// severity orders the classes of cycles from the worst to the mildest.
var severity = func() []checkers.Class {
	var all []checkers.Class
	for _, x := range extras {
		for _, c := range cycleClasses {
			all = append(all, c.class+x.ending)
		}
	}
	return all
}()

// classify names a cycle.
func classify(steps []hop) checkers.Class {
	var kinds edgeKind
	rw, adjacent := 0, false
	for i, s := range steps {
		kinds |= s.kind
		if s.kind == edgeRW {
			rw++
			adjacent = adjacent || steps[(i+1)%len(steps)].kind == edgeRW
		}
	}
	var class checkers.Class
	switch {
	case rw == 1:
		class = checkers.GSingle
	case rw > 1 && !adjacent:
		class = checkers.GNonadjacent
	case rw > 1:
		class = checkers.G2
	case kinds&edgeWR != 0:
		class = checkers.G1c
	default:
		class = checkers.G0
	}
	switch {
	case kinds&edgeRealtime != 0:
		class += "-realtime"
	case kinds&edgeProcess != 0:
		class += "-process"
	}
	return class
}
