package load

import (
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

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
	meta := history.Meta{Run: "bench", Nodes: []string{"n1", "n2", "n3"},
		Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: 64, Workers: 1}}}
	recorder, err := history.NewRecorder(filepath.Join(b.TempDir(), history.FileName), meta, nil)
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
	w.run(ctx, Window{}.endless())
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

// BenchmarkLoad is what the whole load generator can do: workers at a rate that
// nobody can follow, their generators, pacers and backlogs, a client that does
// nothing, the history on disk and the live line's histogram, all at once on as
// many processors as there are. The ns/op are of the whole, so operations a second.
func BenchmarkLoad(b *testing.B) {
	const clients = 16
	for name, change := range map[string]func(*workloads.Spec){
		"closed":  func(s *workloads.Spec) { s.Rate = 0 },
		"rate":    func(*workloads.Spec) {},
		"poisson": func(s *workloads.Spec) { s.Arrival = workloads.ArrivePoisson },
	} {
		b.Run(name, func(b *testing.B) {
			spec := workloads.Spec{Type: "register", Name: "register", Clients: clients, Rate: 1e8}
			change(&spec)
			workload, err := workloads.New(spec)
			if err != nil {
				b.Fatal(err)
			}
			meta := history.Meta{Run: "bench", Nodes: []string{"n1", "n2", "n3"},
				Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: 4096, Workers: clients}}}
			recorder, err := history.NewRecorder(filepath.Join(b.TempDir(), history.FileName), meta, nil)
			if err != nil {
				b.Fatal(err)
			}
			test, _ := newTestWorker(&scripted{}, func() int { return 0 })
			l := &Load{Clients: test.Clients, Workloads: []workloads.Workload{workload}, History: recorder}
			var working sync.WaitGroup
			b.ReportAllocs()
			spent := processorTime(b)
			b.ResetTimer()
			for _, w := range l.workers() {
				ctx, stop := context.WithCancel(b.Context())
				w.worker.generator = &limited{Generator: w.worker.generator, left: b.N/clients + 1, stop: stop}
				working.Go(func() { w.run(ctx, Window{}.endless()) })
			}
			working.Wait()
			if err := recorder.Close(); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			b.ReportMetric(float64(processorTime(b)-spent)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime is what this process has taken of the processors: what a busy
// machine does not change much.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
