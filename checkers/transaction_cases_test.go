package checkers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// txnsOf reads transactions as txnOf does, one a line.
func txnsOf(t *testing.T, lines string) []history.Op {
	t.Helper()
	var ops []history.Op
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		ops = append(ops, txnOf(t, line))
	}
	return ops
}

// lastRead is the final read of list 1 on a node.
func lastRead(t *testing.T, node int8, start, end int, list string) history.Op {
	op := txnOf(t, fmt.Sprintf("%d-%d p9 ok r1%s", start, end, list))
	op.Node, op.Flags = node, history.FinalRead
	return op
}

func TestCounterBounds(t *testing.T) {
	increment := func(v, start, end int64, changes ...change) history.Op {
		return call(history.Increment, v, start, end, changes...)
	}
	for _, tc := range []struct {
		name string
		want string
		ops  []history.Op
	}{
		{"the node that kept most decides what is lost", "counter.lost=2", []history.Op{
			increment(5, 0, 1), read(3, 100, 101, final, node(0)), read(1, 100, 101, final, node(1))}},
		{"a decrement explains a smaller end", "counter.lost=0 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1), increment(-2, 2, 3), read(3, 100, 101, final)}},
		{"a decrement of unknown outcome may count", "counter.lost=0 counter.unknown=1 counter.increments=1 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1), increment(-2, 2, 3, unknown), read(3, 100, 101, final)}},
		{"a decrement that failed does not", "counter.lost=2", []history.Op{
			increment(5, 0, 1), increment(-2, 2, 3, failed), read(3, 100, 101, final)}},
		{"an increment of unknown outcome may count late", "counter.lost=0 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1, unknown), read(history.Nil, 50, 60), read(5, 100, 101, final)}},
		{"an increment under way at the final read is not lost", "counter.lost=0 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1), increment(1, 90, 105), read(5, 100, 110, final)}},
		{"a decrement under way at the final read may count", "counter.lost=0 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1), increment(-1, 105, 120), read(4, 100, 110, final)}},
		{"a decrement after the final read cannot", "counter.lost=1 counter.out_of_bounds=1", []history.Op{
			increment(5, 0, 1), increment(-1, 115, 120), read(4, 100, 110, final)}},
		{"the last answer of a node counts", "counter.lost=0", []history.Op{
			increment(5, 0, 1), read(1, 100, 101, final), read(5, 200, 201, final)}},
		{"nothing is more than something lost", "counter.lost=5", []history.Op{increment(5, 0, 1), read(history.Nil, 100, 101, final)}},
		{"the warm-up counts", "counter.increments=2 counter.out_of_bounds=0", []history.Op{
			increment(2, 0, 1, warm), increment(1, 2, 3), read(3, 100, 101)}},
		{"a read that failed tells nothing", "counter.reads=0 counter.out_of_bounds=0 counter.lost=?", []history.Op{
			increment(2, 0, 1), read(0, 10, 11, failed), read(0, 12, 13, unknown), read(0, 100, 101, final, failed)}},
		{"each counter has its own bounds", "counter.out_of_bounds=2 counter.error.max=3 counter.lost=3", []history.Op{
			increment(3, 0, 1), increment(2, 0, 1, key(1)), read(0, 100, 101, final), read(3, 100, 101, final, key(1))}},
		{"the greatest error of several", "counter.out_of_bounds=2 counter.error.max=4", []history.Op{
			increment(5, 0, 1), read(1, 10, 11), read(3, 20, 21)}},
	} {
		values, found := check(t, logOf(counterType, tc.ops...))
		if expect(t, values, tc.want); t.Failed() {
			t.Fatal(tc.name, found)
		}
	}
	for _, tc := range []struct {
		name string
		want string
		ops  []history.Op
	}{
		{"the increments that explain more may be missing", "counter.out_of_bounds=? counter.error.max=?", []history.Op{
			increment(5, 0, 1), read(7, 10, 11)}},
		{"none explains less", "counter.out_of_bounds=1", []history.Op{increment(5, 0, 1), read(4, 10, 11)}},
		{"but a decrement", "counter.out_of_bounds=? counter.lost=?", []history.Op{increment(5, 0, 1), increment(-1, 0, 100),
			read(3, 10, 11), read(3, 100, 101, final, node(0)), read(3, 100, 101, final, node(1)), read(3, 100, 101, final, node(2))}},
		{"a node's final read may be missing", "counter.lost=?", []history.Op{increment(5, 0, 1), read(4, 100, 101, final)}},
		{"every node lost it", "counter.lost=1", []history.Op{increment(5, 0, 1), read(3, 100, 101, final, node(0)),
			read(4, 100, 101, final, node(1)), read(4, 100, 101, final, node(2))}},
	} {
		values, found := check(t, torn(logOf(counterType, tc.ops...)))
		if expect(t, values, tc.want); t.Failed() {
			t.Fatal("torn:", tc.name, found)
		}
	}
}

func TestIDsCases(t *testing.T) {
	id := func(v, at int64, changes ...change) history.Op {
		return call(history.Generate, v, at, at+1, changes...)
	}
	log := logOf(idsType, id(2, 0), id(3, 10), id(-2, 20), id(5, 30, failed), id(5, 40, failed), id(7, 50, unknown), id(7, 60, unknown),
		id(2, 70, key(1)), read(3, 80, 81), id(3, 90, warm, by(3)))
	values, found := check(t, log)
	expect(t, values, "ids.generated=5 ids.duplicated=1") // each sequence by itself; only what was given out
	if len(found) != 1 || found[0].Evidence[0].Start != 10*ms || found[0].Evidence[1].Start != 90*ms {
		t.Error(found)
	}
	expect(t, must(check(t, torn(logOf(idsType, id(2, 0), id(3, 10))))), "ids.duplicated=? ids.generated=2")
	expect(t, must(check(t, torn(logOf(idsType, id(2, 0), id(2, 10))))), "ids.duplicated=1")
}

func TestBankCases(t *testing.T) {
	balances := func(at int64, all []int64, changes ...change) history.Op {
		op := call(history.Balances, 0, at, at+1, changes...)
		op.Elements = all
		return op
	}
	for _, tc := range []struct {
		name string
		want string
		ops  []history.Op
	}{
		{"money was made", "bank.wrong_total=1 bank.error.max=7", []history.Op{balances(0, els(107, 100))}},
		{"money was lost", "bank.wrong_total=1 bank.error.max=7", []history.Op{balances(0, els(93, 100))}},
		{"one is missing", "bank.wrong_total=1 bank.error.max=1", []history.Op{balances(0, els(100, 99))}},
		{"the worst of several", "bank.wrong_total=3 bank.error.max=30", []history.Op{
			balances(0, els(100, 99)), balances(1, els(70, 100)), balances(2, els(100, 102))}},
		{"an account is missing", "bank.wrong_total=1 bank.error.max=100 bank.overdrawn=0", []history.Op{balances(0, els(100))}},
		{"an empty account", "bank.wrong_total=0 bank.overdrawn=0", []history.Op{balances(0, els(200, 0))}},
		{"the first account is overdrawn", "bank.wrong_total=0 bank.overdrawn=1", []history.Op{balances(0, els(-1, 201))}},
		{"reads that were not answered", "bank.wrong_total=0 bank.overdrawn=0 bank.reads=0", []history.Op{
			balances(0, els(-5, 7), failed), balances(1, els(-5, 7), unknown)}},
		{"transfers that were not acknowledged", "bank.transfers=1 bank.wrong_total=0 bank.reads=1", []history.Op{
			call(history.Transfer, 5, 0, 1), call(history.Transfer, 5, 2, 3, unknown), call(history.Transfer, 5, 4, 5, compared), balances(6, els(95, 105))}},
		{"warm-up and final reads count", "bank.reads=2 bank.wrong_total=2", []history.Op{balances(0, els(100, 99), warm), balances(9, els(100, 99), final)}},
	} {
		log := logOf(bankType, tc.ops...)
		log.Meta.Workloads[0].Keys = 2
		values, found := check(t, log)
		if expect(t, values, tc.want); t.Failed() {
			t.Fatal(tc.name, found)
		}
	}
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
		{"an append under way at a final read", []history.Op{lastRead(t, 0, 100, 101, "[1]"), lastRead(t, 1, 110, 120, "[1]")}, "0", "?"},
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

// TestUndecidedTransactions: what cannot be known is no level.
func TestUndecidedTransactions(t *testing.T) {
	good := "0-10 p0 ok a1.1\n20-30 p0 ok r1[1]\n40-50 p1 unknown a1.2"
	values := must(check(t, logOf(appendType, txnsOf(t, good)...)))
	expect(t, values, "append.strict_serializable=1 append.txns=2 append.unknown=1 append.anomalies=0")
	expect(t, must(check(t, torn(logOf(appendType, txnsOf(t, good)...)))), "append.read_uncommitted=? append.strict_serializable=? append.anomalies=?")
	expect(t, must(check(t, torn(logOf(appendType, txnsOf(t, "0-10 p0 ok r1[7]")...)))), "append.anomalies=?") // its append may be missing
	expect(t, must(check(t, logOf(appendType, txnsOf(t, "0-10 p0 unknown a1.1\n20-30 p1 fail r1?")...))), "append.read_uncommitted=?")

	aborted := torn(logOf(appendType, txnsOf(t, "0-10 p0 fail a1.1\n20-30 p0 ok r1[1]")...))
	expect(t, must(check(t, aborted)), "append.read_uncommitted=? append.read_committed=0 append.strict_serializable=0") // whatever is missing

	malformed := txnsOf(t, good)
	malformed[1].Elements = malformed[1].Elements[:1]
	expect(t, must(check(t, logOf(appendType, malformed...))), "append.read_uncommitted=? append.strict_serializable=?")

	twice := txnsOf(t, "0-10 p0 fail a1.1\n0-10 p1 ok a1.1\n20-30 p0 ok r1[1]")
	expect(t, must(check(t, logOf(appendType, twice...))), "append.strict_serializable=? append.anomalies=0") // whose it is, is not known

	var tally appendTally
	tally.acked = 1
	for _, v := range tally.levels(&history.Log{}, map[Class]bool{GSingle: true}) {
		known := v.Name != "append.snapshot_isolation" && !strings.HasSuffix(v.Name, "serializable")
		if v.Known != known || !known && v.Why == "" {
			t.Errorf("the search for G-single ended at its limit: %+v", v)
		}
	}
}

// TestIsolationIsUnknown: a level that is not ruled out may be reached, and
// why that is unknown is told.
func TestIsolationIsUnknown(t *testing.T) {
	tally := appendTally{acked: 7, classes: map[Class]int{G2: 2}}
	levels := []Value{{N: 1, Known: true}, {N: 1, Known: true}, {Why: "the search ended"}, {Known: true}, {Known: true}, {Known: true}}
	got := tally.isolation(levels)
	if got.Level != "snapshot isolation" || got.Why != "the search ended" || got.Not != "serializable" || got.Txns != 7 ||
		!slices.Equal(got.Anomalies, []ClassCount{{G2, 2, "serializable"}}) {
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
			r := checkAppend(context.Background(), logOf(appendType, txnsOf(t, strings.Join(lines, "\n"))...), DefaultLimits)
			if got := classes(r.Findings); got != "G-single" {
				t.Errorf("the transaction at place %d was read: found %q", place, got)
			}
		}
	}
}

// TestCyclesInWords: a finding names the elements that were read, or were not.
func TestCyclesInWords(t *testing.T) {
	r := checkAppend(context.Background(), logOf(appendType, txnsOf(t, `
		0-90 p0 ok a1.1 a1.2
		0-90 p1 ok r1[1]`)...), DefaultLimits)
	var text string
	for _, f := range r.Findings {
		if f.Class == GSingle {
			text = f.Text
		}
	}
	const want = "a cycle of 2 transactions: T1 (process 1, 0.000 s to 0.090 s) read list 1 without 2, which T0 (process 0, 0.000 s to 0.090 s) appended; " +
		"T1 (process 1, 0.000 s to 0.090 s) read 1 of list 1, which T0 (process 0, 0.000 s to 0.090 s) appended: a contradiction"
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// TestAvailabilityOfTransactions: every load is measured, whatever its type.
func TestAvailabilityOfTransactions(t *testing.T) {
	for typ, kind := range map[string]history.Kind{appendType: history.Txn, counterType: history.Increment, bankType: history.Transfer} {
		log := logOf(typ, call(kind, 1, 110, 120), call(kind, 1, 350, 360, unknown), call(kind, 1, 500, 510))
		log = faulted(log, phase("measure", 100), primary("n1", 1, 5), killed("f1", "n1", 200), healed("f1", 250),
			killed("f2", "n1", 300), healed("f2", 400), phase("end", 600))
		values, _ := check(t, log)
		expect(t, values, "ops.ok=2 ops.rate=4 availability.write_gap.max=3.9e+08 failover.count=2 failover.max=3.1e+08 "+
			"errors.rate.f2=1 errors.rate.f1.after=? errors.rate.f2.after=0") // what met a fault stands around none
	}
	log := logOf(registerType, write(1, 0, 100), call(history.Mark, 1, 0, 50), call(history.Poll, 1, 60, 70, failed))
	log.Meta.Workloads = append(log.Meta.Workloads, history.WorkloadMeta{Name: lagType, Type: lagType, Keys: 1, Workers: 4})
	for i := range log.Ops {
		if !log.Ops[i].Kind.Load() {
			log.Ops[i].Workload = 1
		}
	}
	expect(t, must(check(t, log)), "ops.ok=1 errors.rate=0 availability.write_gap.max=1e+08") // lag is no load

	values, _ := check(t, logOf(idsType, call(history.Generate, 1, 0, 100)))
	expect(t, values, "ops.ok=1 availability.write_gap.max=?") // a number is no write
}

// TestShortestCycle: of several cycles of a class the shortest is told.
func TestShortestCycle(t *testing.T) {
	const four = "0-90 p0 ok a1.1 r4[1]\n0-90 p1 ok r1[1] a2.1\n0-90 p2 ok r2[1] a3.1\n0-90 p3 ok r3[1] a4.1\n"
	const three = "0-90 p4 ok a5.1 r7[1]\n0-90 p5 ok r5[1] a6.1\n0-90 p6 ok r6[1] a7.1"
	log := logOf(appendType, txnsOf(t, four+three)...)
	r := checkAppend(context.Background(), log, DefaultLimits)
	if len(r.Findings) != 1 || r.Findings[0].Class != G1c || len(r.Findings[0].Evidence) != 3 {
		t.Error(r.Findings)
	}
	if _, undecided := newLists(log, 0).graph().cycles(1); !undecided[G1c] || undecided[G0] {
		t.Errorf("a search of one edge leaves undecided: %v", undecided)
	}
	if _, undecided := newLists(log, 0).graph().cycles(1000); len(undecided) > 0 {
		t.Errorf("a search of a thousand edges leaves undecided: %v", undecided)
	}
}
