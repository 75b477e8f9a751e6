package keys

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

const draws = 400_000

// chances are the formula of each distribution, key by key, made without the code
// under test: YCSB's definitions over n keys.
func chances(n int, s Spec) []float64 {
	p := make([]float64, n)
	byRank := func(weight func(rank int) float64, key func(rank int) int) {
		sum := 0.0
		for r := range n {
			sum += weight(r)
		}
		for r := range n {
			p[key(r)] = weight(r) / sum
		}
	}
	scatter := func(r int) int { return int(uint64(r) * stride(n) % uint64(n)) }
	switch s.Name {
	case Zipfian:
		byRank(func(r int) float64 { return 1 / math.Pow(float64(1+r), s.theta()) }, scatter)
	case Exponential:
		// The part of the operations that falls on the last x keys of endless many
		// is 1-e^(-gamma x), and none may fall beyond n.
		gamma := math.Log(1/(1-s.percentile()/100)) / (float64(n) * s.frontKeys() / 100)
		byRank(func(r int) float64 { return math.Exp(-gamma*float64(r)) - math.Exp(-gamma*float64(r+1)) }, func(r int) int { return n - 1 - r })
	case Hotspot:
		hot := max(int(math.Round(float64(n)*s.hotKeys()/100)), 1) // some key is hot
		for r := range n {
			p[scatter(r)] = (1 - s.hotOperations()/100) / float64(n-hot)
			if r < hot {
				p[scatter(r)] = s.hotOperations() / 100 / float64(hot)
			}
		}
	default:
		for k := range p {
			p[k] = 1 / float64(n)
		}
	}
	return p
}

// chiSquare tells how far counts are from what is expected of them, and how far
// they are in one of a million fair tries. Keys that are expected fewer than
// five times are taken together, as the test wants it.
func chiSquare(counts []int, p []float64) (statistic, critical float64) {
	total, degrees := 0, -1
	for _, c := range counts {
		total += c
	}
	add := func(seen, expected float64) {
		statistic += (seen - expected) * (seen - expected) / expected
		degrees++
	}
	rareSeen, rareExpected := 0.0, 0.0
	for k, c := range counts {
		if expected := p[k] * float64(total); expected >= 5 {
			add(float64(c), expected)
		} else {
			rareSeen, rareExpected = rareSeen+float64(c), rareExpected+expected
		}
	}
	if rareExpected > 0 {
		add(rareSeen, max(rareExpected, 5))
	}
	return statistic, distuv.ChiSquared{K: float64(degrees)}.Quantile(1 - 1e-6)
}

func count(c Chooser, n int) []int {
	rng, counts := rand.NewPCG(3, 4), make([]int, n)
	for range draws {
		counts[c.Next(rng.Uint64(), false)]++
	}
	return counts
}

var specs = []Spec{{Name: Uniform}, {Name: Zipfian}, {Name: Zipfian, Theta: 0.5}, {Name: Zipfian, Theta: 1}, {Name: Zipfian, Theta: 1.7}, {Name: Zipfian, Theta: 3},
	{Name: Hotspot}, {Name: Hotspot, Keys: 1, Operations: 99.5}, {Name: Hotspot, Keys: 50, Operations: 10}, {Name: Exponential}, {Name: Exponential, Keys: 10, Percentile: 50}}

func TestKeysFollowTheirFormula(t *testing.T) {
	for _, n := range []int{2, 100, 1000} {
		for _, s := range specs {
			statistic, critical := chiSquare(count(New(n, s).Worker(0, 1), n), chances(n, s))
			if statistic > critical {
				t.Errorf("%+v of %d keys: chi-square %.0f, and %.0f is all that chance explains", s, n, statistic, critical)
			}
		}
	}
}

// TestTheTestSeesSmallErrors: what the test above lets pass is close.
func TestTheTestSeesSmallErrors(t *testing.T) {
	const n = 100
	for _, wrong := range []struct{ is, taken Spec }{
		{Spec{Name: Zipfian}, Spec{Name: Zipfian, Theta: 1.02}}, {Spec{Name: Hotspot}, Spec{Name: Hotspot, Operations: 81}},
		{Spec{Name: Exponential}, Spec{Name: Exponential, Percentile: 96}}, {Spec{Name: Uniform}, Spec{Name: Zipfian, Theta: 0.02}},
	} {
		if statistic, critical := chiSquare(count(New(n, wrong.is).Worker(0, 1), n), chances(n, wrong.taken)); statistic <= critical {
			t.Errorf("%+v was taken for %+v", wrong.is, wrong.taken)
		}
	}
}

// TestLatestReadsBehindWhatWasWritten: writes go through the keys one after the
// other, reads are zipfian back from the newest.
func TestLatestReadsBehindWhatWasWritten(t *testing.T) {
	const n, workers = 101, 4
	d := New(n, Spec{Name: Latest, Theta: 1.2})
	for i := range workers {
		c := d.Worker(i, workers)
		rng, counts := rand.NewPCG(5, 6), make([]int, n)
		for w := range 4000 {
			newest := int(c.Next(rng.Uint64(), true))
			if want := (i + w*workers) % n; newest != want {
				t.Fatalf("worker %d: write %d goes to key %d, want %d", i, w, newest, want)
			}
			for range 50 {
				counts[(newest-int(c.Next(rng.Uint64(), false))+n)%n]++
			}
		}
		back := make([]float64, n)
		sum := 0.0
		for r := range back {
			sum += math.Pow(float64(r+1), -1.2)
		}
		for r := range back {
			back[r] = math.Pow(float64(r+1), -1.2) / sum
		}
		if statistic, critical := chiSquare(counts, back); statistic > critical {
			t.Errorf("worker %d: chi-square %.0f, and %.0f is all that chance explains", i, statistic, critical)
		}
	}
}

