package register

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

func BenchmarkScaleOneKey(b *testing.B) {
	scale(b, registerLoad(10_000_000, 1, 20, 200, false), linearizableOnly())
}

func BenchmarkScaleHundredKeys(b *testing.B) {
	scale(b, registerLoad(10_000_000, 100, 20, 0, false), linearizableOnly())
}

func BenchmarkScaleFullNumbers(b *testing.B) {
	scale(b, registerLoad(10_000_000, 100, 20, 0, false), Checker())
}

// BenchmarkScaleStale is of three nodes, each of which answers every hundredth
// read from what it had before: no key is linearizable, so that every operation
// has to be analysed.
func BenchmarkScaleStale(b *testing.B) {
	scaleTo(b, staleLoad(10_000_000, 100, 20), 0, Checker())
}

// staleLoad is RegisterLoad with stale reads.
func staleLoad(n, keys, clients int) *history.Log {
	log := registerLoad(n, keys, clients, 0, false)
	log.Meta.Nodes = []string{"n1", "n2", "n3"}
	r, newest, older := rand.New(rand.NewPCG(2, 41)), make([]int64, keys), make([]int64, keys)
	for i := range keys {
		newest[i], older[i] = history.Nil, history.Nil
	}
	for i := range log.Ops {
		op := &log.Ops[i]
		u := r.Uint32()
		op.Node = int8(u % 3)
		switch {
		case op.Kind == history.Write:
			older[op.Key], newest[op.Key] = newest[op.Key], op.Value
		case u>>2%100 == 0:
			op.Value = older[op.Key]
		}
	}
	return log
}

func BenchmarkScaleDeletes(b *testing.B) {
	log := registerLoad(1_000_000, 1, 20, 0, false)
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Value%10 == 3 {
			op.Value = history.Nil
		}
	}
	scale(b, log, linearizableOnly())
}

func BenchmarkScaleCAS(b *testing.B) {
	scale(b, registerLoad(1_000_000, 1, 20, 0, true), linearizableOnly())
}

// BenchmarkScaleFromDisk reads ten million operations from a file and decides.
func BenchmarkScaleFromDisk(b *testing.B) {
	path := filepath.Join(b.TempDir(), history.FileName)
	log := registerLoad(10_000_000, 100, 20, 0, false)
	if err := history.Save(path, log); err != nil {
		b.Fatal(err)
	}
	log = nil
	runtime.GC()
	for b.Loop() {
		loaded, err := history.Load(path)
		if err != nil {
			b.Fatal(err)
		}
		r := checkers.Run(context.Background(), loaded, checkers.Limits{Workers: runtime.NumCPU()}, []checkers.Checker{linearizableOnly()})
		if r.Values[0].N != 1 {
			b.Fatal(r.Values)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/check")
}

// The same histories under the general search, porcupine, which the table
// compares with: as many operations as it decides in its time.
func BenchmarkPorcupineOneKey(b *testing.B) { porcupineScale(b, 10_000, 1, 200, false) }

func BenchmarkPorcupineHundredKeys(b *testing.B) { porcupineScale(b, 1_000_000, 100, 0, false) }

func BenchmarkPorcupineCAS(b *testing.B) { porcupineScale(b, 10_000, 1, 0, true) }

func porcupineScale(b *testing.B, n, keys, unknown int, withCAS bool) {
	log := registerLoad(n, keys, 20, unknown, withCAS)
	all := kit.Groups(log, history.ObjectRegister)
	finished := true
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		found := make([]checkers.Truth, len(all))
		kit.Parallel(ctx, runtime.NumCPU(), len(all), func(i int) {
			found[i] = general(ctx, Analyse(log, all[i].Ops, false), false, time.Minute, 8<<30)
		})
		for _, t := range found {
			finished = finished && t == checkers.True
		}
		cancel()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/check")
	b.ReportMetric(float64(n), "operations")
	b.ReportMetric(map[bool]float64{true: 1}[finished], "decided")
}
