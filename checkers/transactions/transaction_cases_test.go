package transactions

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// txnsOf reads transactions as TxnOf does, one a line.
func txnsOf(t *testing.T, lines string) []history.Op {
	t.Helper()
	var ops []history.Op
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		ops = append(ops, txnOf(t, line))
	}
	return ops
}

// silent is a final read that was not answered.
func silent(op history.Op) history.Op {
	op.Outcome, op.Error = history.Unknown, history.ErrTimeout
	return op
}

func refused(op history.Op) history.Op {
	op.Outcome, op.Error = history.Fail, history.ErrNotPrimary
	return op
}

// lastRead is the final read of list 1 on a node.
func lastRead(t *testing.T, node int8, start, end int, list string) history.Op {
	op := txnOf(t, fmt.Sprintf("%d-%d p9 ok r1%s", start, end, list))
	op.Node, op.Flags = node, history.FinalRead
	return op
}

// TestLostElements judges appends by the final reads of three nodes.
func TestLostElements(t *testing.T) {
	appended := txnsOf(t, `
		0-10 p0 ok a1.1
		0-10 p1 unknown a1.2
		0-10 p2 fail a1.3
		20-105 p3 ok a1.4`)
	for _, tc := range []struct {
		name   string
		finals []history.Op
		lost   string
		torn   string // lost, if the history is torn
	}{
		{"kept", []history.Op{lastRead(t, 0, 110, 120, "[1,4]"), lastRead(t, 1, 110, 120, "[1,4]"), lastRead(t, 2, 110, 120, "[1,4]")}, "0", "?"},
		{"kept by one node", []history.Op{lastRead(t, 0, 110, 120, "[]"), lastRead(t, 1, 110, 120, "[1,4]"), lastRead(t, 2, 110, 120, "[]")}, "0", "?"},
		{"kept by none", []history.Op{lastRead(t, 0, 110, 120, "[4]"), lastRead(t, 1, 110, 120, "[]"), lastRead(t, 2, 110, 120, "[]")}, "1", "1"},
		{"others may have kept it", []history.Op{lastRead(t, 0, 110, 120, "[]"), lastRead(t, 1, 110, 120, "[]")}, "2", "?"},
		{"an append under way at a final read", []history.Op{lastRead(t, 0, 100, 101, "[1]"), lastRead(t, 1, 110, 120, "[1]")}, "0..1", "?"},
		{"an append acknowledged as a final read began", []history.Op{lastRead(t, 0, 105, 106, "[1]"), lastRead(t, 1, 110, 120, "[1]")}, "0..1", "?"},
		{"a node did not answer", []history.Op{lastRead(t, 0, 110, 120, "[]"), lastRead(t, 1, 110, 120, "[1]"), silent(lastRead(t, 2, 110, 120, "?"))}, "0..1", "?"},
		{"a node that no client may read from", []history.Op{lastRead(t, 0, 110, 120, "[]"), lastRead(t, 1, 110, 120, "[1]"), refused(lastRead(t, 2, 110, 120, "?"))}, "1", "?"},
		{"a node did not answer at first", []history.Op{silent(lastRead(t, 0, 106, 107, "?")), lastRead(t, 0, 110, 120, "[1]")}, "1", "?"},
		{"a node does not tell the list", []history.Op{lastRead(t, 0, 110, 120, "[1,4]"), lastRead(t, 1, 110, 120, "?")}, "0", "?"},
		{"a node does not tell what another lacks", []history.Op{lastRead(t, 0, 110, 120, "[1]"), lastRead(t, 1, 110, 120, "?")}, "0..1", "?"},
		{"the last answer of a node counts", []history.Op{lastRead(t, 0, 110, 120, "[1,4]"), lastRead(t, 0, 130, 140, "[4]")}, "1", "?"},
		{"no answer", []history.Op{func() history.Op { op := lastRead(t, 0, 110, 120, "[1,4]"); failed(&op); return op }()}, "?", "?"},
		{"an answer without the list", []history.Op{lastRead(t, 0, 110, 120, "?")}, "?", "?"},
	} {
		ops := append(tc.finals, appended...)
		if got := show(must(check(t, logOf(appendType, ops...))), "append.lost"); got != tc.lost {
			t.Errorf("%s: %s lost, want %s", tc.name, got, tc.lost)
		}
		if got := show(must(check(t, torn(logOf(appendType, ops...)))), "append.lost"); got != tc.torn {
			t.Errorf("%s, torn: %s lost, want %s", tc.name, got, tc.torn)
		}
	}
	other := append(txnsOf(t, "0-10 p0 ok a1.1\n0-10 p1 ok a2.1"), lastRead(t, 0, 110, 120, "[1]"))
	expect(t, must(check(t, logOf(appendType, other...))), "append.lost=? append.txns=2 append.unknown=0") // nobody read list 2
}

