package queue

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestKnownOrders(t *testing.T) {
	first, second, empty := enqueue(1, 0, 10), enqueue(2, 20, 30), drain(1000, 1010, nil)
	tests := []struct {
		name string
		ops  []history.Op
		want string // 1, 0 or ?
		text string // of the finding, or of why it is unknown
	}{
		{"in order", []history.Op{first, second, dequeue(1, 40, 60), dequeue(2, 70, 80), dequeue(nothing, 90, 100), empty}, "1", ""},
		{"drained in order", []history.Op{first, second, drain(1000, 1010, els(1, 2))}, "1", ""},
		{"not drained", []history.Op{first, second, dequeue(1, 40, 60)}, "1", ""},
		{"at the same time", []history.Op{first, second, dequeue(2, 40, 60), dequeue(1, 50, 70, by(1)), empty}, "1", ""},
		{"an enqueueing of unknown outcome", []history.Op{enqueue(1, 0, 10, unknown), second, dequeue(2, 40, 50), dequeue(1, 60, 70), empty}, "1", ""},
		{"refused, and enqueued again", []history.Op{enqueue(1, 0, 10, failed), enqueue(1, 20, 30), dequeue(1, 40, 50), empty}, "1", ""},
		{"enqueued, and refused later", []history.Op{first, enqueue(1, 20, 30, failed), dequeue(1, 40, 50)}, "1", ""},
		{"drained in two pieces", []history.Op{first, second, drain(900, 910, els(1), failed), drain(1000, 1010, els(2))}, "1", ""},
		{"enqueued as the other was confirmed", []history.Op{first, enqueue(2, 10, 20, by(1)), drain(1000, 1010, els(2, 1))}, "1", ""},
		{"empty", []history.Op{dequeue(nothing, 0, 10), first, dequeue(nothing, 5, 15, by(1)), dequeue(1, 12, 20, by(2)), empty}, "1", ""},

		{"nobody enqueued it", []history.Op{first, dequeue(7, 20, 30)}, "0", "n1 delivered message 7 at 0.030s, and nobody enqueued it"},
		{"nobody enqueued what was drained", []history.Op{first, drain(1000, 1010, els(1, 7))}, "0", "delivered message 7 at 1.010s, and nobody"},
		{"refused", []history.Op{enqueue(1, 0, 10, failed), dequeue(1, 20, 30, node(1))}, "0",
			"n2 delivered message 1 at 0.030s, though its enqueueing was reported failed (no-quorum) by n1 at 0.010s"},
		{"twice", []history.Op{first, dequeue(1, 20, 30), dequeue(1, 40, 50, node(2))}, "0", "message 1 was delivered by n1 at 0.030s and again by n3 at 0.050s"},
		{"twice in a drain", []history.Op{first, drain(1000, 1010, els(1, 1))}, "0", "and again by n1 at 1.010s"},
		{"too early", []history.Op{dequeue(1, 0, 5), enqueue(1, 10, 20)}, "0", "message 1 was delivered by n1 at 0.005s, 5ms before its enqueueing began"},
		{"overtaken", []history.Op{first, second, dequeue(2, 40, 50), dequeue(1, 60, 70)}, "0",
			"message 2 overtook message 1, which had been confirmed 10ms before its enqueueing began: it was delivered by n1 at 0.050s, 10ms before the delivery of 1 began"},
		{"overtaken in a drain", []history.Op{first, second, drain(1000, 1010, els(2, 1))}, "0", "it came first in the drain by n1 at 1.010s"},
		{"overtaken in a drain by one before the last", []history.Op{first, enqueue(2, 5, 25, by(1)), enqueue(3, 20, 30), drain(1000, 1010, els(3, 2, 1))}, "0", "message 3 overtook message 1"},
		{"overtaken in a drain by one after the first", []history.Op{first, second, enqueue(3, 40, 50), drain(1000, 1010, els(1, 3, 2))}, "0", "message 3 overtook message 2"},
		{"overtaken by the only one delivered", []history.Op{first, second, dequeue(2, 40, 50)}, "0", "it was delivered by n1 at 0.050s, and 1 never was"},
		{"two overtaken, one perhaps taken", []history.Op{first, enqueue(3, 0, 10, by(1)), second, dequeue(nothing, 32, 35, unknown), dequeue(2, 40, 50)}, "0",
			"never was (1 dequeue of unknown outcome cannot have taken"},
		{"two overtaken, one received", []history.Op{first, enqueue(3, 0, 10, by(1)), second, dequeue(1, 32, 35, unknown), dequeue(2, 40, 50)}, "0", "message 2 overtook message 3"},
		{"overtaken, and another was received twice", []history.Op{first, enqueue(3, 0, 10, by(1)), second, dequeue(1, 32, 35, unknown), dequeue(1, 36, 39, by(1)), dequeue(2, 40, 50)}, "0",
			"message 2 overtook message 3"},
		{"put back behind another", []history.Op{first, second, dequeue(1, 35, 38, unknown), dequeue(2, 40, 50), dequeue(1, 60, 70), empty}, "0", "message 2 overtook message 1"},
		{"found empty, then delivered", []history.Op{first, dequeue(nothing, 20, 30), dequeue(1, 40, 50)}, "0",
			"n1 found it empty at 0.030s, though message 1 had been confirmed by n1 at 0.010s, 10ms before, and was delivered only after 0.040s by n1"},
		{"found empty after a dequeue that failed", []history.Op{first, dequeue(nothing, 20, 30, failed), empty}, "0", "found it empty at 1.010s"},
		{"found empty, never delivered", []history.Op{first, empty}, "0", "n1 found it empty at 1.010s, though message 1 had been confirmed by n1 at 0.010s, 990ms before, and was never delivered"},
		{"never empty, by two messages", []history.Op{first, dequeue(nothing, 20, 60), enqueue(2, 22, 30, by(1)), dequeue(1, 40, 45, by(2)), dequeue(2, 70, 80)}, "0",
			"though at every instant of this dequeue at least one of 2 messages was in it; of these message 1 had been confirmed"},

		{"perhaps taken", []history.Op{first, dequeue(nothing, 20, 30, unknown), empty}, "?", "no contradiction was found, but 1 dequeue of unknown outcome"},
		{"perhaps taken by a drain that began in time", []history.Op{first, second, drain(35, 60, nil, unknown), dequeue(2, 40, 50, by(1))}, "?", "1 dequeue of unknown outcome"},
		{"perhaps both taken in time", []history.Op{enqueue(1, 0, 100), enqueue(2, 5, 10, by(1)), enqueue(3, 20, 30, by(2)), dequeue(nothing, 32, 35, unknown, by(3)), dequeue(3, 40, 50, by(4)),
			enqueue(4, 110, 120), dequeue(nothing, 130, 135, unknown, by(5)), dequeue(4, 190, 200, by(4))}, "?", "2 dequeues of unknown outcome"},
		{"received, perhaps not acknowledged", []history.Op{first, dequeue(1, 20, 30, unknown), empty}, "?", "1 dequeue of unknown outcome"},
		{"received and put back", []history.Op{first, dequeue(1, 20, 30, unknown), dequeue(1, 40, 50), empty}, "?", "1 dequeue of unknown outcome"},
		{"received as the overtaking one came", []history.Op{first, second, dequeue(2, 40, 50), dequeue(1, 50, 60, unknown, by(1))}, "?", "1 dequeue of unknown outcome"},
		{"received as its enqueueing began", []history.Op{dequeue(1, 0, 10, unknown), enqueue(1, 10, 20, by(1))}, "?", "1 dequeue of unknown outcome"},
		{"received as it was taken", []history.Op{first, dequeue(1, 20, 30), dequeue(1, 30, 40, unknown, by(1))}, "?", "1 dequeue of unknown outcome"},
		{"received, and refused later", []history.Op{first, enqueue(1, 12, 15, failed), dequeue(1, 20, 30, unknown)}, "?", "1 dequeue of unknown outcome"},
		{"a drain's last message in doubt", []history.Op{first, drain(900, 910, nil, held(1)), empty}, "?", "1 dequeue of unknown outcome"},
		{"enqueued twice", []history.Op{first, enqueue(1, 20, 30), dequeue(1, 40, 50), dequeue(1, 60, 70)}, "?", "message 1 was enqueued twice"},
		{"nothing acknowledged", []history.Op{enqueue(1, 0, 10, failed)}, "?", "no operation was acknowledged"},
		{"received, and nobody enqueued it", []history.Op{first, dequeue(7, 20, 30, unknown)}, "0", "delivered message 7 at 0.030s, and nobody enqueued it"},
		{"a drain's last message in doubt, and nobody enqueued it", []history.Op{first, drain(900, 910, els(1), held(7))}, "0", "delivered message 7 at 0.910s, and nobody enqueued it"},
		{"received, though refused", []history.Op{enqueue(1, 0, 10, failed), dequeue(1, 20, 30, unknown)}, "0", "though its enqueueing was reported failed"},
		{"received too early", []history.Op{dequeue(1, 0, 5, unknown), enqueue(1, 10, 20)}, "0", "5ms before its enqueueing began"},
		{"received after it was taken", []history.Op{first, dequeue(1, 20, 30), dequeue(1, 40, 50, unknown, by(1))}, "0", "delivered by n1 at 0.030s and again by n1 at 0.050s"},
		{"received while it was taken", []history.Op{first, dequeue(1, 20, 45), dequeue(1, 40, 50, unknown, by(1))}, "?", "1 dequeue of unknown outcome"},
		{"each queue has its own order", []history.Op{first, second, enqueue(3, 40, 50, key(2)), dequeue(3, 60, 70, key(2)), dequeue(1, 80, 90), dequeue(2, 100, 110)}, "1", ""},
		{"one of two queues", []history.Op{first, dequeue(1, 20, 30), enqueue(3, 40, 50, key(2)), dequeue(nothing, 60, 70, key(2))}, "0", "queue 2 is not"},
		{"one in doubt, one wrong", []history.Op{first, dequeue(nothing, 20, 30, unknown), enqueue(3, 40, 50, key(2)), dequeue(nothing, 60, 70, key(2))}, "0", "queue 2 is not"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expectOrder(t, logOf(queueType, test.ops...), test.want, test.text)
		})
	}
}

