package drivers

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestScale is the check of docs/scale.md: what an operation costs from 100 drivers in one
// process, on a target that does nothing, beside the same from 3.
func TestScale(t *testing.T) {
	if os.Getenv("AFTERSHOCK_SCALE") == "" {
		t.Skip("AFTERSHOCK_SCALE=1 makes it: make scale")
	}
	for _, drivers := range []int{3, 100} {
		s := &store{quick: make([]atomic.Int64, 1<<12)}
		log, _ := run(t, fmt.Sprintf(`
target: {name: store, replicas: 2}
host: local
drivers: {count: %d}
workloads: [{name: register, keys: 1000, mix: {read: 50, write: 50}, clients: 100, rate: 10000/s}]
warmup: 1s
duration: 20s
`, drivers), s, nil, nil)
		if log.Torn {
			t.Errorf("%d drivers: the history is torn: %s", drivers, log.Doubts.Torn)
		}
		n := int64(len(log.Ops))
		info, err := os.Stat(s.path)
		if err != nil {
			t.Fatal(err)
		}
		judging, most := judgedFromDisk(t, s.path)
		t.Logf("%d drivers: %d operations; %.1f bytes each on the disk; %d ns of processor time each to make one history of, %d ns to judge it from the disk, in at most %d MiB; clocks known to within %s",
			drivers, n, float64(info.Size())/float64(n), s.joining/n, judging/n, most>>20, Wide(log.Meta))
	}
}

// judgedFromDisk judges a history without taking it into memory, and tells the processor
// time, in nanoseconds, and the most of the heap that was in use.
func judgedFromDisk(t *testing.T, path string) (took int64, most uint64) {
	log, err := history.Open(path, func(history.Meta, history.Size) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	began := processor(t)
	pass := all.NewPass(log, checkers.Limits{}, 1<<30)
	n := 0
	for op := range log.All() {
		if pass.Add(op); n%(1<<16) == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
		n++
	}
	for _, v := range pass.Run(t.Context()).Values {
		if v.Name == "linearizable" && v.Known && v.N != 1 { // on a machine that is much too busy drivers may be lost
			t.Errorf("%+v", v)
		}
	}
	return processor(t) - began, most
}

// processor is the processor time that this process has taken, in nanoseconds.
func processor(t *testing.T) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