// TestOrderOfEqualReads: which of two longest reads came first, which may not be
// known, does not decide what the rest is held to.
func TestOrderOfEqualReads(t *testing.T) {
	for _, reads := range []string{"20-30 p2 ok r1[1,2]\n20-30 p3 ok r1[2,1]", "20-30 p2 ok r1[2,1]\n20-30 p3 ok r1[1,2]"} {
		l := newLists(logOf(appendType, txnsOf(t, "0-10 p0 ok a1.1\n0-10 p1 ok a1.2\n"+reads)...), 0)
		if got := l.keys[0].version; !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("%s: the order is %v", reads, got)
		}
	}
}

// TestUndecidedTransactions: what cannot be known is no level.
func TestUndecidedTransactions(t *testing.T) {
	good := "0-10 p0 ok a1.1\n20-30 p0 ok r1[1]\n40-50 p1 unknown a1.2"
	values := must(check(t, logOf(appendType, txnsOf(t, good)...)))
	expect(t, values, "append.strict_serializable=1 append.txns=2 append.unknown=1 append.anomalies=0")
	expect(t, must(check(t, torn(logOf(appendType, txnsOf(t, good)...)))), "append.read_uncommitted=? append.strict_serializable=? append.anomalies=?")
	expect(t, must(check(t, torn(logOf(appendType, txnsOf(t, "0-10 p0 ok r1[7]")...)))), "append.anomalies=?") // its append may be missing
	none := must(check(t, logOf(appendType, txnsOf(t, "0-10 p0 unknown a1.1\n20-30 p1 fail r1?")...)))
	if v := none["append.read_uncommitted"]; v.Known || v.Why != "no transaction was acknowledged" {
		t.Errorf("nothing was acknowledged: %+v", v)
	}

	aborted := torn(logOf(appendType, txnsOf(t, "0-10 p0 fail a1.1\n20-30 p0 ok r1[1]")...))
	expect(t, must(check(t, aborted)), "append.read_uncommitted=? append.read_committed=0 append.strict_serializable=0") // whatever is missing

	malformed := txnsOf(t, good+"\n50-60 p2 ok r1[1]") // somebody else looked
	malformed[1].Elements = malformed[1].Elements[:1]
	expect(t, must(check(t, logOf(appendType, malformed...))), "append.read_uncommitted=? append.strict_serializable=? append.anomalies=?")

	expect(t, must(check(t, logOf(appendType, txnsOf(t, "0-10 p0 ok a1.1\n20-30 p1 unknown r1?")...))), "append.strict_serializable=? append.anomalies=? append.txns=1") // nobody looked

	twice := txnsOf(t, "0-10 p0 fail a1.1\n0-10 p1 ok a1.1\n20-30 p0 ok r1[1]")
	expect(t, must(check(t, logOf(appendType, twice...))), "append.strict_serializable=? append.anomalies=?") // whose it is, is not known

	other := txnsOf(t, "0-9 p0 ok a1.1\n0-10 p1 ok a1.1 a1.2\n20-30 p2 ok r1[1,2]")
	expect(t, must(check(t, logOf(appendType, other...))), "append.strict_serializable=? append.anomalies=?") // nor whether it stands behind what came first

	cut := tally{acked: 1, reads: 1}
	if v := cut.values(&history.Log{}, map[checkers.Class]bool{checkers.G2: true})[3]; v.Name != "append.anomalies" || v.Known || !strings.Contains(v.Why, "G2-item ended at its limit") {
		t.Errorf("the search for G2-item ended at its limit: %+v", v)
	}
	var tally tally
	tally.acked, tally.reads = 1, 1
	for _, v := range tally.levels(&history.Log{}, map[checkers.Class]bool{checkers.GSingle: true}) {
		known := v.Name != "append.snapshot_isolation" && !strings.HasSuffix(v.Name, "serializable")
		if v.Known != known || !known && v.Why == "" {
			t.Errorf("the search for G-single ended at its limit: %+v", v)
		}
	}
}

