package series

import (
	"cmp"
	"math"
	"slices"
)

// mostProbes bounds the rates that one search tries.
const mostProbes = 64

// search finds the greatest rate that holds, by answers to single rates: first
// from the lowest one, or a guess, by doubling, until one does not hold, or down from
// the guess until one does; then by halving what is between, in ratios. Both ends
// are confirmed: the greatest that held by a longer run, and where that fails it counts
// as not held; the least that did not by trying it again, and where it holds then, it
// does. It takes for granted that what does not hold at a rate does not at a greater one.
type search struct {
	from, to float64
	guess    float64   // where it begins
	within   float64   // share by which the ends may differ
	held     []float64 // in short runs, ascending, below all that did not hold
	failures []refusal // ascending
	sure     float64   // held in a longer run; 0: none
	probes   int
}

// refusal is a rate that did not hold.
type refusal struct {
	rate float64
	long bool // in a longer run
	sure bool // and not when it was tried again
}

// newSearch begins at a guess that lies between from and to, else at from.
func newSearch(from, to, guess, within float64) *search {
	return &search{from: from, to: to, guess: min(max(guess, from), to), within: within}
}

// least is the greatest rate that held and lies below all that did not; 0: none.
func (s *search) least() float64 {
	if len(s.held) == 0 {
		return 0
	}
	return s.held[len(s.held)-1]
}

// failed is the least rate that did not hold; infinite: none.
func (s *search) failed() float64 {
	if len(s.failures) == 0 {
		return math.Inf(1)
	}
	return s.failures[0].rate
}

// next is what to try; long asks for a confirmation. It is false when the search
// is over: then sure is its answer, 0 if nothing held.
func (s *search) next() (rate float64, long, more bool) {
	least, failed := s.least(), s.failed()
	switch {
	case s.probes >= mostProbes:
		return 0, false, false
	case least == 0 && len(s.failures) == 0:
		return s.guess, false, true
	case least == 0 && failed > s.from:
		return max(nice(failed/2), s.from), false, true
	case least == 0:
		return s.again()
	case len(s.failures) == 0 && least < s.to:
		return min(2*least, s.to), false, true
	}
	if middle := nice(math.Sqrt(least * failed)); failed/least-1 > s.within && middle > least && middle < failed {
		return middle, false, true
	}
	if s.sure != least {
		return least, true, true
	}
	return s.again()
}

// again tries the least rate that did not hold once more.
func (s *search) again() (rate float64, long, more bool) {
	if len(s.failures) == 0 || s.failures[0].sure {
		return 0, false, false
	}
	return s.failures[0].rate, s.failures[0].long, true
}

// answer takes what became of a try.
func (s *search) answer(rate float64, long, holds bool) {
	s.probes++
	at := slices.IndexFunc(s.failures, func(f refusal) bool { return f.rate == rate && f.long == long })
	switch {
	case !holds && at >= 0:
		s.failures[at].sure = true
		return
	case !holds:
		s.failures = append(s.failures, refusal{rate: rate, long: long})
		slices.SortFunc(s.failures, func(a, b refusal) int { return cmp.Compare(a.rate, b.rate) })
		s.held = slices.DeleteFunc(s.held, func(r float64) bool { return r >= rate })
		if s.sure >= rate {
			s.sure = 0
		}
		return
	}
	if at >= 0 {
		s.failures = slices.Delete(s.failures, at, at+1)
	}
	if !slices.Contains(s.held, rate) {
		s.held = append(s.held, rate)
		slices.Sort(s.held)
	}
	if long {
		s.sure = rate
	}
}

// nice rounds a rate to three digits, which people can say.
func nice(rate float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(rate))-2)
	return math.Round(rate/unit) * unit
}
