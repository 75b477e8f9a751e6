package all

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestElementFindings: what a finding of a set or of a queue tells, and what
// its evidence has.
func TestElementFindings(t *testing.T) {
	end := finalSets
	one, two := add(1, 0, 10), add(2, 20, 30)
	for _, tc := range []struct {
		name, typ string
		ops       []history.Op
		class     checkers.Class
		text      string
		at, gap   int64  // milliseconds
		evidence  string // of reads and drains the elements, of others the value
	}{
		{"the earliest lost element", setType, with(end(nil, nil), one, two), checkers.LostElement, "element 1 of set 0", 1010, 0, "1 [] []"},
		{"the earliest lost message", queueType, []history.Op{enqueue(1, 0, 10), enqueue(2, 20, 30), drain(1000, 1010, nil)}, checkers.LostMessage, "message 1 of queue 0", 1010, 0, "1 []"},
		{"the earliest lost message of two queues", queueType, []history.Op{enqueue(1, 50, 60), drain(1000, 1010, nil), enqueue(2, 0, 10, key(3)), drain(1000, 1010, nil, key(3))},
			checkers.LostMessage, "message 2 of queue 3", 1010, 0, "2 []"},
		{"lost by every node", queueType, []history.Op{enqueue(1, 0, 10), drain(1000, 1010, nil), drain(1011, 1020, nil, node(1)), drain(1021, 1030, nil, node(2))},
			checkers.LostMessage, "n1, n2, n3 found the queue empty at 1.030s", 1030, 0, "1 [] [] []"},
		{"the element lacked for the longest", setType, with(end(els(1, 2), els(1, 2)), add(1, 0, 30), add(2, 5, 10, by(1)), readSet(50, 60, nil)), checkers.StaleSet,
			"lacks element 2, which had been acknowledged 40ms before the read began", 50, 40, "2 [] [2]"},
		{"an element added twice is due from its first acknowledgement on", setType, with(end(els(1, 2), els(1, 2)), one, add(1, 12, 15), two, readSet(50, 60, nil, by(1))), checkers.StaleSet,
			"lacks element 1, which had been acknowledged 40ms", 50, 40, "1 [] [1]"},
		{"an element is not due at its last sighting", setType, []history.Op{one, two, readSet(50, 60, nil, by(1)), readSet(50, 55, els(1, 2), by(2)), readSet(70, 80, els(2))}, checkers.StaleSet,
			"lacks element 2", 50, 20, "2 [] [2]"},
		{"more elements differ than are told", setType, with(end(els(1, 2, 3, 4, 5, 6), nil)), checkers.Diverged,
			"n1 has 6 elements, n2 has 0 elements; they differ in 1, 2, 3, 4, 5 and 1 more", 1010, 0, "[1 2 3 4 5] []"},
		{"an element counts once", setType, with(end(els(1, 1, 2), els(1)), one, two), checkers.Diverged, "n1 has 2 elements, n2 has 1 element; they differ in 2.", 1010, 0, "2 [2] []"},
		{"read before its adding", setType, []history.Op{readSet(0, 10, els(2)), two}, checkers.Phantom, "has element 2, 10ms before its adding began", 30, 0, "[2] 2"},
		{"flapping on one node", setType, []history.Op{one, readSet(40, 41, els(1), by(1)), readSet(50, 60, nil, by(2)), readSet(70, 71, els(1), by(3))}, checkers.Flapping,
			"n1 showed element 1 of set 0 at 0.041s, no more at 0.060s, and again at 0.071s", 71, 0, "1 [1] [] [1]"},
		{"flapping for one client", setType, []history.Op{one, readSet(40, 41, els(1), by(1)), readSet(50, 60, nil, by(1), node(1)), readSet(70, 71, els(1), by(1), node(2))}, checkers.Flapping,
			"process 1 was shown element 1 of set 0", 71, 0, "1 [1] [] [1]"},
		{"of a read what matters", setType, []history.Op{one, two, readSet(40, 50, els(1, 2, 3, 1, 2))}, checkers.Duplicate, "has element 1 more than once", 50, 0, "1 [1 1]"},
		{"of a drain what matters", queueType, []history.Op{enqueue(1, 0, 10), enqueue(2, 20, 30), drain(1000, 1010, els(1, 2, 1))}, checkers.DuplicateMessage,
			"delivered by n1 at 1.010s and acknowledged", 1010, 0, "1 [1 1]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := Run(context.Background(), logOf(tc.typ, tc.ops...), checkers.Limits{Findings: 1})
			i := slices.IndexFunc(r.Findings, func(f checkers.Finding) bool { return f.Class == tc.class })
			if i < 0 {
				t.Fatalf("no finding of class %s: %v", tc.class, r.Findings)
			}
			f := r.Findings[i]
			var evidence []string
			for _, op := range f.Evidence {
				if op.Kind == history.ReadSet || op.Kind == history.Drain {
					evidence = append(evidence, fmt.Sprint(op.Elements))
				} else {
					evidence = append(evidence, fmt.Sprint(op.Value))
				}
			}
			if got := strings.Join(evidence, " "); !strings.Contains(f.Text+".", tc.text) || f.At != tc.at*ms || f.Gap != tc.gap*ms || got != tc.evidence {
				t.Errorf("got %q at %d, gap %d, by %s", f.Text, f.At, f.Gap, got)
			}
		})
	}
}

// TestRepeatedElementGoes: an answer in another order has an element twice;
// those that lack it later lack it.
func TestRepeatedElementGoes(t *testing.T) {
	var forth, back []int64
	for i := range int64(400) {
		forth, back = append(forth, i+2), append(back, 401-i)
	}
	plus := func(s []int64, more ...int64) []int64 { return append(slices.Clone(s), more...) }
	for _, tc := range []struct {
		answers [][]int64
		want    string
	}{
		{[][]int64{plus(forth, 1), plus(back, 1, 1), back, forth, plus(forth, 1), forth, plus(forth, 1)}, "set.duplicated=1 set.stale=3 set.n1.flapping=1 set.stable_latency.max=5.9e+07"},
		{[][]int64{plus(forth, 1), plus(back, 1, 1), plus(forth, 1), forth, plus(forth, 1)}, "set.duplicated=1 set.stale=1 set.n1.flapping=1 set.stable_latency.max=3.9e+07"},
		{[][]int64{plus(forth, 1), plus(forth, 1, 1), plus(back, 1), back, plus(back, 1)}, "set.duplicated=1 set.stale=1 set.n1.flapping=1 set.stable_latency.max=3.9e+07"},
	} {
		ops := []history.Op{add(1, 0, 1)}
		for i, answer := range tc.answers {
			ops = append(ops, readSet(int64(10*i+10), int64(10*i+15), answer, by(uint32(i))))
		}
		values, _ := check(t, logOf(setType, ops...))
		expect(t, values, tc.want)
	}
}