// expectOrder checks the fact, and that there is a finding exactly if it is
// false, with the operations that show it.
func expectOrder(t *testing.T, log *history.Log, want, text string) {
	t.Helper()
	values, findings := check(t, log)
	expect(t, values, "queue.fifo="+want)
	told := values["queue.fifo"].Why
	findings = slices.DeleteFunc(findings, func(f checkers.Finding) bool { return f.Class != checkers.NotFIFO })
	if (len(findings) > 0) != (want == "0") {
		t.Errorf("findings %v", findings)
	}
	for _, f := range findings {
		told = f.Text
		proveOrder(t, log, f)
	}
	if !strings.Contains(told, text) {
		t.Errorf("told %q, want %q in it", told, text)
	}
}

// proveOrder repeats a finding's claim on its evidence alone.
func proveOrder(t testing.TB, log *history.Log, f checkers.Finding) {
	t.Helper()
	sub := &history.Log{Meta: log.Meta, Ops: f.Evidence, Torn: log.Torn}
	g := kit.Groups(sub, history.ObjectQueue)[0]
	if o := decideOrder(kit.NewWords(sub), &g); o.truth != checkers.False || f.At > o.at {
		t.Errorf("the evidence of %q does not show it: %v", f.Text, f.Evidence)
	}
}

