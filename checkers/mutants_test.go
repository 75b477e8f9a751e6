package checkers

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// The cases of this file are those that mutants of the checkers survived
// before they were here: `make mutants`.

func TestWatchCases(t *testing.T) {
	for _, tc := range []struct {
		name string
		want watchState
		ops  []history.Op // in the order in which the watch takes them
	}{
		{"not in order of start", ambiguous, []history.Op{write(1, 10, 20), write(2, 5, 30, by(1))}},
		{"at one start", watching, []history.Op{write(1, 10, 20), write(2, 10, 30, by(1))}},
		{"written twice while it can be read", ambiguous, []history.Op{write(1, 0, 10), write(1, 5, 20, by(1))}},
		{"written twice, the first outcome unknown", ambiguous, []history.Op{write(1, 0, 10, unknown), write(1, 20, 30, by(1))}},
		{"written again while a read of it is under way", ambiguous, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 30, by(2)), read(2, 10, 12, by(1)), write(1, 20, 21, by(3))}},
		{"written again as that read ends", ambiguous, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 20, by(2)), read(2, 10, 12, by(1)), write(1, 20, 21, by(3))}},
		{"written again when that read has ended", violated, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 19, by(2)), read(2, 10, 12, by(1)), write(1, 20, 21, by(3))}},
		{"written again before the contradiction", ambiguous, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 30, by(2)), read(2, 5, 22, by(1)), write(3, 6, 7, by(3)),
			write(1, 20, 21, by(3)), read(1, 31, 32)}},
		{"written again, and then another value, before the contradiction", ambiguous, []history.Op{
			write(1, 0, 3), write(2, 2, 4, by(1)), read(1, 5, 30, by(2)), read(2, 5, 22, by(1)), write(3, 6, 7, by(3)),
			write(1, 20, 21, by(3)), write(4, 21, 25), read(1, 31, 32)}},
		{"replaced twice, and written twice after that", ambiguous, []history.Op{
			cas(1, 3, 0, 10), read(history.Nil, 1, 7, by(1)), cas(1, 2, 2, 9, by(2)), cas(history.Nil, 1, 8, 11, by(1)), cas(2, 1, 9, 12, by(3))}},
		{"replaced twice, and written once", violated, []history.Op{
			cas(1, 3, 0, 10), read(history.Nil, 1, 7, by(1)), cas(1, 2, 2, 9, by(2)), cas(history.Nil, 1, 8, 11, by(1))}},
		{"written again under way of a compare-and-set whose value had been seen", violated, []history.Op{
			write(1, 0, 1), read(2, 2, 6, by(2)), cas(1, 2, 3, 30, by(1)), read(1, 10, 12, by(3)), write(1, 15, 16)}},
		{"a read before the compare-and-set began that wrote its value", violated, []history.Op{
			write(1, 0, 100), read(2, 1, 5, by(1)), cas(1, 2, 2, 60, by(2)), write(3, 10, 20, by(3)), read(2, 30, 40, by(1))}},
	} {
		k := newWatch()
		for i := range tc.ops {
			k.add(&tc.ops[i])
		}
		if got := k.finish(); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
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
	if got := s.Verdict(); got != False {
		t.Errorf("one key violated and one undecided: %v", got)
	}

	s = NewStream(meta)
	var ops []history.Op
	for i := range int64(3000) {
		ops = append(ops, write(i, 2*i, 2*i+1))
	}
	s.Add(ops)
	s.Finish()
	if s.Decided() != uint64(len(ops)) || s.Verdict() != True {
		t.Errorf("%d of %d operations were decided: %v", s.Decided(), len(ops), s.Verdict())
	}
}

func TestLostCases(t *testing.T) {
	later := read(2, 1100, 1110, final)
	log := logOf(registerType, write(1, 0, 10), write(2, 20, 30), read(1, 1000, 1010, final), later)
	values, _ := check(t, log)
	expect(t, values, "writes.lost=0 replicas.diverged=?") // the last answer of a node counts

	log = logOf(registerType, write(1, 0, 10), read(1, 1000, 1010, final))
	log.Meta.Nodes = log.Meta.Nodes[:1]
	values, _ = check(t, log)
	expect(t, values, "writes.lost=0 replicas.diverged=0") // one node differs from no other
}

func TestFIFOCases(t *testing.T) {
	log := logOf(queueType, call(history.Dequeue, 1, 0, 5), call(history.Enqueue, 1, 10, 20, by(1)))
	if proof, exact := checkFIFO(log, []int32{0, 1}); proof.flaw != fifoFuture || !exact {
		t.Errorf("delivered before it was enqueued: flaw %d, exact %v", proof.flaw, exact)
	}

	log = logOf(queueType, call(history.Enqueue, 1, 0, 10), call(history.Enqueue, 2, 20, 30),
		call(history.Dequeue, 1, 40, 50, by(1), unknown), call(history.Dequeue, 2, 60, 70, by(2)))
	if proof, exact := checkFIFO(log, []int32{0, 1, 2, 3}); proof.flaw != fifoSound || exact {
		t.Errorf("a delivery in doubt excuses its message: flaw %d, exact %v", proof.flaw, exact)
	}
}

func TestAvailabilityCases(t *testing.T) {
	log := logOf(registerType, write(1, 0, 5, warm), write(2, 290, 300), write(3, 410, 450, failed), write(4, 560, 590), write(5, 650, 660),
		write(6, 760, 770))
	log = faulted(log, phase("warmup", 0), phase("measure", 100), primary("n1", 1, 5), killed("f1", "n1", 310), healed("f1", 400),
		killed("f2", "n1", 500), healed("f2", 550), killed("f3", "n1", 700), healed("f3", 750), phase("heal", 800), phase("end", 900))
	values, _ := check(t, log)
	expect(t, values, "availability.write_gap.max=2.9e+08 failover.count=3 failover.max=2.8e+08 "+
		"errors.rate.f1.before=0 errors.rate.f1.after=1 errors.rate.f2.before=1 errors.rate.f2.after=0 errors.rate.f3.before=0 errors.rate.f3.after=0")
}

func TestCounterCases(t *testing.T) {
	log := logOf(counterType, call(history.Increment, 1, 0, 10), read(0, 10, 20, by(1)), call(history.Increment, 1, 40, 50), read(2, 30, 40, by(1)))
	values, _ := check(t, log)
	expect(t, values, "counter.out_of_bounds=0 counter.reads=2") // ties are concurrent
}