// TestUnorderedSnapshots: two transactions of a cycle that isolated snapshots allow
// appended to one list what nobody read. One of them came first, and that may
// be what snapshots do not allow.
func TestUnorderedSnapshots(t *testing.T) {
	const skew, all = "0-90 p5 ok r1[] a2.1\n", "\n95-99 p6 ok r1[1] r2[1] r3[1]"
	for _, tc := range []struct{ name, lines, snapshots string }{
		{"they overlap", "0-90 p0 ok r1[] a2.1 a9.1\n0-90 p1 ok r2[] a1.1 a9.2\n95-99 p2 ok r1[1] r2[1]", "?"},
		{"they append to different lists", "0-90 p0 ok r1[] a2.1 a8.1\n0-90 p1 ok r2[] a1.1 a9.2\n95-99 p2 ok r1[1] r2[1]", "1"},
		{"one was over before most of the other", skew + "0-90 p0 ok r1[1] r2[] a9.2\n5-20 p1 ok a1.1 a9.1\n95-99 p6 ok r1[1] r2[1]", "1"},
		{"one was over before the other, and yet read it", skew + "0-20 p0 ok r1[1] r2[] a9.2\n30-40 p1 ok a1.1 a9.1\n95-99 p6 ok r1[1] r2[1]", "?"},
		{"one is in no cycle", skew + "50-60 p0 ok a1.1 r2[] a3.1 a9.1\n0-10 p1 ok r3[1] a9.2" + all, "1"},
		{"neither is in a cycle", skew + "0-90 p0 ok a1.1 r2[]\n50-60 p1 ok a3.1 a9.1\n0-10 p2 ok r3[1] a9.2" + all, "1"},
		{"they are in different cycles", skew + "50-60 p0 ok a1.1 r2[] a3.1 a9.1\n0-10 p1 ok r3[1] r4[] a5.1 a9.2\n0-90 p2 ok r5[] a4.1\n95-99 p6 ok r1[1] r2[1] r4[1] r5[1]", "1"},
	} {
		values := must(check(t, logOf(appendType, txnsOf(t, tc.lines)...)))
		expect(t, values, "append.read_committed=1 append.snapshot_isolation="+tc.snapshots+" append.serializable=0")
		if v := values["append.snapshot_isolation"]; !v.Known && !strings.Contains(v.Why, "what nobody read") {
			t.Errorf("%s: %q", tc.name, v.Why)
		}
	}
}

// TestOwnOrderInWords: a finding tells which element contradicts whose order.
func TestOwnOrderInWords(t *testing.T) {
	const reads = "T0 (process 0, 0.000s to 0.010s) read in list 1 the element 1, which it appended itself only afterwards"
	const order = "T1 (process 1, 0.020s to 0.030s) read in list 2 the element 2 not behind what T0 (process 0, 0.000s to 0.010s) appended first"
	values := must(check(t, logOf(appendType, txnsOf(t, "0-90 p0 ok a1.1 a1.2 a1.3\n0-90 p1 ok r1[1]\n0-90 p2 ok r1[1,3,2]")...)))
	expect(t, values, "append.anomalies=4") // one of them a read in another order: G1b twice and G-single are others
	_, found := check(t, logOf(appendType, txnsOf(t, "0-10 p0 ok r1[1] a1.1 a2.1 a2.2 a2.3\n20-30 p1 ok r2[2,1,3]")...))
	if len(found) != 2 || found[0].Text != order || found[1].Text != reads || len(found[0].Evidence) != 2 || found[0].Key != 2 || found[1].Key != 1 {
		t.Errorf("%+v", found)
	}
}

