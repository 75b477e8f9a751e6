package pace

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const sec = int64(time.Second)

func constant(rate float64) *Curve { return NewCurve([]Phase{{Rate: rate}}) }

func TestAConstantRateDoesNotDrift(t *testing.T) {
	for _, rate := range []float64{1, 3, 7.3, 1000, 1e6 / 3, 123456.789} {
		const c = 7
		for i := range c {
			p := constant(rate).Constant(i, c)
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

func TestTimesNeverOverflow(t *testing.T) {
	for name, p := range map[string]Pacer{"constant": constant(1e-6).Constant(0, 1000), "poisson": constant(1e-9).Poisson(1000, 1),
		"ended": NewCurve([]Phase{{Rate: 1, For: time.Second}}).Constant(0, 1)} {
		if got := p(1e4); got != math.MaxInt64 {
			t.Errorf("%s: a time beyond the clock is %d", name, got)
		}
	}
	if got := Every(1e6)(math.MaxUint64); got != math.MaxInt64 {
		t.Errorf("a time beyond the clock is %d", got)
	}
}

func TestWorkersShareOneSchedule(t *testing.T) {
	var all []int64
	for i := range 5 {
		for n := range 20 {
			all = append(all, constant(1000).Constant(i, 5)(uint64(n)))
		}
	}
	slices.Sort(all)
	for k, at := range all {
		if at != int64(k)*1e6 {
			t.Fatalf("operation %d of all is at %d, want %d", k, at, k*1e6)
		}
	}
}

// TestCurves: each operation is at the time until which the integral of the rate,
// by Simpson's rule, is its number.
func TestCurves(t *testing.T) {
	for name, tc := range map[string]struct {
		phase Phase
		rate  func(t float64) float64
	}{
		"constant":         {Phase{Rate: 500}, func(float64) float64 { return 500 }},
		"rising":           {Phase{Rate: 100, To: 2000}, func(t float64) float64 { return 100 + 190*t }},
		"rising from none": {Phase{To: 1000}, func(t float64) float64 { return 100 * t }},
		"falling":          {Phase{Rate: 2000, To: 0.001}, func(t float64) float64 { return 2000 + (0.001-2000)/10*t }},
		"sine":             {Phase{Rate: 500, Sine: Sine{300, 4 * time.Second}}, func(t float64) float64 { return 500 + 300*math.Sin(2*math.Pi*t/4) }},
		"sine down to none": {Phase{Rate: 500, Sine: Sine{500, 3 * time.Second}},
			func(t float64) float64 { return 500 + 500*math.Sin(2*math.Pi*t/3) }},
	} {
		tc.phase.For = 10 * time.Second
		// Three seconds at 10/s stand before it.
		c := NewCurve([]Phase{{Rate: 10, For: 3 * time.Second}, tc.phase})
		integral := func(until float64) float64 {
			const steps = 20_000
			h, sum := until/steps, tc.rate(0)+tc.rate(until)
			for i := 1; i < steps; i++ {
				sum += tc.rate(float64(i)*h) * float64(2+2*(i%2))
			}
			return 30 + sum*h/3
		}
		total := integral(10)
		if got := c.Count(13 * sec); math.Abs(got-total) > 1e-3 {
			t.Errorf("%s: %g operations, want %g", name, got, total)
		}
		if got, want := c.Mean(5*sec), (total-30)/10; math.Abs(got-want) > 1e-3 {
			t.Errorf("%s: the mean rate is %g, want %g", name, got, want)
		}
		last := int64(0)
		for x := 30.0; x < total-1; x += total / 40 {
			at := c.At(x)
			if got := integral(float64(at-3*sec) / 1e9); math.Abs(got-x) > 2e-3 {
				t.Errorf("%s: at operation %g, %d, %g were intended", name, x, at, got)
			}
			if got := c.Count(at); math.Abs(got-x) > 1e-4 {
				t.Errorf("%s: counts %g at the time of %g", name, got, x)
			}
			if at < last {
				t.Errorf("%s: operation %g is at %d, after %d", name, x, at, last)
			}
			last = at
		}
	}
}

// TestPhasesFollowEachOther, steps and a pause among them.
func TestPhasesFollowEachOther(t *testing.T) {
	c := NewCurve([]Phase{{Rate: 100, For: time.Second}, {Rate: 0, For: 2 * time.Second}, {Rate: Closed, For: time.Second}, {Rate: 1000, For: time.Second}})
	for x, want := range map[float64]int64{0: 0, 99: 990e6, 100: 4 * sec, 101: 4*sec + 1e6, 1099: 5*sec - 1e6, 1100: math.MaxInt64} {
		if got := c.At(x); got != want {
			t.Errorf("operation %g is at %d, want %d", x, got, want)
		}
	}
	if closed := c.Closed(); len(closed) != 1 || closed[0] != (Stretch{3 * sec, 4 * sec}) {
		t.Errorf("closed in %v", closed)
	}
	for at, want := range map[int64]float64{0: 100, sec: 0, 3 * sec: 0, 4 * sec: 1000, 9 * sec: 1000} {
		if got := c.Mean(at); got != want {
			t.Errorf("the mean rate at %d is %g, want %g", at, got, want)
		}
	}
}

func TestSkipIsTheFirstInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Every(int64(rapid.IntRange(1, 50).Draw(t, "gap")))
		if rapid.Bool().Draw(t, "random") {
			p = NewCurve([]Phase{{Rate: 1e8, For: 10 * time.Microsecond}, {Rate: 2e7, To: 1e8, For: time.Millisecond}}).Poisson(2, rapid.Uint64().Draw(t, "seed"))
		}
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
