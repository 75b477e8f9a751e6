package checkers

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// The figures of BENCHMARKS.md's checker table: `make bench-checkers`.

// registerLoad is n operations by clients on keys, linearizable, half of them
// reads; unknown of the writes have an unknown outcome, and every other of
// these took effect. With CAS a quarter of the operations are compare-and-sets.
func registerLoad(n, keys, clients, unknown int, withCAS bool) *history.Log {
	r := rand.New(rand.NewPCG(1, 41))
	state := make([]int64, keys)
	for i := range state {
		state[i] = history.Nil
	}
	every := n + 1
	if unknown > 0 {
		every = n / unknown
	}
	ops, now, process := make([]history.Op, n), int64(0), uint32(clients)
	processes := make([]uint32, clients)
	clocks := make([]int64, clients)
	for i := range processes {
		processes[i] = uint32(i)
	}
	for i := range ops {
		u := r.Uint64()
		op, w, key := &ops[i], i%clients, int(u>>33)%keys
		now += 50 + int64(u>>8&63)
		*op = history.Op{Key: uint32(key), Worker: uint16(w), Process: processes[w], Value: int64(i + 1), Outcome: history.OK}
		op.Start = max(clocks[w]+1, now-int64(u>>14&1023))
		now = max(now, op.Start)
		op.End = now + int64(u>>24&511)
		op.Intended = op.Start
		clocks[w] = op.End
		switch {
		case i%every == every-1:
			op.Kind, op.Outcome = history.Write, history.Unknown
			process++
			processes[w] = process
			if u&1 == 0 {
				state[key] = op.Value
			}
		case u&3 == 3 && withCAS:
			op.Kind, op.Old = history.CAS, state[key]
			state[key] = op.Value
		case u&1 == 1:
			op.Kind = history.Write
			state[key] = op.Value
		default:
			op.Value = state[key]
		}
	}
	log := &history.Log{Ops: ops, Meta: history.Meta{Run: "load", Nodes: []string{"n1"},
		Workloads: []history.WorkloadMeta{{Name: registerType, Type: registerType, Keys: keys, Workers: clients}}}}
	history.Sort(log.Ops)
	return log
}

// scale times one check of a log and tells what it allocated.
func scale(b *testing.B, log *history.Log, checkers ...Checker) { scaleTo(b, log, 1, checkers...) }

func scaleTo(b *testing.B, log *history.Log, want float64, checkers ...Checker) {
	var before, after runtime.MemStats
	runtime.GC()
	for b.Loop() {
		runtime.ReadMemStats(&before)
		r := run(context.Background(), log, Limits{Time: time.Minute, Memory: 4 << 30, Workers: runtime.NumCPU()}, checkers)
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

func BenchmarkScaleOneKey(b *testing.B) {
	scale(b, registerLoad(10_000_000, 1, 20, 200, false), linearizableChecker())
}

func BenchmarkScaleHundredKeys(b *testing.B) {
	scale(b, registerLoad(10_000_000, 100, 20, 0, false), linearizableChecker())
}

func BenchmarkScaleFullNumbers(b *testing.B) {
	scale(b, registerLoad(10_000_000, 100, 20, 0, false), registerChecker(), linearizableChecker(), sessionsChecker())
}

// BenchmarkScaleStale is of three nodes, each of which answers every hundredth
// read from what it had before: no key is linearizable, so that every operation
// has to be analysed.
func BenchmarkScaleStale(b *testing.B) {
	scaleTo(b, staleLoad(10_000_000, 100, 20), 0, registerChecker(), linearizableChecker(), sessionsChecker())
}

// staleLoad is registerLoad with stale reads.
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
	scale(b, log, linearizableChecker())
}

func BenchmarkScaleCAS(b *testing.B) {
	scale(b, registerLoad(1_000_000, 1, 20, 0, true), linearizableChecker())
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
		r := run(context.Background(), loaded, Limits{Workers: runtime.NumCPU()}, []Checker{linearizableChecker()})
		if r.Values[0].N != 1 {
			b.Fatal(r.Values)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/check")
}

// The same histories under the general search, porcupine, which the table
// compares with: as many operations as it decides in its time.
func BenchmarkPorcupineOneKey(b *testing.B)      { porcupineScale(b, 10_000, 1, 200, false) }
func BenchmarkPorcupineHundredKeys(b *testing.B) { porcupineScale(b, 1_000_000, 100, 0, false) }
func BenchmarkPorcupineCAS(b *testing.B)         { porcupineScale(b, 10_000, 1, 0, true) }

func porcupineScale(b *testing.B, n, keys, unknown int, withCAS bool) {
	log := registerLoad(n, keys, 20, unknown, withCAS)
	all := groups(log, registerType)
	finished := true
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		found := make([]Truth, len(all))
		parallel(ctx, runtime.NumCPU(), len(all), func(i int) {
			found[i] = general(ctx, analyse(log, all[i].ops, false), false, time.Minute, 8<<30)
		})
		for _, t := range found {
			finished = finished && t == True
		}
		cancel()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/check")
	b.ReportMetric(float64(n), "operations")
	b.ReportMetric(map[bool]float64{true: 1}[finished], "decided")
}
