package load

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// blindWrites writes keys 0 to 2 in turn, and then key 3, which is nobody else's.
type blindWrites struct {
	writes
	done []history.Kind
}

func (g *blindWrites) Next(r *workloads.Request) {
	g.writes.Next(r)
	r.Op.Key = uint32((g.n - 1) % 4)
}

func (g *blindWrites) Blind() int { return 3 }

func (g *blindWrites) Done(op *history.Op) { g.done = append(g.done, op.Kind) }

// lookingAt runs a worker over so many operations of blindWrites, of which the
// first that a primary refuses is the fourth, and tells what was recorded.
func lookingAt(t *testing.T, n uint64, answer func(call int, op *history.Op)) (words []string, k *kept, g *blindWrites) {
	t.Helper()
	believed, calls := 0, 0
	system := &scripted{answer: func(node int, op *history.Op) {
		calls++
		op.Outcome = history.OK
		if node == 0 && calls >= 6 {
			op.Outcome, op.Error, believed = history.Fail, history.ErrNotPrimary, 1
		}
		if answer != nil {
			answer(calls, op)
		}
	}}
	w, k := newTestWorker(system, func() int { return believed })
	g = &blindWrites{}
	w.generator, w.pacer, w.looks.Keys = g, every(time.Millisecond, n), g.Blind()
	w.run(t.Context(), forTime(w, time.Minute))
	for _, op := range k.ops {
		words = append(words, fmt.Sprintf("n%d %s %d", op.Node+1, op.Kind, op.Key))
	}
	return words, k, g
}

// TestWorkerLooksBeforeItOverwrites: on its first primary a worker does not look;
// on the next it reads each key once before it writes it, in the write's time.
func TestWorkerLooksBeforeItOverwrites(t *testing.T) {
	words, k, g := lookingAt(t, 12, nil)
	want := []string{"n1 write 0", "n1 write 1", "n1 write 2", "n1 write 3", "n1 write 0", "n1 write 1",
		"n2 read 2", "n2 write 2", "n2 write 3", "n2 read 0", "n2 write 0", "n2 read 1", "n2 write 1", "n2 write 2", "n2 write 3"}
	if !slices.Equal(words, want) {
		t.Fatalf("got %q, want %q", words, want)
	}
	if len(g.done) != len(want) {
		t.Errorf("the generator was told of %d operations of %d", len(g.done), len(want))
	}
	look, write := k.ops[6], k.ops[7]
	if look.Intended-k.ops[0].Intended != 6*int64(time.Millisecond) || write.Intended < look.End || write.Start != write.Intended || look.Value != 0 {
		t.Errorf("the look is intended at %d, ends at %d; the write is intended at %d", look.Intended, look.End, write.Intended)
	}
	for _, op := range k.ops {
		if op.Flags&history.FromPrimary == 0 {
			t.Errorf("%s of key %d at n%d does not say that it was sent to the primary", op.Kind, op.Key, op.Node+1)
		}
	}
}

// TestWorkerKnowsWhoIsUnconfirmed: a node that has the write, and says that too few others
// have, is no other node.
func TestWorkerKnowsWhoIsUnconfirmed(t *testing.T) {
	words, k, _ := lookingAt(t, 5, func(call int, op *history.Op) {
		if call == 2 || call == 3 {
			op.Outcome, op.Error = history.Unknown, history.ErrNoQuorum
		}
	})
	want := []string{"n1 write 0", "n1 write 1", "n1 write 2", "n1 write 3", "n1 write 0"}
	if !slices.Equal(words, want) {
		t.Fatalf("got %q, want %q", words, want)
	}
	if k.ops[1].Process == k.ops[2].Process || k.ops[2].Process == k.ops[3].Process {
		t.Error("a process goes on after an outcome that nobody knows")
	}
}

// TestWorkerLooksAgainAfterAFailure: also the same node may have lost something.
func TestWorkerLooksAgainAfterAFailure(t *testing.T) {
	words, _, _ := lookingAt(t, 13, func(call int, op *history.Op) {
		if call == 8 || call == 9 { // the write after the look, and the next look
			op.Outcome, op.Error = history.Unknown, history.ErrTimeout
		}
	})
	want := []string{"n2 read 2", "n2 write 2", "n2 write 3", "n2 read 0", "n2 write 0", "n2 read 1", "n2 write 1", "n2 read 2", "n2 write 2", "n2 write 3", "n2 write 0"}
	if !slices.Equal(words[6:], want) {
		t.Fatalf("got %q, want %q", words[6:], want)
	}
	words, _, _ = lookingAt(t, 12, func(call int, op *history.Op) {
		if call == 7 { // the look itself
			op.Outcome, op.Error = history.Unknown, history.ErrTimeout
		}
	})
	want = []string{"n2 read 2", "n2 write 3", "n2 read 0", "n2 write 0", "n2 read 1", "n2 write 1", "n2 read 2", "n2 write 2", "n2 write 3"}
	if !slices.Equal(words[6:], want) {
		t.Fatalf("after a look that was not answered: got %q, want %q", words[6:], want)
	}
}

// TestWorkerNoticesChangedRoles: it looks anew when roles have changed though nothing
// failed, and leaves a node that says that it is a replica; it stays with one that
// says that it is the primary.
func TestWorkerNoticesChangedRoles(t *testing.T) {
	for _, replica := range []bool{false, true} {
		var changes atomic.Uint64
		changes.Store(3)
		believed, calls := 0, 0
		system := &scripted{answer: func(_ int, op *history.Op) {
			op.Outcome = history.OK
			if calls++; calls == 4 {
				believed = 1
				changes.Add(1)
			}
		}}
		w, k := newTestWorker(system, func() int { return believed })
		w.Changes, w.Replica = &changes, func(node int) bool { return replica && node == 0 }
		w.generator, w.pacer, w.looks.Keys = &blindWrites{}, every(time.Millisecond, 6), 3
		w.run(t.Context(), forTime(w, time.Minute))
		node := int8(0)
		if replica {
			node = 1
		}
		var words []string
		for _, op := range k.ops[4:] {
			words = append(words, fmt.Sprintf("%s %d", op.Kind, op.Key))
			if op.Node != node {
				t.Errorf("%s of key %d went to n%d", op.Kind, op.Key, op.Node+1)
			}
		}
		if want := []string{"read 0", "write 0", "read 1", "write 1"}; !slices.Equal(words, want) {
			t.Errorf("got %q, want %q", words, want)
		}
	}
}