// TestSequentialVisitsAll: together the workers go through all keys in order.
func TestSequentialVisitsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, workers := rapid.IntRange(1, 300).Draw(t, "n"), rapid.IntRange(1, 20).Draw(t, "workers")
		d := New(n, Spec{Name: Sequential})
		for i := range workers {
			c := d.Worker(i, workers)
			for op := range 2 * n {
				if got, want := int(c.Next(0, op%2 == 0)), (i+op*workers)%n; got != want {
					t.Fatalf("worker %d of %d: operation %d goes to key %d of %d, want %d", i, workers, op, got, n, want)
				}
			}
		}
	})
}

func TestAliasTableIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, theta := rapid.IntRange(2, 3000).Draw(t, "n"), rapid.Float64Range(minTheta, maxTheta).Draw(t, "theta")
		s := Spec{Name: Zipfian, Theta: theta}
		slots, mass := New(n, s).slots, make([]float64, n)
		for _, s := range slots {
			p := float64(s.threshold) / (1 << 32)
			mass[s.own] += p / float64(n)
			mass[s.other] += (1 - p) / float64(n)
		}
		for key, want := range chances(n, s) {
			if math.Abs(mass[key]-want) > 1e-8 {
				t.Fatalf("n=%d: key %d has the chance %g, want %g", n, key, mass[key], want)
			}
		}
	})
}

func TestHotKeysAreNoNeighbours(t *testing.T) {
	const n = 1000
	p := chances(n, Spec{Name: Zipfian})
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	counts := count(New(n, Spec{Name: Zipfian}).Worker(0, 1), n)
	slices.SortFunc(order, func(a, b int) int { return counts[b] - counts[a] })
	hot := slices.Sorted(slices.Values(order[:5]))
	for i := 1; i < len(hot); i++ {
		if hot[i]-hot[i-1] < 10 {
			t.Errorf("the hot keys %d and %d are neighbours (%g, %g)", hot[i-1], hot[i], p[hot[i-1]], p[hot[i]])
		}
	}
}

// TestNextStaysBelow: whatever is drawn is a key, at both ends of what is random.
func TestNextStaysBelow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 1<<12)).Draw(t, "n")
		s := Spec{Name: rapid.SampledFrom(Names()).Draw(t, "name")}
		if s.Name == Hotspot {
			s.Keys, s.Operations = 100, 100
			if rapid.Bool().Draw(t, "few") {
				s.Keys, s.Operations = minPercent, minPercent
			}
		}
		c := New(n, s).Worker(rapid.IntRange(0, 63).Draw(t, "worker"), rapid.IntRange(1, 64).Draw(t, "workers"))
		for _, u := range []uint64{0, 1, math.MaxUint64, math.MaxUint64 - 1, 1 << 63, c.d.share, c.d.share - 1, rapid.Uint64().Draw(t, "u")} {
			for _, write := range []bool{false, true} {
				if key := c.Next(u, write); int(key) >= n {
					t.Fatalf("%+v: key %d of %d", s, key, n)
				}
			}
		}
	})
	for _, n := range []int{1, 2, 64, 1 << 20} {
		c := New(n, Spec{Name: Uniform}).Worker(0, 1)
		if c.Next(0, false) != 0 || c.Next(math.MaxUint64, false) != uint32(n-1) {
			t.Errorf("%d keys: both ends are not reached", n)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		spec Spec
		want string
	}{
		{Spec{Name: Zipfian, Theta: 1}, ""}, {Spec{Name: Latest, Theta: 2}, ""}, {Spec{Name: Hotspot, Keys: 100, Operations: 100}, ""},
		{Spec{Name: Exponential, Percentile: 90, Keys: 10}, ""},
		{Spec{Name: "zipfain"}, `distribution is "zipfain": did you mean "zipfian"?`},
		{Spec{Name: Sequential, Keys: 20}, "distribution is sequential, which has no keys; take it away, or use hotspot or exponential"},
		{Spec{Name: Zipfian, Theta: math.NaN()}, "distribution: theta is NaN; it can be 0.01 to 10"},
		{Spec{Name: Exponential, Percentile: 100}, "distribution: percentile is 100; it can be 0.0001 to 99.999"},
	} {
		if got := fmt.Sprint(tc.spec.Check()); got != tc.want && (tc.want != "" || got != "<nil>") {
			t.Errorf("%+v: %s, want %s", tc.spec, got, tc.want)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, n := range []int{4096, 1 << 20} {
		for _, name := range Names() {
			b.Run(fmt.Sprintf("%s-%d", name, n), func(b *testing.B) {
				c, rng := New(n, Spec{Name: name}).Worker(0, 1), rand.NewPCG(1, 2)
				b.ReportAllocs()
				for b.Loop() {
					c.Next(rng.Uint64(), false)
				}
			})
		}
	}
}
