package stream

import (
	"cmp"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
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
	s.search = time.Minute // whatever else the machine does
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
	streamEqualsBatch(t, 6000, 1000, 1000, func(seed int, r *rand.Rand) []history.Op {
		ops := copyOps(r, 10+r.IntN(60), 4, seed%2 == 0)
		for range seed % 3 {
			ops = mutate(r, ops)
		}
		for i := range ops {
			ops[i].Key = uint32(r.IntN(2)) * uint32(seed%7/6) // seldom two keys: most values would be phantoms
		}
		return ops
	})
}

// TestStreamEqualsBatchWrittenAgain compares them where values are written again.
func TestStreamEqualsBatchWrittenAgain(t *testing.T) {
	checktest.Alone(t)
	streamEqualsBatch(t, 20000, 500, 500, func(seed int, r *rand.Rand) []history.Op {
		ops := randomOps(r, shape{Ops: 8, Length: 30, Longest: 12, Cas: seed%2 == 0, Twice: true, Sessions: true})
		if seed%3 == 0 {
			for i := range ops {
				if op := &ops[i]; op.Kind != history.CAS && op.Value > 0 && op.Value%3 == 0 {
					op.Value = history.Nil // deleted, and read so
				}
			}
		}
		return ops
	})
}

// TestStreamEqualsBatchAtRest compares them where values are written again and
// again, and the register is at rest in between.
func TestStreamEqualsBatchAtRest(t *testing.T) {
	checktest.Alone(t)
	streamEqualsBatch(t, 1000, 300, 75, func(seed int, r *rand.Rand) []history.Op {
		ops := restful(r, 2+r.IntN(40))
		for range seed % 3 {
			ops = mutate(r, ops)
		}
		return ops
	})
}

// streamEqualsBatch compares the two on histories, of which so many at least
// are linearizable, and are not.
func streamEqualsBatch(t *testing.T, seeds, good, bad int, ops func(seed int, r *rand.Rand) []history.Op) {
	t.Helper()
	verdicts := map[checkers.Truth]int{}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(uint64(seed), 23))
		log := logOf(registerType, ops(seed, r)...)
		batch := checkLinearizable(log, checkers.DefaultLimits).Values[0]
		s := stream(r, log, 4)
		got := s.Verdict()
		verdicts[got]++
		if batch.Known && (got == checkers.Unknown || (batch.N == 1) != (got == checkers.True)) {
			t.Fatalf("seed %d: batch %+v, stream %v %v: %v", seed, batch, got, s.Violations(), log.Ops)
		}
		if waiting, _ := s.Open(); waiting > 0 {
			t.Fatalf("seed %d: %d operations were never decided", seed, waiting)
		}
	}
	t.Log(verdicts)
	if verdicts[checkers.True] < good || verdicts[checkers.False] < bad {
		t.Errorf("one-sided: %v", verdicts)
	}
}

// restful makes a register's history of few values, among them none, in rounds
// after each of which the register is at rest. It is linearizable.
func restful(r *rand.Rand, rounds int) []history.Op {
	var all []history.Op
	state := history.Nil
	for round := range rounds {
		ops, effects, order := make([]history.Op, 1+r.IntN(4)), [4]int64{}, [4]int{}
		for i := range ops {
			start := int64(round*100 + r.IntN(10))
			ops[i] = history.Op{Kind: history.Kind(r.IntN(3)), Outcome: history.OK, Process: uint32(i), Start: start, End: start + int64(r.IntN(30)), Value: int64(r.IntN(4))}
			effects[i], order[i] = start+r.Int64N(ops[i].End-start+1), i
			if ops[i].Value == 0 {
				ops[i].Value = history.Nil
			}
		}
		slices.SortStableFunc(order[:len(ops)], func(a, b int) int { return cmp.Compare(effects[a], effects[b]) })
		for _, i := range order[:len(ops)] {
			switch op := &ops[i]; op.Kind {
			case history.Read:
				op.Value = state
			case history.CAS:
				op.Old = state
				fallthrough
			default:
				state = op.Value
			}
		}
		all = append(all, ops...)
	}
	return all
}

// TestStreamRests checks that values that are written again and again keep a
// register open only until it is at rest.
func TestStreamRests(t *testing.T) {
	s := NewStream(logOf(registerType).Meta)
	s.search = time.Minute
	r := rand.New(rand.NewPCG(1, 27))
	most, undecided := 0, 0
	log := logOf(registerType, restful(r, 3000)...)
	slices.SortStableFunc(log.Ops, func(a, b history.Op) int { return history.Less(&a, &b) })
	for i := range log.Ops {
		s.decide(&log.Ops[i])
		most = max(most, len(s.keys[0].since.ops))
		if s.Verdict() == checkers.Unknown {
			undecided++
		}
	}
	if s.Finish(); s.Verdict() != checkers.True || most > 200 || undecided == 0 || undecided > len(log.Ops)*3/4 {
		t.Errorf("of %d operations %d were open at once, after %d the register was undecided; verdict %v", len(log.Ops), most, undecided, s.Verdict())
	}
}

