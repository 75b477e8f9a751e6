package checktest

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// Benchmark times checkers on a log, in nanoseconds for each of its operations.
func Benchmark(b *testing.B, log func() *history.Log, table ...checkers.Checker) {
	l := log()
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		checkers.Run(context.Background(), l, checkers.Limits{}, table)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(l.Ops)), "ns/operation")
}

// Scale times one check of a log and tells what it allocated.
func Scale(b *testing.B, log *history.Log, checkers ...checkers.Checker) {
	ScaleTo(b, log, 1, checkers...)
}

// ScaleTo is Scale of a log whose value of linearizable is known.
func ScaleTo(b *testing.B, log *history.Log, want float64, table ...checkers.Checker) {
	var before, after runtime.MemStats
	runtime.GC()
	for b.Loop() {
		runtime.ReadMemStats(&before)
		r := checkers.Run(context.Background(), log, checkers.Limits{Time: time.Minute, Memory: 4 << 30, Workers: runtime.NumCPU()}, table)
		runtime.ReadMemStats(&after)
		for _, v := range r.Values {
			if v.Name == "linearizable" && (!v.Known || v.N != want) {
				b.Fatalf("%+v", v)
			}
		}
	}
	n := float64(len(log.Ops))
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/check")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n, "B/operation")
}
