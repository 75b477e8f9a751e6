package aftershock

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// BenchmarkWorker is the harness's own cost of an operation: generate, route,
// stamp, call a client that does nothing, record to disk, count for the live
// line's histogram. ns/op is bound by the one goroutine that encodes and
// compresses for all workers; worker-ns/op is what the worker itself spends,
// without its waiting for that goroutine.
func BenchmarkWorker(b *testing.B) {
	load, err := workloads.New(workloads.Defaults(workloads.Spec{Type: "register", Name: "register", Clients: 1}))
	if err != nil {
		b.Fatal(err)
	}
	tally := newTally([]bool{true})
	meta := history.Meta{Run: "bench", Nodes: []string{"n1", "n2", "n3"},
		Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: 64, Workers: 1}}}
	recorder, err := history.NewRecorder(filepath.Join(b.TempDir(), history.FileName), meta, tally.add)
	if err != nil {
		b.Fatal(err)
	}
	w, _ := newTestWorker(&scripted{}, func() int { return 0 })
	buffer := recorder.Buffer()
	w.record = buffer
	ctx, stop := context.WithCancel(b.Context())
	w.generator = &limited{Generator: load.Worker(0, 3, 1), left: b.N, stop: stop}
	b.ReportAllocs()
	b.ResetTimer()
	s := span{stop: 1<<63 - 1}
	w.run(ctx, s)
	b.StopTimer()
	_, waited := recorder.Stalls()
	b.ReportMetric(float64((b.Elapsed()-waited).Nanoseconds())/float64(b.N), "worker-ns/op")
	buffer.Flush()
	if err := recorder.Close(); err != nil {
		b.Fatal(err)
	}
}

// limited stops the worker after a number of operations.
type limited struct {
	workloads.Generator
	left int
	stop func()
}

func (l *limited) Done(op *history.Op) {
	l.Generator.Done(op)
	if l.left--; l.left <= 0 {
		l.stop()
	}
}
