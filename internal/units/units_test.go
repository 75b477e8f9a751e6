package units

import "testing"

func TestTimes(t *testing.T) {
	for _, tc := range []struct {
		ns              int64
		instant, length string
	}{
		{0, "0.000s", "0ns"},
		{10, "10ns", "10ns"},
		{45_000, "45µs", "45µs"},
		{450_000, "450µs", "450µs"},
		{1_000_000, "0.001s", "1ms"},
		{12_345_678, "0.012s", "12.3ms"},
		{999_999, "1ms", "1ms"},
		{8_013_400_000, "8.013s", "8.01s"},
		{-5_000_000, "-0.005s", "-5ms"},
		{90_000_000_000, "90.000s", "1m30s"},
	} {
		if got := Instant(tc.ns); got != tc.instant {
			t.Errorf("the instant %d is %q, want %q", tc.ns, got, tc.instant)
		}
		if got := Nanos(tc.ns); got != tc.length {
			t.Errorf("%d ns are %q, want %q", tc.ns, got, tc.length)
		}
	}
}
