package workloads

import (
	"math"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// TestArrivals: those at random follow from the seed, and come to the rate.
func TestArrivals(t *testing.T) {
	count := func(seed uint64, arrival string) (n int, even bool, first int64) {
		w := mustNew(t, Spec{Type: "register", Clients: 4, Rate: 1000, Arrival: arrival, Seed: seed})
		even = true
		for i := range 4 {
			p := w.Pacer(i, 3)
			if i == 0 {
				first = p(0)
			}
			for k := uint64(0); p(k) < int64(10*time.Second); k++ {
				even = even && p(k) == int64(k*4+uint64(i))*1e6
				n++
			}
		}
		return n, even, first
	}
	if n, even, _ := count(1, ArriveConstant); n != 10_000 || !even {
		t.Errorf("%d operations, even: %v", n, even)
	}
	n, even, first := count(1, ArrivePoisson)
	if math.Abs(float64(n)-10_000) > 350 || even {
		t.Errorf("%d operations at random, even: %v", n, even)
	}
	if again, _, same := count(1, ArrivePoisson); again != n || same != first {
		t.Error("the same seed gives other arrivals")
	}
	if _, _, other := count(2, ArrivePoisson); other == first {
		t.Error("another seed gives the same arrivals")
	}
}

func TestCatchUpGap(t *testing.T) {
	s := Spec{Load: []pace.Phase{{Rate: 100, For: time.Second}, {Rate: pace.Closed, For: time.Second}, {Rate: 500, To: 1500, For: time.Second}}}
	for at, want := range map[time.Duration]int64{0: 8e6, 1500 * time.Millisecond: 0, 2500 * time.Millisecond: 8e5} {
		if got := s.CatchUpGap(s.Curve(), 8, int64(at)); got != want {
			t.Errorf("at %s: %d, want %d", at, got, want)
		}
	}
	if s.CatchUp = 2000; s.CatchUpGap(s.Curve(), 8, 0) != 4e6 {
		t.Error("the plan's own bound does not count")
	}
}
