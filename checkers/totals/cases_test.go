package totals

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestCounterCases(t *testing.T) {
	log := logOf(counterType, call(history.Increment, 1, 0, 10), read(0, 10, 20, by(1)), call(history.Increment, 1, 40, 50), read(2, 30, 40, by(1)))
	values, _ := check(t, log)
	expect(t, values, "counter.out_of_bounds=0 counter.reads=2") // ties are concurrent
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
		{"a decrement of unknown outcome may count", "counter.lost=0..2 counter.unknown=1 counter.increments=1 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1), increment(-2, 2, 3, unknown), read(3, 100, 101, final)}},
		{"a decrement that failed does not", "counter.lost=2", []history.Op{
			increment(5, 0, 1), increment(-2, 2, 3, failed), read(3, 100, 101, final)}},
		{"an increment of unknown outcome may be what is left", "counter.lost=0..3 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1), increment(3, 2, 3, unknown), read(5, 100, 101, final)}},
		{"an increment of unknown outcome cannot be all that is left", "counter.lost=2..5 counter.out_of_bounds=1", []history.Op{
			increment(5, 0, 1), increment(3, 2, 3, unknown), read(3, 100, 101, final)}},
		{"all increments are there, those of unknown outcome too", "counter.lost=0", []history.Op{
			increment(5, 0, 1), increment(3, 2, 3, unknown), read(8, 100, 101, final)}},
		{"a node that did not answer may have it", "counter.lost=0..2", []history.Op{
			increment(5, 0, 1), read(3, 100, 101, final, node(0)), read(0, 100, 101, final, node(1), unknown)}},
		{"a node that did not answer cannot have less than all", "counter.lost=0", []history.Op{
			increment(5, 0, 1), read(5, 100, 101, final, node(0)), read(0, 100, 101, final, node(1), unknown)}},
		{"an increment of unknown outcome may count late", "counter.lost=0 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1, unknown), read(history.Nil, 50, 60), read(5, 100, 101, final)}},
		{"an increment under way at the final read is not lost", "counter.lost=0..1 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1), increment(1, 90, 105), read(5, 100, 110, final)}},
		{"a decrement under way at the final read may count", "counter.lost=0..1 counter.out_of_bounds=0", []history.Op{
			increment(5, 0, 1), increment(-1, 105, 120), read(4, 100, 110, final)}},
		{"a decrement after the final read cannot", "counter.lost=1 counter.out_of_bounds=1", []history.Op{
			increment(5, 0, 1), increment(-1, 115, 120), read(4, 100, 110, final)}},
		{"the last answer of a node counts", "counter.lost=0", []history.Op{
			increment(5, 0, 1), read(1, 100, 101, final), read(5, 200, 201, final)}},
		{"nothing is more than something lost", "counter.lost=5", []history.Op{increment(5, 0, 1), read(history.Nil, 100, 101, final)}},
		{"the warm-up counts", "counter.increments=2 counter.out_of_bounds=0", []history.Op{
			increment(2, 0, 1, warm), increment(1, 2, 3), read(3, 100, 101)}},
		{"a read that failed tells nothing", "counter.reads=0 counter.out_of_bounds=? counter.error.max=? counter.lost=?", []history.Op{
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
	expect(t, must(check(t, logOf(idsType, id(2, 0, unknown)))), "ids.duplicated=? ids.generated=0")
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
		{"reads that were not answered", "bank.wrong_total=? bank.overdrawn=? bank.error.max=? bank.reads=0", []history.Op{
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
