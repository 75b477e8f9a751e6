package checkers

import (
	"cmp"
	"slices"
	"sync"
)

// shelf keeps the few findings of one class that are told, those of greatest
// rank. Of equal ranks the first stays.
type shelf struct {
	limit int
	kept  []ranked
}

// ranked is a finding that is written out only if it is kept to the end.
type ranked struct {
	rank  int64
	write func() Finding
}

// wants tells whether a finding of that rank would be kept.
func (s *shelf) wants(rank int64) bool {
	return len(s.kept) < s.limit || s.limit > 0 && rank > s.kept[len(s.kept)-1].rank
}

func (s *shelf) offer(rank int64, write func() Finding) {
	if !s.wants(rank) {
		return
	}
	at := len(s.kept)
	for at > 0 && s.kept[at-1].rank < rank {
		at--
	}
	s.kept = slices.Insert(s.kept, at, ranked{rank, write})
	s.kept = s.kept[:min(len(s.kept), s.limit)]
}

// shelves has one shelf for each class.
type shelves struct {
	limit int
	of    map[Class]*shelf
}

func newShelves(limit int) *shelves { return &shelves{limit, map[Class]*shelf{}} }

func (s *shelves) class(c Class) *shelf {
	one, ok := s.of[c]
	if !ok {
		one = &shelf{limit: s.limit}
		s.of[c] = one
	}
	return one
}

// write writes out what is kept so far and passes the gate, and forgets the rest.
func (s *shelves) write(g *gate) {
	for c, one := range s.of {
		one.kept = one.kept[:g.pass(c, one.kept)]
		for i := range one.kept {
			f := one.kept[i].write()
			one.kept[i].write = func() Finding { return f }
		}
	}
}

// gate lets through what may be kept when the shelves of all objects are taken
// together: what ranks below the limit-th of what came before is not, whichever
// object comes first. It may be used by several goroutines.
type gate struct {
	limit int
	mu    sync.Mutex
	ranks map[Class][]int64 // the greatest that came, falling
}

func newGate(limit int) *gate { return &gate{limit: limit, ranks: map[Class][]int64{}} }

// pass is how many of the findings, which are in order of falling rank, pass.
func (g *gate) pass(c Class, kept []ranked) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	ranks := g.ranks[c]
	for i, r := range kept {
		if len(ranks) >= g.limit && r.rank < ranks[g.limit-1] {
			g.ranks[c] = ranks
			return i
		}
		at, _ := slices.BinarySearchFunc(ranks, r.rank, func(a, b int64) int { return cmp.Compare(b, a) })
		ranks = slices.Insert(ranks, at, r.rank)
		ranks = ranks[:min(len(ranks), g.limit)]
	}
	g.ranks[c] = ranks
	return len(kept)
}

// take offers everything of another set of shelves; nil has nothing.
func (s *shelves) take(other *shelves) {
	if other == nil {
		return
	}
	for c, from := range other.of {
		for _, r := range from.kept {
			s.class(c).offer(r.rank, r.write)
		}
	}
}

// findings writes out what was kept, in the given order of classes.
func (s *shelves) findings(classes ...Class) []Finding {
	if s == nil {
		return nil
	}
	var all []Finding
	for _, c := range classes {
		for _, r := range s.class(c).kept {
			all = append(all, r.write())
		}
	}
	return all
}
