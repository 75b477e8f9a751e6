package workloads

import (
	"hash/fnv"
	"math/rand/v2"
)

// firstValue is the base of a worker's written values: worker w writes
// (w+1)<<40 + 1, + 2, …, so that no two writes of a workload share a value, all
// are above 0, and a value tells who wrote it. 2^40 writes of one worker take
// weeks at a million a second.
func firstValue(worker int) int64 { return int64(worker+1) << 40 }

// Writer tells which worker writes a value; it is false of what none does.
func Writer(value int64) (worker int, ok bool) {
	worker = int(value>>40) - 1
	return worker, value > 0 && worker >= 0 && value != firstValue(worker)
}

// stream is the random stream of one worker: the same run seed, workload name
// and worker always give the same numbers, and any two that differ give
// unrelated ones.
func stream(seed uint64, workload string, worker int) *rand.PCG {
	h := fnv.New64a()
	_, _ = h.Write([]byte(workload)) // a hash.Hash never fails
	a := scramble(seed ^ scramble(h.Sum64()))
	return rand.NewPCG(a, scramble(a+uint64(worker)+1))
}

// scramble is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable
// Pseudorandom Number Generators, 2014): a bijection whose every output bit
// depends on every input bit.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
