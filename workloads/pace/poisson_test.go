package pace

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// arrived are the times of all workers' operations before an end, in order.
func arrived(c *Curve, workers int, end int64) []int64 {
	var all []int64
	for i := range workers {
		p := c.Poisson(workers, uint64(i+1)*7919)
		for n := uint64(0); p(n) < end; n++ {
			all = append(all, p(n))
		}
	}
	slices.Sort(all)
	return all
}

// TestPoissonGaps: those of all workers together are exponential, by the test of
// Kolmogorov and Smirnov at a level of 0.1 %, and the next does not follow from
// the last.
func TestPoissonGaps(t *testing.T) {
	const rate = 1000.0
	for _, workers := range []int{1, 8, 500} {
		all := arrived(constant(rate), workers, 60*sec)
		gaps := make([]float64, len(all)-1)
		mean := 0.0
		for i := range gaps {
			gaps[i] = float64(all[i+1]-all[i]) / 1e9
			mean += gaps[i] / float64(len(gaps))
		}
		both, square := 0.0, 0.0
		for i := range len(gaps) - 1 {
			both += (gaps[i] - mean) * (gaps[i+1] - mean)
			square += (gaps[i] - mean) * (gaps[i] - mean)
		}
		if r := both / square; math.Abs(r) > 3.3/math.Sqrt(float64(len(gaps))) {
			t.Errorf("%d workers: gaps correlate by %g", workers, r)
		}
		slices.Sort(gaps)
		worst := 0.0
		for i, g := range gaps {
			f := 1 - math.Exp(-g*rate)
			worst = max(worst, math.Abs(f-float64(i)/float64(len(gaps))), math.Abs(f-float64(i+1)/float64(len(gaps))))
		}
		if limit := 1.95 / math.Sqrt(float64(len(gaps))); worst > limit {
			t.Errorf("%d workers: the gaps are off the exponential distribution by %g, more than %g", workers, worst, limit)
		}
	}
}

// TestPoissonCounts: the counts in stretches have the variance of their mean, and
// follow a rate that changes; chi-square at 0.1 %.
func TestPoissonCounts(t *testing.T) {
	c := NewCurve([]Phase{{Rate: 200, To: 1800, For: 30 * time.Second}, {Rate: 1000, Sine: Sine{800, 10 * time.Second}, For: 30 * time.Second}})
	const stretch = sec / 10
	counts := make([]float64, 600)
	for _, at := range arrived(c, 8, 60*sec) {
		counts[at/stretch]++
	}
	chi := 0.0
	for i, n := range counts {
		want := c.Count(int64(i+1)*stretch) - c.Count(int64(i)*stretch)
		chi += (n - want) * (n - want) / want
	}
	// 600 degrees of freedom: a mean of 600, a deviation of √1200.
	if math.Abs(chi-600) > 3.3*math.Sqrt(1200) {
		t.Errorf("chi-square is %g, want about 600", chi)
	}
}

// TestPoissonIsAFunctionOfTheNumber, however it is asked.
func TestPoissonIsAFunctionOfTheNumber(t *testing.T) {
	const n = 3*markEvery + 10
	want := make([]int64, n)
	p := constant(1e5).Poisson(3, 42)
	for i := range want {
		want[i] = p(uint64(i))
		if i > 0 && want[i] < want[i-1] {
			t.Fatalf("operation %d is before the last", i)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := constant(1e5).Poisson(3, 42)
		for range 20 {
			i := rapid.IntRange(0, n-1).Draw(t, "n")
			if got := p(uint64(i)); got != want[i] {
				t.Fatalf("operation %d is at %d, and at %d in order", i, got, want[i])
			}
		}
	})
}

func BenchmarkPacers(b *testing.B) {
	for name, p := range map[string]Pacer{
		"constant": constant(1000).Constant(1, 8),
		"poisson":  constant(1000).Poisson(8, 1),
		"sine":     NewCurve([]Phase{{Rate: 500, Sine: Sine{300, 10 * time.Second}}}).Constant(1, 8),
		"ramp":     NewCurve([]Phase{{Rate: 500, To: 1000, For: time.Hour}}).Constant(1, 8),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := range b.N {
				p(uint64(n))
			}
		})
	}
}
