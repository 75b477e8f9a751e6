package checkers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// txnOf reads a transaction from a line such as
//
//	0-10 p1 ok a1.5 r2[1,2] r3? a1.6
//
// which is: begin and end, process, outcome, append 5 to list 1, read list 2
// as [1 2], read list 3 with an unknown result.
func txnOf(t *testing.T, line string) history.Op {
	t.Helper()
	op := history.Op{Kind: history.Txn}
	fields := strings.Fields(line)
	if _, err := fmt.Sscanf(fields[0], "%d-%d", &op.Start, &op.End); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if _, err := fmt.Sscanf(fields[1], "p%d", &op.Process); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	op.Outcome = map[string]history.Outcome{"ok": history.OK, "fail": history.Fail, "unknown": history.Unknown}[fields[2]]
	for _, f := range fields[3:] {
		m := history.Micro{Read: f[0] == 'r'}
		switch rest := f[1:]; {
		case !m.Read:
			fmt.Sscanf(rest, "%d.%d", &m.Key, &m.Value)
		case strings.HasSuffix(rest, "?"):
			fmt.Sscanf(rest, "%d?", &m.Key)
		default:
			at := strings.IndexByte(rest, '[')
			key, _ := strconv.Atoi(rest[:at])
			m.Key, m.Known = uint32(key), true
			for v := range strings.SplitSeq(strings.Trim(rest[at:], "[]"), ",") {
				if n, err := strconv.ParseInt(v, 10, 64); err == nil {
					m.List = append(m.List, n)
				}
			}
		}
		op.Elements = history.AppendMicro(op.Elements, m)
	}
	op.Start, op.End = op.Start*ms, op.End*ms
	op.Intended = op.Start
	return op
}

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
		r := checkAppend(context.Background(), logOf(appendType, ops...), DefaultLimits)
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
func wantRuledOut(t *testing.T, name string, r Result) {
	t.Helper()
	found, i := map[Class]int{}, r.Isolation
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
func wantCycles(t *testing.T, name string, findings []Finding) {
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
		if strings.HasPrefix(string(f.Class), "G-single") && rw != 1 || f.Class == G2 && rw < 2 || strings.HasPrefix(string(f.Class), "G0") && rw > 0 {
			t.Errorf("%s: %s has the edges%s", name, f.Class, edges)
		}
	}
}
