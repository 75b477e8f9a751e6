package workloads

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFixedRateDoesNotDrift(t *testing.T) {
	for _, rate := range []float64{1, 3, 7.3, 1000, 1e6 / 3, 123456.789} {
		const c = 7
		for i := range c {
			p := fixedRate(rate, i, c)
			for _, n := range []uint64{0, 1, 2, 999, 1e6, 142_857_142, 1e9} {
				if float64(n)*c/rate > 9e6 { // beyond the hundred days
					continue
				}
				exact := new(big.Rat).SetFloat64(rate)
				exact.Quo(new(big.Rat).SetInt64(int64(n)*c+int64(i)), exact).Mul(exact, big.NewRat(1e9, 1))
				want, _ := exact.Float64()
				if got := p(n); math.Abs(float64(got)-want) > 1.5 {
					t.Errorf("rate %g, worker %d: operation %d at %d, want %.1f", rate, i, n, got, want)
				}
			}
		}
	}
}

func TestFixedRateNeverOverflows(t *testing.T) {
	p := fixedRate(1e-6, 0, 1000)
	if got := p(1e12); got != math.MaxInt64 {
		t.Errorf("a time beyond the clock is %d", got)
	}
	if got := fixedGap(1e6)(math.MaxUint64); got != math.MaxInt64 {
		t.Errorf("a time beyond the clock is %d", got)
	}
}

func TestWorkersShareOneSchedule(t *testing.T) {
	w := mustNew(t, Spec{Type: "register", Clients: 5, Rate: 1000})
	var all []int64
	for i := range 5 {
		for n := range 20 {
			all = append(all, w.Pacer(i, 3)(uint64(n)))
		}
	}
	slices.Sort(all)
	for k, at := range all {
		if at != int64(k)*1e6 {
			t.Fatalf("operation %d of all is at %d, want %d", k, at, k*1e6)
		}
	}
	if mustNew(t, Spec{Type: "register"}).Pacer(0, 3) != nil {
		t.Error("a closed loop has a pacer")
	}
}

func TestSkipIsTheFirstInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := fixedGap(int64(rapid.IntRange(1, 50).Draw(t, "gap")))
		n := uint64(rapid.IntRange(0, 100).Draw(t, "n"))
		now := int64(rapid.IntRange(0, 20_000).Draw(t, "now"))
		want := n
		for p(want) < now {
			want++
		}
		if got := Skip(p, n, now); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	})
}
