package results

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// counts are the facts that count what was done: zero is what they measured.
var counts = []string{"ops.ok", "writes.undecided", "faults.count", "failover.count", "rto.cycles", "writes.acked", "writes.unknown", "writes.failed", "reads.ok", "linearizable.keys_checked",
	"linearizable.keys_undecided", "set.acked", "queue.enqueued", "queue.dequeued", "queue.drained", "lag.markers", "append.txns", "append.unknown",
	"counter.increments", "counter.unknown", "counter.reads", "ids.generated", "bank.transfers", "bank.reads"}

// logOfKinds is a log of a workload in which some kinds of operations were
// acknowledged, without anything wrong.
func logOfKinds(object history.Object, kinds ...history.Kind) *history.Log {
	log := &history.Log{Meta: history.Meta{Run: "r", Nodes: []string{"n1", "n2"},
		Workloads: []history.WorkloadMeta{{Name: "w", Type: string(object), Object: object, Keys: 4, Workers: 1}}}}
	at := int64(0)
	for i, k := range kinds {
		for n := range 3 {
			at += 100
			op := history.Op{Kind: k, Start: at, Intended: at, End: at + 50, Outcome: history.OK, Value: int64(10*i + n + 1), Key: uint32(10*i + n), Process: 1}
			switch k {
			case history.Read, history.Dequeue, history.Poll:
				op.Value = history.Nil
			case history.CAS:
				op.Old = history.Nil
			case history.Txn:
				op.Elements = history.AppendMicro(nil, history.Micro{Key: op.Key, Value: op.Value})
			case history.Balances:
				op.Key = 0
			}
			log.Ops = append(log.Ops, op)
		}
	}
	return log
}

// TestNothingHoldsOverNothing: whatever was not asked for is not absent. Without
// any operation nothing but a count is known, and without those of the kind that
// could have shown it no anomaly is known not to be there.
func TestNothingHoldsOverNothing(t *testing.T) {
	for _, tc := range []struct {
		object history.Object
		kinds  []history.Kind
		known  string // besides counts, among the facts of what is right
	}{
		{history.ObjectRegister, nil, ""},
		{history.ObjectRegister, []history.Kind{history.Write}, ""},
		{history.ObjectRegister, []history.Kind{history.Read}, "linearizable reads.future reads.n1.stale reads.order_flips reads.phantom reads.stale reads.version_lag.max reads.version_lag.p50 reads.version_lag.p99 sessions.monotonic_reads"},
		{history.ObjectSet, nil, ""},
		{history.ObjectSet, []history.Kind{history.Add}, ""},
		{history.ObjectSet, []history.Kind{history.ReadSet}, "set.duplicated set.flapping set.n1.flapping set.n1.stale set.phantom set.resurrected set.stale"},
		{history.ObjectQueue, nil, ""},
		{history.ObjectQueue, []history.Kind{history.Enqueue}, ""},
		{history.ObjectQueue, []history.Kind{history.Dequeue, history.Drain}, ""},
		{history.ObjectMarker, nil, ""},
		{history.ObjectMarker, []history.Kind{history.Poll}, ""},
		{history.ObjectList, nil, ""},
		{history.ObjectList, []history.Kind{history.Txn}, ""},
		{history.ObjectCounter, nil, ""},
		{history.ObjectCounter, []history.Kind{history.Increment}, ""},
		{history.ObjectIDs, nil, ""},
		{history.ObjectAccounts, nil, ""},
		{history.ObjectAccounts, []history.Kind{history.Transfer}, ""},
	} {
		log := logOfKinds(tc.object, tc.kinds...)
		m := Measure(context.Background(), log, checkers.DefaultLimits, 0)
		var known []string
		for _, v := range m.Values {
			fact, _ := claims.LookupFact(v.Name)
			if v.Known && (fact.Unit == checkers.Number || fact.Unit == checkers.Boolean) && v.N == truthOf(fact) && !slices.Contains(counts, v.Name) {
				known = append(known, v.Name)
			}
		}
		if got := strings.Join(known, " "); got != tc.known {
			t.Errorf("%s with %v: known are %q, want %q", tc.object, tc.kinds, got, tc.known)
		}
	}
}

// truthOf is the value of a fact in a run in which nothing is wrong.
func truthOf(f checkers.Fact) float64 {
	if f.Unit == checkers.Boolean {
		return 1
	}
	return 0
}

// TestWhatWasAskedIsKnown: with the operations that show it, all is known.
func TestWhatWasAskedIsKnown(t *testing.T) {
	log := logOfKinds(history.ObjectRegister, history.Write, history.Read)
	for i := range log.Ops[3:] {
		log.Ops[3+i].Key = 0
		log.Ops[3+i].Value = 1
	}
	values := Measure(context.Background(), log, checkers.DefaultLimits, 0).ByName()
	for _, name := range []string{"linearizable", "reads.stale", "reads.phantom", "sessions.read_your_writes", "sessions.monotonic_writes", "writes.resurrected", "reads.n1.stale"} {
		if !values[name].Known {
			t.Errorf("%s is unknown: %s", name, values[name].Why)
		}
	}
	for name, why := range map[string]string{"reads.n2.stale": "no read was answered by n2", "writes.lost_updates": "no compare-and-set was acknowledged"} {
		if values[name].Known || !strings.Contains(values[name].Why, why) {
			t.Errorf("%s: %+v", name, values[name])
		}
	}
}
