package checkers

import "testing"

func TestTimesInWords(t *testing.T) {
	for _, tc := range []struct {
		ns          int64
		clock, long string
	}{
		{0, "0.000 s", "0 ns"},
		{10, "10 ns", "10 ns"},
		{45_000, "45 µs", "45 µs"},
		{450_000, "0.5 ms", "0.5 ms"},
		{1_000_000, "0.001 s", "1.0 ms"},
		{8_013_400_000, "8.013 s", "8.0 s"},
	} {
		if got := clock(tc.ns); got != tc.clock {
			t.Errorf("at %d ns: %q, want %q", tc.ns, got, tc.clock)
		}
		if got := lapse(tc.ns); got != tc.long {
			t.Errorf("%d ns long: %q, want %q", tc.ns, got, tc.long)
		}
	}
}