// TestStreamGivesUp checks that a register that is never at rest does not take
// ever more memory.
func TestStreamGivesUp(t *testing.T) {
	s := NewStream(logOf(registerType).Meta)
	now := int64(0)
	for range 2 * episodeOps {
		now += 10
		s.decide(&history.Op{Kind: history.Write, Outcome: history.OK, Value: 1 + now/10%3, Start: now, End: now + 25})
		if open := len(s.keys[0].since.ops); open > episodeOps {
			t.Fatalf("%d operations are kept", open)
		}
	}
	if s.Finish(); s.Verdict() != checkers.Unknown || s.keys[0].since.ops != nil {
		t.Errorf("verdict %v, %d operations are kept", s.Verdict(), len(s.keys[0].since.ops))
	}
	// Of many registers there are not many either: a write of unknown outcome
	// leaves each without a rest.
	s = NewStream(logOf(registerType).Meta)
	const keys = 100
	for i := range int64(2 * streamOps) {
		op := history.Op{Kind: history.Write, Outcome: history.OK, Key: uint32(i % keys), Value: 1 + i, Start: i * 10, End: i*10 + 25}
		if i < keys {
			op.Outcome = history.Unknown
		}
		if s.decide(&op); s.kept > streamOps {
			t.Fatalf("%d operations are kept", s.kept)
		}
	}
	if s.kept < streamOps/2 {
		t.Errorf("%d operations are kept, far less than there is room for", s.kept)
	}
	if s.Finish(); s.Verdict() != checkers.True {
		t.Errorf("many registers: %v", s.Verdict())
	}
	// Unique values need no rest.
	s = NewStream(logOf(registerType).Meta)
	for i := range int64(2 * episodeOps) {
		s.decide(&history.Op{Kind: history.Write, Outcome: history.OK, Value: 1 + i, Start: i * 10, End: i*10 + 25})
	}
	if s.Finish(); s.Verdict() != checkers.True {
		t.Errorf("unique values: %v", s.Verdict())
	}
}

// TestStreamUndecided holds what leaves a register undecided, and what does not.
func TestStreamUndecided(t *testing.T) {
	var busy []history.Op // unique values, and never at rest
	at := int64(0)
	for i := range int64(episodeOps + 10) {
		at = 10 * i
		busy = append(busy, write(100+i, at, at+25))
	}
	busy = slices.Clip(busy)
	hard := []history.Op{write(1, 10, 1000), write(1, 10, 1000), cas(1, 9, 10, 1000)}
	for i := range int64(400) {
		hard = append(hard, write(10+i, 10, 1000), read(10+(i*7919)%400, 10, 1000))
	}
	hard = append(hard, read(10, 2000, 2001))
	after := func(n int64, op history.Op) history.Op {
		op.Start, op.End = op.Start+(at+n)*ms, op.End+(at+n)*ms
		return op
	}
	guess := slices.Clip(with(busy, after(100, write(1, 0, 3)), after(100, write(2, 2, 4)), after(100, read(1, 5, 30)),
		after(100, write(3, 6, 7)), after(100, write(1, 20, 21))))
	for _, tc := range []struct {
		name string
		want checkers.Truth
		ops  []history.Op
	}{
		{"never at rest", checkers.True, busy},
		{"never at rest, and a value again", checkers.Unknown, with(busy, after(1, write(1, 0, 50)), after(10, write(1, 0, 50)))},
		{"a guess among too many operations", checkers.True, guess},
		{"a guess among too many operations, and a rest", checkers.True, with(guess, after(200, read(1, 0, 1)), after(210, read(1, 0, 1)))},
		{"a guess among too many operations, and a contradiction", checkers.Unknown, with(guess, after(200, read(1, 0, 1)), after(210, read(3, 0, 1)), after(220, read(3, 0, 1)))},
		{"a contradiction among too many operations", checkers.False, with(busy, after(200, read(100, 0, 1)), after(220, read(3, 0, 1)))},
		{"not in order of start", checkers.Unknown, []history.Op{write(1, 10, 20), write(2, 5, 8)}},
		{"not in order of start, and another violated", checkers.False, []history.Op{write(1, 10, 20), write(2, 5, 8), read(7, 10, 20, key(1)), read(7, 30, 40, key(1))}},
		{"more than the search can decide", checkers.Unknown, hard},
	} {
		s := NewStream(logOf(registerType).Meta)
		for i := range tc.ops {
			s.decide(&tc.ops[i])
		}
		if s.Finish(); s.Verdict() != tc.want {
			t.Errorf("%s: %v %v, want %v", tc.name, s.Verdict(), s.Violations(), tc.want)
		}
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
	if s.Decided() != 3 || s.Verdict() != checkers.True {
		t.Errorf("%d decided, verdict %v", s.Decided(), s.Verdict())
	}
	s.Advance(61)
	if s.Verdict() != checkers.False || len(s.Violations()) != 1 || s.Violations()[0].Key != 0 {
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
		if s.Verdict() != checkers.True {
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

func TestStreamCases(t *testing.T) {
	meta := history.Meta{Workloads: []history.WorkloadMeta{{Name: "r", Type: registerType, Keys: 2, Workers: 2}}}
	s := NewStream(meta)
	s.Add([]history.Op{write(1, 0, 10), read(7, 20, 30), write(3, 40, 50, key(1)), write(3, 45, 60, key(1))})
	s.Advance(20 * ms)
	if waiting, _ := s.Open(); waiting != 3 {
		t.Errorf("%d operations wait, want the 3 that are not decided", waiting)
	}
	s.Finish()
	if got := s.Verdict(); got != checkers.False {
		t.Errorf("one key violated and one undecided: %v", got)
	}

	s = NewStream(meta)
	var ops []history.Op
	for i := range int64(3000) {
		ops = append(ops, write(i, 2*i, 2*i+1))
	}
	s.Add(ops)
	s.Finish()
	if s.Decided() != uint64(len(ops)) || s.Verdict() != checkers.True {
		t.Errorf("%d of %d operations were decided: %v", s.Decided(), len(ops), s.Verdict())
	}
}