// TestTornOrders: a violation by what may be missing is not one.
func TestTornOrders(t *testing.T) {
	first, second := enqueue(1, 0, 10), enqueue(2, 20, 30)
	for name, tc := range map[string]struct {
		ops        []history.Op
		want, text string
	}{
		"sound":                       {[]history.Op{first, dequeue(1, 20, 30)}, "?", kit.TornWhy},
		"enqueueing missing":          {[]history.Op{dequeue(7, 20, 30), drain(1000, 1010, els(8))}, "?", kit.TornWhy},
		"received, missing":           {[]history.Op{dequeue(7, 20, 30, unknown)}, "?", kit.TornWhy},
		"delivery missing":            {[]history.Op{first, second, dequeue(2, 40, 50), drain(1000, 1010, nil)}, "?", kit.TornWhy},
		"refused":                     {[]history.Op{enqueue(1, 0, 10, failed), dequeue(1, 20, 30)}, "0", "reported failed"},
		"refused and drained":         {[]history.Op{enqueue(1, 0, 10, failed), drain(20, 30, els(7, 1))}, "0", "delivered message 1 at"},
		"received, refused":           {[]history.Op{enqueue(1, 0, 10, failed), dequeue(1, 20, 30, unknown)}, "0", "reported failed"},
		"overtaken by what was held":  {[]history.Op{first, second, drain(1000, 1010, els(2, 1), held(7))}, "0", "came first in the drain"},
		"twice":                       {[]history.Op{first, dequeue(1, 20, 30), dequeue(1, 40, 50)}, "0", "and again"},
		"overtaken":                   {[]history.Op{enqueue(3, 0, 5, by(1)), first, second, dequeue(2, 40, 50), dequeue(1, 60, 70)}, "0", "message 2 overtook message 1"},
		"overtaken among the missing": {[]history.Op{first, second, drain(1000, 1010, els(9, 2, 8, 1))}, "0", "came first in the drain"},
		"found empty":                 {[]history.Op{first, dequeue(nothing, 20, 30), dequeue(1, 40, 50)}, "0", "found it empty"},
	} {
		t.Run(name, func(t *testing.T) {
			expectOrder(t, torn(logOf(queueType, tc.ops...)), tc.want, tc.text)
		})
	}
}