// TestIsolationIsUnknown: a level that is not ruled out may be reached, and
// why that is unknown is told.
func TestIsolationIsUnknown(t *testing.T) {
	tally := tally{acked: 7, classes: map[checkers.Class]int{checkers.G2: 2}}
	levels := []checkers.Value{{N: 1, Known: true}, {N: 1, Known: true}, {Why: "the search ended"}, {Known: true}, {Known: true}, {Known: true}}
	got := tally.isolation(levels)
	if got.Level != "snapshot isolation" || got.Why != "the search ended" || got.Not != "serializable" || got.Txns != 7 ||
		!slices.Equal(got.Anomalies, []checkers.ClassCount{{Class: checkers.G2, N: 2, Not: "serializable"}}) {
		t.Errorf("%+v", got)
	}
}

// TestManyUnreadAppends: however many transactions appended to a list what
// nobody read, one that read the list before comes before all of them.
func TestManyUnreadAppends(t *testing.T) {
	const many = 100
	for _, place := range []int{0, 1, many / 2, many - 1} {
		for _, appends := range []bool{false, true} {
			reader := (place + many/2) % many
			var lines []string
			for i := range many {
				line := fmt.Sprintf("0-90 p%d ok", i)
				if appends && i == reader {
					line += " r1[] r2[1]"
				}
				if line += fmt.Sprintf(" a1.%d", i+1); i == place {
					line += " a2.1"
				}
				lines = append(lines, line)
			}
			if !appends {
				lines = append(lines, "0-90 p100 ok r1[] r2[1]")
			}
			r := checkAppend(context.Background(), inputOf(logOf(appendType, txnsOf(t, strings.Join(lines, "\n"))...)))
			if got := classes(r.Findings); got != "G-single" {
				t.Errorf("the transaction at place %d was read: found %q", place, got)
			}
		}
	}
}

// TestCyclesInWords: a finding names the elements that were read, or were not.
func TestCyclesInWords(t *testing.T) {
	r := checkAppend(context.Background(), inputOf(logOf(appendType, txnsOf(t, `
		0-90 p0 ok a1.1 a1.2
		0-90 p1 ok r1[1]`)...)))
	var text string
	for _, f := range r.Findings {
		if f.Class == checkers.GSingle {
			text = f.Text
		}
	}
	const want = "a cycle of 2 transactions: T1 (process 1, 0.000s to 0.090s) read list 1 without 2, which T0 (process 0, 0.000s to 0.090s) appended; " +
		"T1 (process 1, 0.000s to 0.090s) read 1 of list 1, which T0 (process 0, 0.000s to 0.090s) appended: a contradiction"
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// TestShortestCycle: of several cycles of a class the shortest is told.
func TestShortestCycle(t *testing.T) {
	const four = "0-90 p0 ok a1.1 r4[1]\n0-90 p1 ok r1[1] a2.1\n0-90 p2 ok r2[1] a3.1\n0-90 p3 ok r3[1] a4.1\n"
	const three = "0-90 p4 ok a5.1 r7[1]\n0-90 p5 ok r5[1] a6.1\n0-90 p6 ok r6[1] a7.1"
	log := logOf(appendType, txnsOf(t, four+three)...)
	r := checkAppend(context.Background(), inputOf(log))
	if len(r.Findings) != 1 || r.Findings[0].Class != checkers.G1c || len(r.Findings[0].Evidence) != 3 {
		t.Error(r.Findings)
	}
	if _, undecided := newLists(log, 0).graph(false).cycles(1); !undecided[checkers.G1c] || undecided[checkers.G0] {
		t.Errorf("a search of one edge leaves undecided: %v", undecided)
	}
	if _, undecided := newLists(log, 0).graph(false).cycles(1000); len(undecided) > 0 {
		t.Errorf("a search of a thousand edges leaves undecided: %v", undecided)
	}
}
