package kit

import (
	"cmp"
	"slices"
	"sync"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// topOfClass keeps the few findings of one class that are told, those of greatest
// rank. Of equal ranks the first stays.
type topOfClass struct {
	limit int
	kept  []ranked
}

// ranked is a finding that is written out only if it is kept to the end.
type ranked struct {
	rank  int64
	write func() checkers.Finding
}

// Wants tells whether a finding of that rank would be kept.
func (s *topOfClass) Wants(rank int64) bool {
	return len(s.kept) < s.limit || s.limit > 0 && rank > s.kept[len(s.kept)-1].rank
}

func (s *topOfClass) Offer(rank int64, write func() checkers.Finding) {
	if !s.Wants(rank) {
		return
	}
	at := len(s.kept)
	for at > 0 && s.kept[at-1].rank < rank {
		at--
	}
	s.kept = slices.Insert(s.kept, at, ranked{rank, write})
	s.kept = s.kept[:min(len(s.kept), s.limit)]
}

// TopFindings keeps the few of each class.
type TopFindings struct {
	limit int
	of    map[checkers.Class]*topOfClass
}

// NewTopFindings keeps at most limit findings of each class.
func NewTopFindings(limit int) *TopFindings {
	return &TopFindings{limit, map[checkers.Class]*topOfClass{}}
}

func (s *TopFindings) Class(c checkers.Class) *topOfClass {
	one, ok := s.of[c]
	if !ok {
		one = &topOfClass{limit: s.limit}
		s.of[c] = one
	}
	return one
}

// Write writes out what is kept so far and passes the gate, and forgets the rest.
func (s *TopFindings) Write(g *gate) {
	for c, one := range s.of {
		one.kept = one.kept[:g.pass(c, one.kept)]
		for i := range one.kept {
			f := one.kept[i].write()
			one.kept[i].write = func() checkers.Finding { return f }
		}
	}
}

// gate lets through what may be kept when the findings of all objects are
// taken together: what ranks below the limit-th of what came before is not, whichever
// object comes first. It may be used by several goroutines.
type gate struct {
	limit int
	mu    sync.Mutex
	ranks map[checkers.Class][]int64 // the greatest that came, falling
}

// NewGate lets at most limit findings of each class through.
func NewGate(limit int) *gate { return &gate{limit: limit, ranks: map[checkers.Class][]int64{}} }

// pass is how many of the findings, which are in order of falling rank, pass.
func (g *gate) pass(c checkers.Class, kept []ranked) int {
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

// Merge offers everything of another; nil has nothing.
func (s *TopFindings) Merge(other *TopFindings) {
	if other == nil {
		return
	}
	for c, from := range other.of {
		for _, r := range from.kept {
			s.Class(c).Offer(r.rank, r.write)
		}
	}
}

// Findings writes out what was kept, in the given order of classes.
func (s *TopFindings) Findings(classes ...checkers.Class) []checkers.Finding {
	if s == nil {
		return nil
	}
	var all []checkers.Finding
	for _, c := range classes {
		for _, r := range s.Class(c).kept {
			all = append(all, r.write())
		}
	}
	return all
}