// TestSoundQueueIsInOrder simulates a queue, and takes from its clients the
// acknowledgements of some dequeues, or from a torn log any operations: no
// flaw may be made up. Defects must show.
func TestSoundQueueIsInOrder(t *testing.T) {
	missed := map[string]int{}
	for seed := range uint64(60) {
		for _, defect := range []string{"", "drop", "peek", "last", "invent"} {
			ops := simulatedQueue(seed, 300, 6, defect)
			r := rand.New(rand.NewPCG(seed, 17))
			for i := range ops {
				if ops[i].Kind == history.Dequeue && ops[i].Value != history.Nil && r.IntN(40) == 0 {
					ops[i].Outcome = history.Unknown
				}
			}
			log := logOf(queueType, ops...)
			values, found := check(t, log)
			if v := values["queue.fifo"]; v.Known != (defect != "") {
				if defect == "" {
					t.Fatalf("seed %d: %v %v", seed, v, found)
				}
				missed[defect]++
			}
			log.Ops = slices.DeleteFunc(log.Ops, func(history.Op) bool { return r.IntN(10) == 0 })
			values, found = check(t, torn(log))
			switch v := values["queue.fifo"]; {
			case v.Known && (defect == "" || defect == "invent" || defect == "drop"):
				t.Fatalf("seed %d, torn, %s: %v", seed, defect, found)
			case !v.Known && defect != "" && defect != "invent" && defect != "drop":
				missed["torn "+defect]++
			}
		}
	}
	if len(missed) > 0 {
		t.Errorf("defects that did not show: %v", missed)
	}
}

// TestOrderAgreesWithTheCounts: no queue is in order that lost, repeated,
// invented or reordered a message, by the counts of the queue checker.
func TestOrderAgreesWithTheCounts(t *testing.T) {
	seen := map[string]int{}
	for seed := range 6000 {
		r := rand.New(rand.NewPCG(uint64(seed), 52))
		log := logOf(queueType, queueOps(r, 2+r.IntN(14), seed%3 == 2)...)
		if seed%2 == 0 {
			for i := range log.Ops {
				if op := &log.Ops[i]; op.Kind == history.Dequeue && op.Value != history.Nil && r.IntN(6) == 0 {
					op.Outcome = history.Unknown
				}
			}
		}
		values, findings := check(t, log)
		fifo := show(values, "queue.fifo")
		seen[fifo]++
		for _, f := range findings {
			if f.Class == checkers.NotFIFO {
				proveOrder(t, log, f)
			}
		}
		wrong := values["queue.lost"].N + values["queue.duplicated"].N + values["queue.unexpected"].N + values["queue.reordered"].N
		if fifo == "1" && wrong > 0 || fifo != "0" && values["queue.duplicated"].N+values["queue.unexpected"].N > 0 {
			t.Fatalf("seed %d: queue.fifo is %s: %v", seed, fifo, findings)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if seen["1"] < 500 || seen["0"] < 500 || seen["?"] < 500 {
		t.Error(seen)
	}
}

// BenchmarkScaleFIFO decides the order of a million messages in one queue;
// BenchmarkScaleFIFOHundred of as many in a hundred.
func BenchmarkScaleFIFO(b *testing.B) { scaleFIFO(b, 1) }

func BenchmarkScaleFIFOHundred(b *testing.B) { scaleFIFO(b, 100) }

func scaleFIFO(b *testing.B, queues int) {
	log := &history.Log{}
	for q := range queues {
		one := orderedQueue(1_000_000/queues, 20)
		for i := range one.Ops {
			one.Ops[i].Key = uint32(q)
		}
		log.Ops, log.Meta = append(log.Ops, one.Ops...), one.Meta
	}
	history.Sort(log.Ops)
	all := kit.Groups(log, history.ObjectQueue)
	w := kit.NewWords(log)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		orders := make([]order, len(all))
		kit.Parallel(context.Background(), 2, len(all), func(i int) { orders[i] = decideOrder(w, &all[i]) })
		if v := orderValue(orders, false); v.N != 1 {
			b.Fatal(v)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(log.Ops)), "ns/operation")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/message")
}
