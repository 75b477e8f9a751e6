package history

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// BenchmarkAppend measures what recording costs a worker: ns and bytes per
// operation.
func BenchmarkAppend(b *testing.B) {
	s := newSimulation(20_000)
	r, err := newRecorder(&brokenFile{room: 1 << 14}, s.meta(), nil) // Append, not the disk
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	op := s.ops(1)[0]
	buffer := r.Buffer()
	defer buffer.Flush()
	b.ReportAllocs()
	for b.Loop() {
		buffer.Append(&op)
	}
	stalls, waited := r.Stalls()
	b.ReportMetric(float64(stalls)/float64(b.N), "stalls/op")
	b.ReportMetric(float64(waited)/float64(b.N), "stalled-ns/op")
}

// BenchmarkSize measures the file's bytes per operation of a realistic load
// that is written every 250 ms, and the writer's time per operation.
func BenchmarkSize(b *testing.B) {
	for _, rate := range []float64{2000, 5000, 20_000} {
		b.Run(fmt.Sprintf("rate=%.0f", rate), func(b *testing.B) {
			s := newSimulation(rate)
			ops := byWorker(s.ops(int(rate)*5), int(rate/4))
			var size countingWriter
			for b.Loop() {
				size = 0
				writeInBatches(b, &size, s.meta(), ops, int(rate/4))
			}
			n := float64(len(ops))
			b.ReportMetric(float64(size)/n, "bytes/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/operation")
		})
	}
}

// BenchmarkLoad measures loading, in ns per operation.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprintf("ops=%d", n), func(b *testing.B) {
			path := benchFile(b, n)
			for b.Loop() {
				if log, err := Load(path); err != nil || len(log.Ops) != n || log.Torn {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/operation")
		})
	}
}

// BenchmarkPass measures a pass over a history that stays on disk, in ns per
// operation.
func BenchmarkPass(b *testing.B) {
	const n = 1_000_000
	log, err := Open(benchFile(b, n), func(Meta, Size) bool { return false })
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	used := processor(b)
	for b.Loop() {
		left := n
		for range log.All() {
			left--
		}
		if left != 0 || log.Err() != nil {
			b.Fatal(left, log.Err())
		}
	}
	b.ReportMetric(float64(processor(b)-used)/float64(b.N)/n, "cpu-ns/operation")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/operation")
}

// BenchmarkJoin measures making one history of those of so many drivers, in ns per
// operation, and the bytes of it on disk.
func BenchmarkJoin(b *testing.B) {
	const n = 2_000_000
	for _, drivers := range []int{3, 100} {
		b.Run(fmt.Sprintf("drivers=%d", drivers), func(b *testing.B) {
			s := newSimulation(20_000)
			ops := make([][]Op, drivers)
			for i, op := range s.ops(n) {
				ops[i%drivers] = append(ops[i%drivers], op)
			}
			dir := b.TempDir()
			var parts []Source
			for i := range ops {
				path := filepath.Join(dir, fmt.Sprint(i))
				file, err := os.Create(path)
				if err != nil {
					b.Fatal(err)
				}
				writeInBatches(b, file, s.meta(), ops[i], 5000)
				if err := file.Close(); err != nil {
					b.Fatal(err)
				}
				parts = append(parts, Source{Path: path, Map: func(op *Op) { op.Start++ }})
			}
			ops = nil
			path := filepath.Join(dir, FileName)
			b.ReportAllocs()
			used := processor(b)
			for b.Loop() {
				if _, err := Join(path, s.meta(), parts, true); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				info, err := os.Stat(path)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(info.Size())/n, "bytes/operation")
				os.Remove(path)
				b.StartTimer()
			}
			b.ReportMetric(float64(processor(b)-used)/float64(b.N)/n, "cpu-ns/operation")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/operation")
		})
	}
}

// processor is the processor time that this process has taken, in nanoseconds.
func processor(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// benchFile is the path of a history of n operations.
func benchFile(b *testing.B, n int) string {
	s := newSimulation(20_000)
	path := filepath.Join(b.TempDir(), FileName)
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	writeInBatches(b, file, s.meta(), s.ops(n), 5000)
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}
