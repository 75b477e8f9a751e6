package all

import (
	"testing"
)

func BenchmarkAll(b *testing.B) { benchmark(b, dirty, All()...) }

// TestBigLogIsClean keeps the benchmarks honest.
func TestBigLogIsClean(t *testing.T) {
	values, _ := check(t, bigLog(15_000, true, 0))
	expect(t, values, "linearizable=1 linearizable.keys_checked=64 reads.stale=0 reads.phantom=0 reads.future=0")
	values, _ = check(t, bigLog(15_000, false, 0.02))
	expect(t, values, "linearizable=0 linearizable.keys_checked=64 linearizable.keys_undecided=0")
}
