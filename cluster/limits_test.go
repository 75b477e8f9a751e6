package cluster

import (
	"testing"
	"time"
)

// TestQuota: a share comes in the shortest slices that the kernel gives.
func TestQuota(t *testing.T) {
	for _, test := range []struct {
		cpus          float64
		quota, period time.Duration
	}{
		{0, 0, 0}, {0.25, 2500 * time.Microsecond, 10 * time.Millisecond}, {0.1, time.Millisecond, 10 * time.Millisecond},
		{0.02, time.Millisecond, 50 * time.Millisecond}, {0.01, time.Millisecond, 100 * time.Millisecond},
		{4, 40 * time.Millisecond, 10 * time.Millisecond}, {0.333333, 3333 * time.Microsecond, 10 * time.Millisecond},
	} {
		if quota, period := (Limits{CPUs: test.cpus}).Quota(); quota != test.quota || period != test.period {
			t.Errorf("%v processors: %s of %s, want %s of %s", test.cpus, quota, period, test.quota, test.period)
		}
	}
}
