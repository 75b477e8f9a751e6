package workloads

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// tableMass is the exact chance of each key under an alias table.
func tableMass(slots []slot) []float64 {
	mass := make([]float64, len(slots))
	for _, s := range slots {
		p := float64(s.threshold) / (1 << 32)
		mass[s.own] += p / float64(len(slots))
		mass[s.other] += (1 - p) / float64(len(slots))
	}
	return mass
}

func TestZipfTableIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 3000).Draw(t, "n")
		got := tableMass(zipfTable(n))
		slices.SortFunc(got, func(a, b float64) int { return -compare(a, b) })
		sum := 0.0
		for r := range n {
			sum += math.Pow(float64(r+1), -0.99)
		}
		for r, p := range got {
			want := math.Pow(float64(r+1), -0.99) / sum
			if math.Abs(p-want) > 1e-8 {
				t.Fatalf("n=%d: rank %d has the chance %g, want %g", n, r+1, p, want)
			}
		}
	})
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestZipfKeepsHotKeysApart(t *testing.T) {
	mass := tableMass(zipfTable(1000))
	order := make([]int, len(mass))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return -compare(mass[a], mass[b]) })
	hot := slices.Sorted(slices.Values(order[:10]))
	for i := 1; i < len(hot); i++ {
		if hot[i]-hot[i-1] < 10 {
			t.Errorf("the hot keys %d and %d are neighbours", hot[i-1], hot[i])
		}
	}
}

func TestPickedKeysFollowTheDistribution(t *testing.T) {
	const n, draws = 50, 500_000
	for _, distribution := range distributions {
		k := newKeys(n, distribution)
		want := slices.Repeat([]float64{1. / n}, n)
		if k.slots != nil {
			want = tableMass(k.slots)
		}
		rng := rand.NewPCG(3, 4)
		counts := make([]int, n)
		for range draws {
			counts[k.pick(rng.Uint64())]++
		}
		for key, c := range counts {
			deviation := math.Sqrt(want[key] * (1 - want[key]) / draws)
			if got := float64(c) / draws; math.Abs(got-want[key]) > 5*deviation {
				t.Errorf("%s: key %d has the share %.4f, want %.4f", distribution, key, got, want[key])
			}
		}
	}
}

func TestPickReachesBothEnds(t *testing.T) {
	for _, n := range []int{1, 2, 64, 1 << 20} {
		k := newKeys(n, "uniform")
		if k.pick(0) != 0 || k.pick(math.MaxUint64) != uint32(n-1) {
			t.Errorf("%d keys: %d to %d", n, k.pick(0), k.pick(math.MaxUint64))
		}
	}
	if k := newKeys(1, "zipfian"); k.pick(math.MaxUint64) != 0 {
		t.Error("one zipfian key is not key 0")
	}
}
