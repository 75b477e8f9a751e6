package checktest

import (
	"os"
	"testing"
)

// Alone skips, in short mode, a test that compares what one goroutine does with a slower
// definition of it on many histories: the race detector, for which that mode is, has
// nothing to see there, and takes ten times as long. Where planted defects are to be
// caught (scripts/mutate) nothing is skipped: these tests are what catches them.
func Alone(t testing.TB) {
	t.Helper()
	if testing.Short() && os.Getenv("AFTERSHOCK_MUTANT") == "" {
		t.Skip("one goroutine, many histories: without -short")
	}
}
