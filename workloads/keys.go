package workloads

import (
	"math"
	"math/bits"
)

// theta is the exponent of the zipfian distribution, YCSB's constant: the key
// of rank r is chosen with a chance proportional to 1/r^theta.
const theta = 0.99

// keys chooses keys below n. It is immutable and shared by all workers.
type keys struct {
	n     uint64
	slots []slot // nil: uniform
}

// slot is one column of an alias table: own is taken with the chance
// threshold/2^32, other else.
type slot struct{ threshold, own, other uint32 }

func newKeys(n int, distribution string) *keys {
	k := &keys{n: uint64(n)}
	if distribution == "zipfian" && n > 1 {
		k.slots = zipfTable(n)
	}
	return k
}

// pick turns one 64-bit random number into a key, in constant time: the high
// word of u·n is a column, uniform up to n/2^64, and the low word is how far
// u lies within that column.
func (k *keys) pick(u uint64) uint32 {
	column, within := bits.Mul64(u, k.n)
	if k.slots == nil {
		return uint32(column)
	}
	s := &k.slots[column]
	if uint32(within>>32) < s.threshold {
		return s.own
	}
	return s.other
}

// zipfTable builds the alias table (Walker 1977, in the linear-time form of
// Vose: A Linear Algorithm for Generating Random Numbers with a Given
// Distribution, 1991). It is exact but for the 2^-32 of a threshold: every
// column has the same mass 1/n, filled up by its own rank and one other. Ranks
// are scattered over the keys by a stride that shares no divisor with n, so
// that hot keys are not neighbours and every key has one rank.
func zipfTable(n int) []slot {
	mass := make([]float64, n) // of each rank, in columns
	sum := 0.0
	for r := range mass {
		mass[r] = math.Pow(float64(r+1), -theta)
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
	step := stride(n)
	key := func(rank int) uint32 { return uint32(uint64(rank) * step % uint64(n)) }
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
