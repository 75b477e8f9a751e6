package lag

import (
	"fmt"
	"math"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

const (
	slopeFact = "lag.slope"

	// mostSlopes bounds the stretches of the measured phase whose medians the slope
	// is made of: pairs of them are compared. Medians of stretches, since one slow
	// poll is no trend and neighbouring markers are late for one reason.
	mostSlopes = 100
	// leastSlopes is how few stretches tell nothing.
	leastSlopes = 10
	// normal95 is the 97.5th percentile of the normal distribution.
	normal95 = 1.959964
)

// slopes collects the lag of the measured markers over time: of each marker that
// of the replica which was the last to show it.
type slopes struct {
	at, lag map[int64]int64 // by marker
	unseen  int
}

func newSlopes() *slopes { return &slopes{at: map[int64]int64{}, lag: map[int64]int64{}} }

func (s *slopes) add(m LagSample, mark *history.Op, seen sight, doubts *kit.Doubts) {
	switch {
	case seen == unseen:
		s.unseen++
	case seen != shown || doubts.Touch(kit.From(mark), m.At):
	default:
		s.at[m.Marker] = kit.Until(mark)
		s.lag[m.Marker] = max(s.lag[m.Marker], m.AckToVisible)
	}
}

// value is the Theil–Sen slope of lag over time by its 95 % interval: the median
// of the slopes of all pairs, between the order statistics that Kendall's tau
// gives (Sen, Estimates of the Regression Coefficient Based on Kendall's Tau,
// 1968). A third of outliers does not move it.
func (s *slopes) value(torn bool) checkers.Value {
	v := checkers.Value{Name: slopeFact}
	x, y := s.medians()
	if len(x) < leastSlopes {
		v.Why = fmt.Sprintf("%s seen by the replicas without doubt are too few to tell a trend", units.Plural(len(s.at), "marker", "markers"))
		return v
	}
	var all []float64
	for i := range x {
		for j := range i {
			all = append(all, (y[i]-y[j])/(x[i]-x[j]))
		}
	}
	slices.Sort(all)
	n := float64(len(x))
	half := normal95 * math.Sqrt(n*(n-1)*(2*n+5)/18)
	low := int(max(0, math.Floor((float64(len(all))-half)/2)))
	v = checkers.Value{Name: slopeFact, N: all[low], Known: true, AtLeast: true, AtMost: all[len(all)-1-low], Why: "the 95 % interval"}
	if v.AtMost == 0 {
		v.AtMost = math.SmallestNonzeroFloat64 // 0 stands for no bound
	}
	if s.unseen > 0 {
		v.AtMost, v.Why = 0, fmt.Sprintf("the 95 %% interval, without %s that no replica showed", units.Plural(s.unseen, "marker", "markers"))
	}
	return kit.OfWhole(v, torn, false)
}

// medians are the median time and lag of stretches with equally many markers.
func (s *slopes) medians() (x, y []float64) {
	markers := make([]int64, 0, len(s.at))
	for m := range s.at {
		markers = append(markers, m)
	}
	slices.Sort(markers)
	width := (len(markers) + mostSlopes - 1) / mostSlopes
	for begin := 0; begin < len(markers); begin += width {
		part := markers[begin:min(begin+width, len(markers))]
		var lags []int64
		for _, m := range part {
			lags = append(lags, s.lag[m])
		}
		slices.Sort(lags)
		at := float64(s.at[part[len(part)/2]])
		if len(x) == 0 || at > x[len(x)-1] {
			x, y = append(x, at), append(y, float64(lags[len(lags)/2]))
		}
	}
	return x, y
}
