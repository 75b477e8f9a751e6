package lag

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// slopeLog has a marker every 10ms for a time, each shown by a replica after what
// lag says.
func slopeLog(markers int, lag func(i int) time.Duration) *history.Log {
	log := &history.Log{Meta: history.Meta{Nodes: []string{"n1", "n2"}, Workloads: []history.WorkloadMeta{{Name: "lag", Type: "lag", Object: history.ObjectMarker}}}}
	for i := range markers {
		at := int64(i) * int64(10*time.Millisecond)
		log.Ops = append(log.Ops, history.Op{Intended: at, Start: at, End: at + 1000, Kind: history.Mark, Value: int64(i + 1), Outcome: history.OK, Node: 0})
		seen := at + 1000 + int64(lag(i))
		log.Ops = append(log.Ops, history.Op{Intended: seen, Start: seen - 1, End: seen, Kind: history.Poll, Value: int64(i + 1), Outcome: history.OK, Node: 1})
	}
	return log
}

func slopeOf(t *testing.T, log *history.Log) checkers.Value {
	t.Helper()
	for _, v := range checkLag(t.Context(), checkers.Input{Log: log}).Values {
		if v.Name == slopeFact {
			return v
		}
	}
	t.Fatal("lag has no slope")
	return checkers.Value{}
}

// TestSlope: lag that grows by so much is found in its interval, whatever a third
// of the markers do; lag that does not grow is not said to.
func TestSlope(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	noise := func() time.Duration { return time.Duration(random.ExpFloat64() * float64(2*time.Millisecond)) }
	for _, tc := range []struct {
		name string
		lag  func(i int) time.Duration
		want float64
	}{
		{"steady", func(int) time.Duration { return 5*time.Millisecond + noise() }, 0},
		{"a tenth of a second a second", func(i int) time.Duration { return time.Duration(i)*time.Millisecond + noise() }, 0.1},
		{"with outliers", func(i int) time.Duration {
			if i%5 == 0 {
				return time.Second / 3
			}
			return time.Duration(i)*time.Millisecond + noise()
		}, 0.1},
		{"catching up", func(i int) time.Duration { return time.Duration(400-i)*time.Millisecond + noise() }, -0.1},
	} {
		v := slopeOf(t, slopeLog(300, tc.lag))
		least, most := v.Bounds()
		if !v.Known || least > tc.want+0.002 || most < tc.want-0.002 || most-least > 0.05 {
			t.Errorf("%s: %+v, want %v in it", tc.name, v, tc.want)
		}
		if tc.want == 0 && least > 0 {
			t.Errorf("%s: steady lag grows: %+v", tc.name, v)
		}
	}
}

func TestSlopeUnknown(t *testing.T) {
	steady := func(int) time.Duration { return time.Millisecond }
	if v := slopeOf(t, slopeLog(leastSlopes-1, steady)); v.Known || v.Why == "" {
		t.Errorf("few markers have a trend: %+v", v)
	}
	unseen := slopeLog(100, steady)
	unseen.Ops = append(unseen.Ops[:len(unseen.Ops)-1], history.Op{Start: int64(time.Hour), End: int64(time.Hour) + 1, Kind: history.Poll, Value: 99, Outcome: history.OK, Node: 1})
	if v := slopeOf(t, unseen); !v.Known || v.AtMost != 0 {
		t.Errorf("a marker that was never seen leaves an upper bound: %+v", v)
	} else if _, most := v.Bounds(); !math.IsInf(most, 1) {
		t.Errorf("bounds of %+v", v)
	}
	torn := slopeLog(100, steady)
	torn.Torn = true
	if v := slopeOf(t, torn); v.Known {
		t.Errorf("a torn log has a trend: %+v", v)
	}
}
