package kit

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

func TestPhases(t *testing.T) {
	const ms, sec = int64(time.Millisecond), int64(time.Second)
	log := &history.Log{Events: []history.Event{
		{At: 0, Kind: history.EventPhase, Detail: "warmup"}, {At: sec, Kind: history.EventPhase, Detail: "measure"},
		{At: 3*sec + 1200*1000, Kind: history.EventFault, Fault: "f1", Name: "kill"}, {At: 5 * sec, Kind: history.EventHeal, Fault: "f1"},
		{At: 7*sec - 300*1000, Kind: history.EventFault, Fault: "f2", Name: "partition"}, {At: 8 * sec, Kind: history.EventHeal, Fault: "f2"},
		{At: 9 * sec, Kind: history.EventPhase, Detail: "heal"},
	}}
	tl := NewTimeline(log)
	for at, want := range map[int64]checkers.Phase{
		0: checkers.PhaseWarmup, sec - 1: checkers.PhaseWarmup, sec: checkers.PhaseBefore, 3 * sec: checkers.PhaseBefore,
		3*sec + 1200*1000: checkers.PhaseDuring, 5 * sec: checkers.PhaseDuring, 5*sec + 1: checkers.PhaseAfter, 6 * sec: checkers.PhaseAfter,
		7 * sec: checkers.PhaseDuring, 8 * sec: checkers.PhaseDuring, 8*sec + 1: checkers.PhaseAfter, 9*sec - 1: checkers.PhaseAfter, 9 * sec: checkers.PhaseSettle, 1 << 62: checkers.PhaseSettle,
	} {
		if got := tl.Phase(&history.Op{Intended: at, Start: at, End: at}); got != want {
			t.Errorf("at %s it is %s, want %s", units.Instant(at), got, want)
		}
	}
	if got := tl.Phase(&history.Op{Intended: 2 * sec, Flags: history.Warmup}); got != checkers.PhaseWarmup {
		t.Errorf("a flagged operation is %s", got)
	}
	if got := tl.Phase(&history.Op{Intended: 2 * sec, Flags: history.FinalRead}); got != checkers.PhaseFinal {
		t.Errorf("a final read is %s", got)
	}
	for _, tc := range []struct {
		name                 string
		intended, start, end int64
		want                 checkers.Phase
	}{
		{"answered as the fault began", 2 * sec, 2 * sec, 3*sec + 1200*1000, checkers.PhaseDuring},
		{"answered just before", 2 * sec, 2 * sec, 3*sec + 1200*1000 - 1, checkers.PhaseBefore},
		{"waited for its turn through the fault, and was sent after it", 4 * sec, 5*sec + ms, 5*sec + 2*ms, checkers.PhaseDuring},
		{"under way across the whole fault", 2 * sec, 2 * sec, 6 * sec, checkers.PhaseDuring},
		{"intended in the warm-up", sec - 1, 2 * sec, 2 * sec, checkers.PhaseWarmup},
	} {
		if got := tl.Phase(&history.Op{Intended: tc.intended, Start: tc.start, End: tc.end}); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestPhaseAgreesWithWindows compares the binary search with a look at every
// fault.
func TestPhaseAgreesWithWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []history.Event
		type window struct{ begin, end int64 }
		var windows []window
		for i := range rapid.IntRange(0, 6).Draw(t, "faults") {
			id := string(rune('a' + i))
			w := window{begin: rapid.Int64Range(0, 40).Draw(t, "begin")}
			w.end = w.begin + rapid.Int64Range(0, 20).Draw(t, "length")
			windows = append(windows, w)
			events = append(events, history.Event{At: w.begin, Kind: history.EventFault, Fault: id})
			events = append(events, history.Event{At: w.end, Kind: history.EventHeal, Fault: id})
		}
		tl := NewTimeline(&history.Log{Events: events})
		for at := int64(0); at < 64; at++ {
			want, first := checkers.PhaseBefore, int64(math.MaxInt64)
			for _, w := range windows {
				first = min(first, w.begin)
				if w.begin <= at && at <= w.end {
					want = checkers.PhaseDuring
				}
			}
			if want == checkers.PhaseBefore && at >= first {
				want = checkers.PhaseAfter
			}
			if got := tl.At(at); got != want {
				t.Fatalf("at %d it is %s, want %s", at, got, want)
			}
		}
	})
}
