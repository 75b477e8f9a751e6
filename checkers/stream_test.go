package checkers

import (
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// stream passes a log to a Stream as a run would: each worker's operations in
// order, workers in turns of random length.
func stream(r *rand.Rand, log *history.Log, workers int) *Stream {
	meta := log.Meta
	meta.Workloads = slices.Clone(meta.Workloads)
	for i := range meta.Workloads {
		meta.Workloads[i].Workers = workers
	}
	s := NewStream(meta)
	queues := make([][]history.Op, workers)
	for _, op := range log.Ops {
		w := int(op.Process) % workers
		op.Worker = uint16(w)
		queues[w] = append(queues[w], op)
	}
	for left := len(log.Ops); left > 0; {
		q := &queues[r.IntN(workers)]
		n := min(len(*q), 1+r.IntN(5))
		s.Add((*q)[:n])
		*q = (*q)[n:]
		left -= n
	}
	s.Finish()
	return s
}

// TestStreamEqualsBatch compares the Stream's verdict with the checker's.
func TestStreamEqualsBatch(t *testing.T) {
	verdicts := map[Truth]int{}
	for seed := range 6000 {
		r := rand.New(rand.NewPCG(uint64(seed), 23))
		ops := copyOps(r, 10+r.IntN(60), 4, seed%2 == 0)
		for range seed % 3 {
			ops = mutate(r, ops)
		}
		for i := range ops {
			ops[i].Key = uint32(r.IntN(2)) * uint32(seed%7/6) // seldom two keys: most values would be phantoms
		}
		log := logOf(registerType, ops...)
		batch := checkLinearizable(context.Background(), log, DefaultLimits).Values[0]
		s := stream(r, log, 4)
		got := s.Verdict()
		verdicts[got]++
		if got == Unknown && slices.ContainsFunc(ops, func(op history.Op) bool { return op.Kind == history.CAS && op.Old == op.Value }) {
			continue
		}
		if !batch.Known || got == Unknown {
			t.Fatalf("seed %d: batch %+v, stream %v", seed, batch, got)
		}
		if (batch.N == 1) != (got == True) {
			t.Fatalf("seed %d: batch %v, stream %v %v: %v", seed, batch.N == 1, got, s.Violations(), log.Ops)
		}
		if waiting, _ := s.Open(); waiting > 0 {
			t.Fatalf("seed %d: %d operations were never decided", seed, waiting)
		}
	}
	t.Log(verdicts)
	if verdicts[True] < 1000 || verdicts[False] < 1000 {
		t.Errorf("one-sided: %v", verdicts)
	}
}

// TestStreamIsNeverWrong compares the Stream with the checker where values are
// written again, which it may leave undecided.
func TestStreamIsNeverWrong(t *testing.T) {
	verdicts := map[Truth]int{}
	for seed := range 20000 {
		r := rand.New(rand.NewPCG(uint64(seed), 25))
		ops := randomOps(r, shape{ops: 8, length: 30, longest: 12, cas: seed%2 == 0, twice: true, sessions: true})
		if seed%3 == 0 {
			for i := range ops {
				if op := &ops[i]; op.Kind != history.CAS && op.Value > 0 && op.Value%3 == 0 {
					op.Value = history.Nil // deleted, and read so
				}
			}
		}
		log := logOf(registerType, ops...)
		batch := checkLinearizable(context.Background(), log, DefaultLimits).Values[0]
		s := stream(r, log, 4)
		verdicts[s.Verdict()]++
		if got := s.Verdict(); got != Unknown && batch.Known && (batch.N == 1) != (got == True) {
			t.Fatalf("seed %d: batch %+v, stream %v %v: %v", seed, batch, got, s.Violations(), log.Ops)
		}
	}
	t.Log(verdicts)
	if verdicts[True] < 500 || verdicts[False] < 500 {
		t.Errorf("one-sided: %v", verdicts)
	}
}

// TestStreamAdvances checks that an idle worker does not hold up the others
// for ever, and that a violation is told before the end.
func TestStreamAdvances(t *testing.T) {
	log := logOf(registerType,
		history.Op{Kind: history.Write, Outcome: history.OK, Value: 1, Start: 0, End: 10, Process: 0},
		history.Op{Kind: history.Write, Outcome: history.OK, Value: 2, Start: 20, End: 30, Process: 0},
		history.Op{Kind: history.Read, Outcome: history.OK, Value: 1, Start: 40, End: 50, Process: 0},
		history.Op{Kind: history.Read, Outcome: history.OK, Value: 2, Start: 60, End: 70, Process: 0},
	)
	log.Meta.Workloads[0].Workers = 2
	s := NewStream(log.Meta)
	s.Add(log.Ops)
	if s.Decided() != 0 {
		t.Errorf("%d operations were decided, though worker 1 may have begun earlier ones", s.Decided())
	}
	s.Advance(60)
	if s.Decided() != 3 || s.Verdict() != True {
		t.Errorf("%d decided, verdict %v", s.Decided(), s.Verdict())
	}
	s.Advance(61)
	if s.Verdict() != False || len(s.Violations()) != 1 || s.Violations()[0].Key != 0 {
		t.Errorf("verdict %v, violations %v", s.Verdict(), s.Violations())
	}
}

// endless generates the operations of workers on keys for as long as it is
// asked, linearizable, in batches as a recorder delivers them.
type endless struct {
	r      *rand.Rand
	now    int64
	clocks []int64
	state  []int64
	last   int64
	batch  []history.Op
}

func newEndless(workers, keys int) *endless {
	e := &endless{r: rand.New(rand.NewPCG(1, 24)), clocks: make([]int64, workers), state: make([]int64, keys), batch: make([]history.Op, 4096)}
	for i := range e.state {
		e.state[i] = history.Nil
	}
	return e
}

// next fills the batch: operations take effect in order of now, each within
// the time in which its worker has nothing else under way.
func (e *endless) next() []history.Op {
	for i := range e.batch {
		e.now += 100
		w := i % len(e.clocks)
		u := e.r.Uint64()
		key := uint32(u>>8) % uint32(len(e.state))
		op := &e.batch[i]
		*op = history.Op{Start: max(e.clocks[w], e.now-int64(u>>40&1023)), End: e.now + int64(u>>50&511), Key: key, Worker: uint16(w), Process: uint32(w), Outcome: history.OK}
		e.clocks[w] = op.End
		e.now = max(e.now, op.Start)
		op.End = max(op.End, e.now)
		if u&1 == 0 {
			e.last++
			op.Kind, op.Value = history.Write, e.last
			e.state[key] = e.last
		} else {
			op.Value = e.state[key]
		}
	}
	return e.batch
}

// BenchmarkStream is the cost of an operation from its record to its verdict,
// and the memory in use after a tenth of the operations and after all.
// STREAM_OPS sets how many operations one round has.
func BenchmarkStream(b *testing.B) {
	total := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("STREAM_OPS")); err == nil {
		total = n
	}
	const workers, keys = 20, 100
	var before, tenth, end uint64
	var checking time.Duration // without the time that it takes to generate
	for b.Loop() {
		before = inUse()
		e := newEndless(workers, keys)
		s := NewStream(history.Meta{Workloads: []history.WorkloadMeta{{Name: "r", Type: registerType, Keys: keys, Workers: workers}}})
		for n := 0; n < total; n += len(e.batch) {
			if n > total/10 && n-len(e.batch) <= total/10 {
				tenth = inUse()
			}
			ops := e.next()
			began := time.Now()
			s.Add(ops)
			checking += time.Since(began)
		}
		end = inUse()
		s.Finish()
		if s.Verdict() != True {
			b.Fatal(s.Violations())
		}
	}
	b.ReportMetric(float64(checking.Nanoseconds())/float64(b.N)/float64(total), "ns/operation")
	b.ReportMetric((float64(tenth)-float64(before))/1024, "KiB-at-a-tenth")
	b.ReportMetric((float64(end)-float64(before))/1024, "KiB-at-the-end")
}

// inUse is the memory that the heap's live objects have, in bytes.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools and finalizers kept
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
