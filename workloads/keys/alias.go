package keys

import "math"

// slot is one column of an alias table: own is taken with the chance
// threshold/2^32, other else.
type slot struct{ threshold, own, other uint32 }

// aliasTable draws rank r with a chance proportional to weight(r), in constant
// time (Walker 1977, in the linear-time form of Vose: A Linear Algorithm for
// Generating Random Numbers with a Given Distribution, 1991). It is exact but for
// the 2^-32 of a threshold: every column has the same mass 1/n, filled up by its
// own rank and one other. key is what stands for a rank.
func aliasTable(n int, weight func(rank int) float64, key func(rank int) uint32) []slot {
	mass := make([]float64, n) // of each rank, in columns
	sum := 0.0
	for r := range mass {
		mass[r] = weight(r)
		sum += mass[r]
	}
	var small, large []int
	for r := range mass {
		mass[r] *= float64(n) / sum
		if mass[r] < 1 {
			small = append(small, r)
		} else {
			large = append(large, r)
		}
	}
	slots := make([]slot, n)
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		slots[s] = slot{uint32(mass[s] * (1 << 32)), key(s), key(l)}
		mass[l] -= 1 - mass[s]
		if mass[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, rest := range [2][]int{small, large} { // full columns, up to rounding
		for _, r := range rest {
			slots[r] = slot{math.MaxUint32, key(r), key(r)}
		}
	}
	return slots
}

// scattered spreads ranks over the keys by a stride that shares no divisor with
// n: hot keys are no neighbours, and every key has one rank. (YCSB hashes ranks
// for that, which gives some keys two ranks and others none.)
func scattered(n int) func(rank int) uint32 {
	step := stride(n)
	return func(rank int) uint32 { return uint32(uint64(rank) * step % uint64(n)) }
}

// stride is the number at or above n divided by the golden ratio that shares
// no divisor with n: multiples of it, modulo n, are spread evenly.
func stride(n int) uint64 {
	s := uint64(float64(n)/math.Phi) | 1
	for gcd(s, uint64(n)) != 1 {
		s++
	}
	return s
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
