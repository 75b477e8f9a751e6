package pace

import "math"

// Poisson is the pacer of one worker of so many whose arrivals are random and
// independent: with seeds of their own, those of all workers together are a
// Poisson process of the curve's rate, as sums of independent ones are.
//
// Its nth arrival is where the curve comes to the nth of a process of rate 1
// (time change: Çinlar, Introduction to Stochastic Processes, 1975, 4.7), whose
// gaps are exponential by inversion of a number that follows from the seed and n.
func (c *Curve) Poisson(workers int, seed uint64) Pacer {
	of, p := float64(workers), &arrivals{seed: seed, marks: make([]float64, 1, 1024)}
	return func(n uint64) int64 { return c.At(of * p.at(n)) }
}

// arrivals are those of a Poisson process of rate 1. What it remembers saves
// adding up anew and changes no answer: one from where it is costs one gap, any
// other at most markEvery of them.
type arrivals struct {
	seed  uint64
	n     uint64  // sum is that of the first n gaps
	sum   float64 //
	marks []float64
}

// markEvery is how many gaps lie between two sums that are kept.
const markEvery = 4096

// at is the time of arrival n: the sum of the gaps 0 to n.
func (a *arrivals) at(n uint64) float64 {
	if n+1 < a.n || n >= a.n+markEvery {
		mark := min((n+1)/markEvery, uint64(len(a.marks)-1))
		if start := mark * markEvery; n+1 < a.n || start > a.n {
			a.n, a.sum = start, a.marks[mark]
		}
	}
	for a.n <= n {
		a.sum -= math.Log(1 - uniform(a.seed, a.n)) // 1 − u is exact, and above 0
		a.n++
		if a.n%markEvery == 0 && a.n/markEvery == uint64(len(a.marks)) {
			a.marks = append(a.marks, a.sum)
		}
	}
	return a.sum
}

// uniform is number n of a stream in [0, 1): SplitMix64 (Steele, Lea, Flood: Fast
// Splittable Pseudorandom Number Generators, 2014), which can begin anywhere.
func uniform(seed, n uint64) float64 {
	x := seed + (n+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}
