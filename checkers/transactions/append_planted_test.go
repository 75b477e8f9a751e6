package transactions

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestPlantedAnomalies plants each class of anomaly and looks for exactly it.
func TestPlantedAnomalies(t *testing.T) {
	for name, tc := range map[string]struct {
		lines string
		want  string // classes found, sorted
		level string
	}{
		"nothing wrong": {`
			0-10 p0 ok a1.1 a2.1
			20-30 p0 ok r1[1] a1.2 r1[1,2]
			40-50 p1 ok r1[1,2] r2[1]`, "", "strict serializable"},
		"G0": {`
			0-90 p0 ok a1.1 a2.1
			0-90 p1 ok a1.2 a2.2
			95-99 p2 ok r1[1,2] r2[2,1]`, "G0", ""},
		"G1a": {`
			0-10 p0 fail a1.1
			20-30 p1 ok r1[1]`, "G1a", "read uncommitted"},
		"G1b": {`
			0-90 p0 ok a1.1 a1.2
			0-90 p1 ok r1[1]
			95-99 p2 ok r1[1,2]`, "G-single G1b", "read uncommitted"},
		"G1c": {`
			0-90 p0 ok a1.1 r2[1]
			0-90 p1 ok a2.1 r1[1]`, "G1c", "read uncommitted"},
		"dirty update": {`
			0-10 p0 fail a1.1
			20-30 p1 ok a1.2
			40-50 p2 ok r1[1,2]`, "G1a dirty-update", "read uncommitted"},
		"G-single": {`
			0-90 p0 ok a1.1 a2.1
			0-90 p1 ok r1[1] r2[]
			95-99 p2 ok r1[1] r2[1]`, "G-single", "read committed"},
		"lost update": {`
			0-90 p0 ok r1[] a1.1
			0-90 p1 ok r1[] a1.2
			95-99 p2 ok r1[1,2]`, "G-single lost-update", "read committed"},
		"G2": {`
			0-90 p0 ok r1[] a2.1
			0-90 p1 ok r2[] a1.1
			95-99 p2 ok r1[1] r2[1]`, "G2-item", "snapshot isolation"},
		"G-nonadjacent": {`
			0-90 p0 ok a1.1 a2.1
			0-90 p1 ok r1[1] r3[]
			0-90 p2 ok a3.1 a4.1
			0-90 p3 ok r3[1] r1[]
			95-99 p4 ok r1[1] r2[1] r3[1] r4[1]`, "G-nonadjacent", "read committed"},
		"internal": {`
			0-10 p0 ok a1.1 r1[]
			20-30 p1 ok r1[1]`, "internal", "read committed"},
		"internal, reads differ": {`
			0-10 p0 ok a1.1
			20-90 p0 ok r1[1] r1[1,2]
			20-90 p1 ok a1.2`, "internal", "read committed"},
		"phantom": {`
			0-10 p0 ok r1[7]`, "phantom-element", "read uncommitted"},
		"duplicate": {`
			0-10 p0 ok a1.1
			20-30 p0 ok r1[1,1]`, "duplicate-element", ""},
		"its own later append": {`
			0-10 p0 ok r1[1] a1.1`, "future-read", "read uncommitted"},
		"its own later append behind another's": {`
			0-10 p0 ok a1.1
			20-30 p1 ok r1[1,2] a1.2
			40-50 p2 ok r1[1,2]`, "future-read", "read uncommitted"},
		"its own later append behind its earlier one": {`
			0-10 p0 ok a1.1 r1[1,2] a1.2`, "future-read internal", "read uncommitted"},
		"its own later append before its earlier one": {`
			0-10 p0 ok a1.2 r1[1,2] a1.1`, "future-read", "read uncommitted"},
		"its own later append in the second of its reads": {`
			0-10 p0 ok r1[] r1[1] a1.1`, "future-read internal", "read uncommitted"},
		"its own later append, which it also appended before": {`
			0-10 p0 ok a1.1 r1[1] r2[] a2.1 a1.2 r1[1,2]`, "", "strict serializable"},
		"its own append of another list": {`
			0-10 p0 ok a2.1 r1[1] a2.2 a1.2 r1[1,2]
			0-10 p1 ok a1.1`, "", "strict serializable"},
		"the same element of another list, in an order that is wrong anyway": {`
			0-90 p0 ok a1.2 a2.5
			0-90 p1 ok r1[2] r2[5] a1.5
			0-90 p2 ok r1[5,2]`, "G1c incompatible-order", ""},
		"what it would have appended later, in a transaction that failed": {`
			0-10 p0 fail r1[1] a1.1
			20-30 p1 ok r1[]`, "", "strict serializable"},
		"what it appended later, in one of unknown outcome": {`
			0-10 p0 unknown r1[1] a1.1
			20-30 p1 ok r1[1]`, "", "strict serializable"},
		"one transaction's appends in another order": {`
			0-10 p0 ok a1.1 a1.2 a1.3
			20-30 p1 ok r1[2,1,3]`, "incompatible-order", ""},
		"those of one of unknown outcome in another order": {`
			0-10 p0 unknown a1.1 a1.2
			20-30 p1 ok r1[2,1]`, "G1b incompatible-order", ""},
		"those of one that failed in another order": {`
			0-10 p0 fail a1.1 a1.2
			20-30 p1 ok r1[2,1]`, "G1a", "read uncommitted"},
		"one transaction's appends in another order behind others": {`
			0-10 p0 ok a1.1
			20-30 p1 ok a1.2 a2.1 a1.3
			40-50 p2 ok r1[1,3,2] r2[1]`, "G1b incompatible-order", ""},
		"one transaction's appends without the middle one": {`
			0-10 p0 ok a1.1 a1.2 a1.3
			20-30 p1 ok r1[1,3]`, "G-single incompatible-order", ""},
		"one transaction's appends without the first": {`
			0-10 p0 ok a1.1 a1.2
			20-30 p1 ok r1[2]`, "G-single incompatible-order", ""},
		"its own appends in another order": {`
			0-10 p0 ok a1.1 a1.2 r1[2,1]`, "internal", "read committed"},
		"its own appends without one": {`
			0-10 p0 ok a1.1 a1.2 r1[2]`, "internal", "read committed"},
		"its own appends in another order, and so for all": {`
			0-10 p0 ok a1.1 a1.2 r1[2,1]
			20-30 p1 ok r1[2,1]`, "G1b incompatible-order internal", ""},
		"another read of others behind its own append": {`
			0-10 p0 ok a1.1
			20-90 p1 ok r1[1] a1.3 r1[1,2,3]
			20-90 p2 ok a1.2`, "G-single internal", "read committed"},
		"its own append between others": {`
			0-90 p0 ok a1.1 a1.2
			0-90 p1 ok a1.3 r1[1,3]
			95-99 p2 ok r1[1,3,2]`, "G0", ""},
		"elements appended twice that nobody reads": {`
			0-10 p0 ok a1.1
			0-10 p1 ok a1.1
			20-30 p2 ok r1[]`, "G-single-realtime", "strong session serializable"},
		"write skew of two who appended to a list unread": {`
			0-90 p0 ok r1[] a2.1 a3.1
			0-90 p1 ok r2[] a1.1 a4.1
			95-99 p2 ok r1[1] r2[1]`, "G2-item", "snapshot isolation"},
		"write skew besides appends of one list unread": {`
			0-40 p0 ok r1[] a2.1
			0-40 p1 ok r2[] a1.1
			50-60 p2 ok a3.1
			70-80 p3 ok a3.2
			95-99 p4 ok r1[1] r2[1]`, "G2-item", "snapshot isolation"},
		"incompatible order": {`
			0-90 p0 ok a1.1
			0-90 p1 ok a1.2
			0-90 p2 ok r1[1,2]
			0-90 p3 ok r1[2]`, "incompatible-order", ""},
		"stale read": {`
			0-10 p0 ok a1.1
			20-30 p1 ok r1[]
			40-50 p2 ok r1[1]`, "G-single-realtime", "strong session serializable"},
		"stale read of an own write": {`
			0-10 p0 ok a1.1
			20-30 p0 ok r1[]
			40-50 p2 ok r1[1]`, "G-single-process", "serializable"},
		"an acknowledged element nobody reads": {`
			0-10 p0 ok a1.1
			20-30 p1 ok r1[]`, "G-single-realtime", "strong session serializable"},
		"an unknown append that was read": {`
			0-10 p0 unknown a1.1 r2?
			20-30 p1 ok r1[1]`, "", "strict serializable"},
		"an unknown append that was not": {`
			0-10 p0 unknown a1.1
			20-30 p1 ok r1[]`, "", "strict serializable"},
		"an unknown transaction of which half is read": {`
			0-90 p0 unknown a1.1 a2.1
			0-90 p1 ok r1[1] r2[]`, "G-single", "read committed"},
		"an unknown transaction may take effect after its client's next": {`
			0-10 p0 unknown a1.1
			20-30 p0 ok r1[]
			40-50 p1 ok r1[1]`, "", "strict serializable"},
		"a transaction of which half is never read": {`
			0-90 p0 ok a1.1 a1.2
			0-90 p1 ok a1.3
			0-90 p2 ok r1[1,3]`, "G-single G0", ""},
		"a transaction of which the second half is never read": {`
			0-90 p0 ok a1.1 a1.2
			0-90 p1 ok r1[1]`, "G-single G1b", "read uncommitted"},
		"its own middle": {`
			0-90 p0 ok a1.1 r1[1] a1.2
			95-99 p1 ok r1[1,2]`, "", "strict serializable"},
		"an end when another begins": {`
			0-10 p0 ok a1.1
			10-20 p1 ok r1[]
			30-40 p2 ok r1[1]`, "", "strict serializable"},
		"an end when the client's next begins": {`
			0-10 p0 ok a1.1
			10-20 p0 ok r1[]
			30-40 p2 ok r1[1]`, "G-single-process", "serializable"},
		"transactions of one client that overlap": {`
			0-10 p0 ok a1.1
			5-20 p0 ok r1[]
			30-40 p2 ok r1[1]`, "", "strict serializable"},
		"an end before its begin": {`
			0-10 p0 ok a1.1
			30-40 p1 ok r1[1]
			60-5 p2 ok r1[]`, "", "strict serializable"},
		"an unknown append that was read late": {`
			0-10 p0 unknown a1.1
			20-30 p1 ok r1[]
			40-50 p1 ok r1[1]`, "", "strict serializable"},
		"an unknown append that was gone again": {`
			0-10 p0 unknown a1.1
			20-30 p1 ok r1[1]
			40-50 p2 ok r1[]`, "G-single-realtime", "strong session serializable"},
		"read before it was appended": {`
			0-10 p0 ok r1[1]
			20-30 p1 ok a1.1`, "G1c-realtime", "strong session serializable"},
		"a transaction that failed, of which nothing was seen": {`
			0-10 p0 fail a1.1 a2.1
			20-30 p1 ok r1[] r2[] a1.2
			40-50 p2 ok r1[2]`, "", "strict serializable"},
		"an element between two of another transaction": {`
			0-90 p0 ok a1.1 a1.2
			0-90 p1 ok a1.3
			95-99 p2 ok r1[1,3,2]`, "G0", ""},
		"a version that nobody read between": {`
			0-90 p0 ok r1[] a2.1
			0-90 p1 ok a1.1 a1.2 r2[1]
			95-99 p2 ok r1[1,2] r2[1]`, "", "strict serializable"},
		"a read without an answer": {`
			0-10 p0 ok a1.1
			20-30 p1 ok r1? a2.1
			40-50 p2 ok r1[1] r2[1]`, "", "strict serializable"},
		"what a transaction of unknown outcome read does not count": {`
			0-10 p0 ok a1.1
			20-30 p1 unknown r1[] a2.1
			40-50 p2 ok r1[1] r2[1]`, "", "strict serializable"},
		"a read in another order does not tell what it lacks": {`
			0-90 p0 ok a1.1
			0-90 p1 ok a1.2 a2.1
			0-90 p2 ok r1[1,2]
			0-90 p3 ok r1[2] r2[1]`, "incompatible-order", ""},
		"read skew and a stale read": {`
			0-90 p0 ok a1.1 a2.1
			0-90 p1 ok r1[1] r2[]
			95-99 p0 ok a3.1
			100-110 p0 ok r3[]
			120-130 p2 ok r1[1] r2[1] r3[1]`, "G-single", "read committed"},
		"a long way apart besides short ones in a row": {`
			0-90 p0 ok r1[] r3[1] r6[1]
			0-90 p1 ok a1.1 r2[] a4.1
			0-90 p2 ok a2.1 a3.1
			0-90 p3 ok r4[1] r5[] r8[1]
			0-90 p4 ok a5.1 a6.1 r7[]
			0-90 p5 ok a7.1 a8.1
			95-99 p6 ok r1[1] r2[1] r3[1] r4[1] r5[1] r6[1] r7[1] r8[1]`, "G-nonadjacent G2-item", "read committed"},
		"a long way apart besides one back and forth, over what nobody read": {`
			0-90 p0 ok r1[] a2.1 r6[1]
			0-90 p1 ok a1.1 r2[] a5.1
			0-90 p2 ok r3[] a4.1 r5[1]
			0-90 p3 ok a3.1 r4[] a6.1`, "G-nonadjacent G2-item", "read committed"},
		"a long way apart besides one that ends in a row": {`
			0-90 p0 ok r1[] r4[1] r5[] a6.1
			0-90 p1 ok a1.1 a2.1
			0-90 p2 ok r2[1] r3[] a5.1 r6[]
			0-90 p3 ok a3.1 a4.1`, "G-nonadjacent G2-item", "read committed"},
		"read skew the long way round": {`
			0-90 p0 ok r1[] r4[1] a9.5
			0-90 p1 ok a1.1 a2.1 a9.1
			0-90 p2 ok r2[1] r3[]
			0-90 p3 ok a3.1 a4.1
			0-90 p4 ok a9.2
			0-90 p5 ok a9.3
			0-90 p6 ok a9.4
			95-99 p7 ok r1[1] r2[1] r3[1] r4[1] r9[1,2,3,4,5]`, "G-nonadjacent G-single", "read committed"},
		"a way through one transaction twice": {`
			0-90 p0 ok r1[] r2[1]
			0-90 p1 ok a1.1 a3.1 r4[1] r5[]
			0-90 p2 ok r3[1] r6[]
			0-90 p3 ok a6.1 a4.1
			0-90 p4 ok a5.1 a2.1`, "G-single G2-item", "read committed"},
		"writes against real time": {`
			0-10 p0 ok a1.1
			20-30 p1 ok a1.2
			40-50 p2 ok r1[2,1]`, "G0-realtime", "strong session serializable"},
	} {
		var ops []history.Op
		for line := range strings.SplitSeq(strings.TrimSpace(tc.lines), "\n") {
			ops = append(ops, txnOf(t, line))
		}
		r := checkAppend(context.Background(), inputOf(logOf(appendType, ops...)))
		var classes []string
		for _, f := range r.Findings {
			classes = append(classes, string(f.Class))
		}
		slices.Sort(classes)
		if got := strings.Join(slices.Compact(classes), " "); got != tc.want {
			t.Errorf("%s: found %q, want %q: %v", name, got, tc.want, r.Findings)
		}
		if r.Isolation.Level != tc.level || r.Isolation.Why != "" {
			t.Errorf("%s: the level is %q, want %q", name, r.Isolation.Level, tc.level)
		}
		wantRuledOut(t, name, r)
		wantCycles(t, name, r.Findings)
	}
}

