package checkers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// The tests of what several checkers share.

func TestFenwickCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 60))
	for size := range 20 {
		tree, numbers := make(fenwick, size+2), []int{}
		for range 2 * size {
			x := r.IntN(size + 1)
			tree.add(x)
			numbers = append(numbers, x)
		}
		for bound := range size + 2 {
			want := 0
			for _, x := range numbers {
				if x < bound {
					want++
				}
			}
			if got := tree.below(bound); got != want {
				t.Errorf("%d of %v are below %d, want %d", got, numbers, bound, want)
			}
		}
	}
}

func TestTimelineCases(t *testing.T) {
	kill := []history.Event{killed("f1", "n1", 200), healed("f1", 400)}
	for _, tc := range []struct {
		name   string
		ops    []history.Op
		events []history.Event
		want   string
	}{
		{"without phases the load was measured", []history.Op{add(1, 0, 10, warm), add(2, 500, 1400), readSet(600, 700, els(2), by(1)), readSet(1450, 1500, els(2)), readSet(9000, 9010, els(2), final)},
			nil, "ops.rate=3"},
		{"within another fault's time", []history.Op{add(1, 10, 20), add(2, 500, 510, failed)},
			[]history.Event{killed("f1", "n1", 100), killed("f2", "n2", 200), healed("f2", 300), healed("f1", 1000)}, "errors.rate.before=0 errors.rate.during=1 errors.rate.after=?"},
		{"at the very ends of a fault", []history.Op{add(1, 100, 200, failed), add(2, 400, 500, failed)}, kill, "errors.rate.before=? errors.rate.during=1 errors.rate.after=?"},
		{"the primary since the fault began", nil, append([]history.Event{primary("n1", 1, 200)}, kill...), "failover.count=1"},
		{"the later of two primaries of one epoch", nil, append([]history.Event{primary("n1", 1, 5), primary("n2", 1, 20)}, kill...), "failover.count=0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			values, _ := check(t, faulted(logOf(setType, tc.ops...), tc.events...))
			expect(t, values, tc.want)
		})
	}
}

// TestGroupsOfTwoWorkloads: what has the same key and type may be of another
// workload.
func TestGroupsOfTwoWorkloads(t *testing.T) {
	other := add(1, 20, 30)
	other.Workload = 1
	log := logOf(setType, add(1, 0, 10), readSet(40, 50, nil), readSet(60, 70, els(1)), other)
	log.Meta.Workloads = append(log.Meta.Workloads, log.Meta.Workloads[0])
	values, _ := check(t, log)
	expect(t, values, "set.acked=2 set.stale=1 set.never_seen=1") // were it one, 1 was added twice
}

// TestGroupsOfUnorderedLog: the order of a log says nothing, the times do.
func TestGroupsOfUnorderedLog(t *testing.T) {
	log := logOf(queueType, enqueue(1, 0, 10), enqueue(2, 20, 30), drain(900, 910, els(1), failed), drain(1000, 1010, nil))
	slices.Reverse(log.Ops)
	values, _ := check(t, log)
	expect(t, values, "queue.lost=1")
}

func TestSpanIsBounded(t *testing.T) {
	for _, tc := range []struct{ a, b, want int64 }{{7, 3, 4}, {3, 7, -4}, {3, 3, 0}, {5, never, 5 - never}, {never, beginning, never}, {beginning, never, beginning}, {beginning, beginning, 0}} {
		if got := span(tc.a, tc.b); got != tc.want {
			t.Errorf("from %d to %d: %d, want %d", tc.b, tc.a, got, tc.want)
		}
	}
}

func TestShelfKeepsTheGreatest(t *testing.T) {
	s := newShelves(3)
	written := 0
	for i, rank := range []int64{5, 1, 7, 5, 5, 9} {
		s.class(Phantom).offer(rank, func() Finding { written++; return Finding{Text: fmt.Sprint(rank, " of ", i)} })
	}
	if one := s.class(Phantom); one.wants(5) || !one.wants(6) || len(one.kept) != 3 {
		t.Errorf("a full shelf wants what it would not keep: %v", one.kept)
	}
	s.write(newGate(10))
	var told []string
	for _, f := range s.findings(Phantom, StaleSet) {
		told = append(told, f.Text)
	}
	if want := []string{"9 of 5", "7 of 2", "5 of 0"}; !slices.Equal(told, want) || written != 3 {
		t.Errorf("got %v, %d written, want %v", told, written, want)
	}
	nothing := newShelves(0)
	nothing.take(s)
	nothing.class(Phantom).offer(1, nil)
	if found := nothing.findings(Phantom); len(found) > 0 {
		t.Errorf("a shelf of no room has %v", found)
	}
}

// TestValueIndexIsUsedAgain: what was in it before neither is found nor takes room.
func TestValueIndexIsUsedAgain(t *testing.T) {
	var x valueIndex
	var all []value
	for i := range int64(8) {
		all = append(all, value{v: i << 24}, value{v: -i - 1})
	}
	for range 3 {
		x.reserve(8)
		for i := range int32(8) {
			if got := x.find(all, all[i].v); got != none {
				t.Errorf("%d is there from before", all[i].v)
			}
			x.put(all, i)
		}
		if len(x.slots) != 16 {
			t.Errorf("%d slots for 8 values", len(x.slots))
		}
	}
	for i := int32(8); int(i) < len(all); i++ {
		x.put(all, i)
	}
	for i := range int32(len(all)) {
		if got := x.find(all, all[i].v); got != i || 2*x.used > len(x.slots) {
			t.Errorf("value %d is found at %d; %d of %d slots are used", all[i].v, got, x.used, len(x.slots))
		}
	}
}

func TestShareOfNothingIsUnknown(t *testing.T) {
	values, _ := check(t, logOf(registerType, write(1, 0, 10)))
	expect(t, values, "reads.stale_ratio=?")
}