// wantRuledOut wants every class that was found to be counted, and the next
// level to be ruled out by the first.
func wantRuledOut(t *testing.T, name string, r checkers.Result) {
	t.Helper()
	found, i := map[checkers.Class]int{}, r.Isolation
	for _, f := range r.Findings {
		found[f.Class]++
	}
	if len(i.Anomalies) != len(found) || len(found) > 0 && i.Anomalies[0].Not != i.Not || len(found) == 0 && i.Not != "" {
		t.Errorf("%s: %q is ruled out by %v of %v", name, i.Not, i.Anomalies, found)
	}
	for _, a := range i.Anomalies {
		if found[a.Class] != a.N {
			t.Errorf("%s: %d of class %s rule %s out, %d were found", name, a.N, a.Class, a.Not, found[a.Class])
		}
	}
}

// wantCycles wants every cycle told edge by edge: each transaction once, and
// why it must precede the next.
func wantCycles(t *testing.T, name string, findings []checkers.Finding) {
	t.Helper()
	for _, f := range findings {
		if cycle := strings.HasPrefix(f.Text, "a cycle"); cycle != (len(f.Cycle) > 1) {
			t.Errorf("%s: %q has the steps %v", name, f.Text, f.Cycle)
		}
		ops, edges := map[int]bool{}, ""
		for i, s := range f.Cycle {
			next := f.Cycle[(i+1)%len(f.Cycle)]
			if s.Op < 0 || s.Op >= len(f.Evidence) || !strings.Contains(s.Why, s.Name) || !strings.Contains(s.Why, next.Name) {
				t.Errorf("%s: the step %v before %v of %v", name, s, next, f.Evidence)
			}
			ops[s.Op] = true
			edges += " " + s.Edge
		}
		if len(ops) != len(f.Cycle) {
			t.Errorf("%s: the cycle %v has a transaction twice", name, f.Cycle)
		}
		rw := strings.Count(edges, "rw")
		for _, kind := range []string{"process", "realtime"} {
			if strings.HasSuffix(string(f.Class), kind) != strings.Contains(edges, kind) {
				t.Errorf("%s: %s has the edges%s", name, f.Class, edges)
			}
		}
		if strings.HasPrefix(string(f.Class), "G-single") && rw != 1 || f.Class == checkers.G2 && rw < 2 || strings.HasPrefix(string(f.Class), "G0") && rw > 0 {
			t.Errorf("%s: %s has the edges%s", name, f.Class, edges)
		}
	}
}
