package queue

import (
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

const queueClean = "queue.lost=0 queue.undelivered=0 queue.duplicated=0 queue.redelivered=0 queue.unexpected=0 queue.reordered=0 queue.reordered_by_producer=0 "

func TestKnownQueues(t *testing.T) {
	first, second, both := enqueue(1, 0, 10), enqueue(2, 20, 30), drain(1000, 1010, els(1, 2))
	empty := drain(1000, 1010, nil)
	tests := []struct {
		name    string
		ops     []history.Op
		want    string
		classes string
	}{
		{"clean", []history.Op{first, second, dequeue(1, 40, 60), dequeue(2, 50, 80, by(1)), dequeue(nothing, 90, 100), empty},
			queueClean + "queue.enqueued=2 queue.dequeued=2 queue.drained=0 queue.residence.p50=5e+07 queue.residence.p99=5e+07 queue.residence.max=5e+07", ""},
		{"drained", []history.Op{first, second, both}, queueClean + "queue.enqueued=2 queue.dequeued=0 queue.drained=2 queue.residence.p50=?", ""},
		{"received before it was confirmed", []history.Op{enqueue(1, 0, 50), dequeue(1, 10, 20, by(1)), empty}, queueClean + "queue.residence.max=0", ""},
		{"enqueued in the warm-up", []history.Op{enqueue(1, 0, 10, warm), dequeue(1, 40, 60), empty}, queueClean + "queue.residence.p50=? queue.enqueued=1", ""},
		{"unknown, delivered", []history.Op{enqueue(1, 0, 10, unknown), dequeue(1, 20, 30), empty}, queueClean + "queue.enqueued=0 queue.residence.p50=?", ""},
		{"enqueued twice, delivered", []history.Op{first, enqueue(1, 20, 30), dequeue(1, 40, 60), empty}, "queue.lost=0..1 queue.undelivered=0..1 queue.enqueued=2 queue.residence.p50=? queue.duplicated=0", ""},
		{"enqueued twice, delivered twice", []history.Op{first, enqueue(1, 20, 30), dequeue(1, 40, 60), drain(1000, 1010, els(1))}, queueClean, ""},
		{"enqueued twice, delivered thrice", []history.Op{first, enqueue(1, 20, 30), dequeue(1, 40, 60), drain(1000, 1010, els(1, 1))}, "queue.lost=0 queue.duplicated=1", "duplicated-message"},
		{"enqueued twice, lost", []history.Op{enqueue(1, 0, 10, unknown), enqueue(1, 20, 30), empty}, "queue.lost=1 queue.undelivered=1", "lost-message"},
		{"enqueued again after an unknown outcome, delivered", []history.Op{enqueue(1, 0, 10, unknown), enqueue(1, 20, 30), dequeue(1, 40, 60), empty}, "queue.lost=0..1 queue.duplicated=0", ""},
		{"enqueued twice, delivered and put back", []history.Op{first, enqueue(1, 20, 30, failed), dequeue(1, 40, 60, unknown), drain(1000, 1010, els(1))}, "queue.lost=0 queue.redelivered=1", ""},
		{"unknown, never delivered", []history.Op{enqueue(1, 0, 10, unknown), empty}, queueClean, ""},
		{"failed, never delivered", []history.Op{enqueue(1, 0, 10, failed), empty}, queueClean, ""},
		{"every message came, so no drain is needed", []history.Op{first, dequeue(1, 20, 30)}, queueClean, ""},

		{"lost", []history.Op{first, second, drain(1000, 1010, els(2))}, "queue.lost=1 queue.undelivered=1", "lost-message"},
		{"all lost", []history.Op{first, second, empty}, "queue.lost=2 queue.undelivered=2 queue.drained=0", "lost-message"},
		{"received and not acknowledged is not lost", []history.Op{first, dequeue(1, 20, 30, unknown), empty}, queueClean + "queue.dequeued=0", ""},
		{"lost or taken by a dequeue whose answer was lost", []history.Op{first, second, dequeue(nothing, 40, 50, unknown), drain(1000, 1010, els(2))},
			"queue.lost=0..1 queue.undelivered=1 queue.excused=1", ""},
		{"a dequeue takes one at most", []history.Op{first, second, enqueue(3, 40, 50), dequeue(nothing, 60, 70, unknown), empty},
			"queue.lost=2..3 queue.undelivered=3 queue.excused=1", "lost-message"},
		{"a dequeue that failed takes none", []history.Op{first, dequeue(nothing, 40, 50, failed), empty}, "queue.lost=1", "lost-message"},
		{"a drain of unknown outcome takes one at most", []history.Op{first, second, drain(900, 950, nil, unknown), empty}, "queue.lost=1..2 queue.undelivered=2", "lost-message"},
		{"a drain of another tool that broke off may have taken all", []history.Op{first, second, drain(900, 950, nil, unknown, func(op *history.Op) { op.Flags = 0 }), empty},
			"queue.lost=0..2 queue.undelivered=2 queue.excused=2", ""},
		{"the only drain broke off", []history.Op{first, drain(1000, 1010, nil, unknown)}, "queue.lost=? queue.undelivered=? queue.excused=?", ""},
		{"nothing was confirmed, and the drain broke off", []history.Op{enqueue(1, 0, 10, unknown), drain(1000, 1010, nil, unknown)}, "queue.lost=0 queue.duplicated=?", ""},
		{"a drain that failed takes none", []history.Op{first, second, drain(900, 950, els(1), failed), empty}, "queue.lost=1 queue.drained=1", "lost-message"},
		{"a drain in pieces", []history.Op{first, second, drain(900, 950, els(1), failed), drain(1000, 1010, els(2))}, queueClean + "queue.drained=2", ""},
		{"what a failing drain received counts", []history.Op{first, drain(900, 950, nil, held(1)), empty}, queueClean + "queue.drained=0", ""},
		{"no drain", []history.Op{first}, "queue.lost=? queue.undelivered=? queue.duplicated=? queue.redelivered=? queue.unexpected=? queue.reordered=?", ""},
		{"no drain, but an answer", []history.Op{first, dequeue(nothing, 20, 30)}, "queue.lost=? queue.duplicated=0 queue.unexpected=0 queue.reordered=0", ""},
		{"no drain, but a dequeue may have taken it", []history.Op{first, dequeue(nothing, 20, 30, unknown)}, "queue.lost=? queue.undelivered=? queue.excused=?", ""},
		{"the drain did not end", []history.Op{first, second, drain(1000, 1010, els(1), failed)}, "queue.lost=? queue.undelivered=?", ""},
		{"one node's drain did not end", []history.Op{first, empty, drain(1020, 1030, nil, node(1), failed)}, "queue.lost=?", ""},
		{"drained through the second node", []history.Op{first, empty, drain(1020, 1030, els(1), node(1))}, queueClean, ""},
		{"confirmed after the drain began", []history.Op{enqueue(1, 990, 1005), empty}, "queue.lost=? queue.undelivered=?", ""},
		{"confirmed as the drain began", []history.Op{enqueue(1, 990, 1000), empty}, "queue.lost=? queue.undelivered=?", ""},
		{"confirmed between two nodes' drains", []history.Op{enqueue(1, 1012, 1015), empty, drain(1020, 1030, nil, node(1))}, "queue.lost=? queue.undelivered=?", ""},
		{"another queue was not drained", []history.Op{first, empty, enqueue(2, 0, 10, key(3))}, "queue.lost=1 queue.undelivered=1", "lost-message"},
		{"another queue was not drained, nothing lost", []history.Op{first, drain(1000, 1010, els(1)), enqueue(2, 0, 10, key(3))}, "queue.lost=?", ""},
		{"a dequeue of another queue took nothing here", []history.Op{first, dequeue(nothing, 20, 30, unknown, key(3)), empty}, "queue.lost=1", "lost-message"},

		{"delivered twice", []history.Op{first, dequeue(1, 20, 30), dequeue(1, 40, 50, by(1)), empty}, "queue.duplicated=1 queue.redelivered=0", "duplicated-message"},
		{"drained twice", []history.Op{first, drain(1000, 1010, els(1, 1))}, "queue.duplicated=1 queue.drained=2", "duplicated-message"},
		{"dequeued and drained", []history.Op{first, dequeue(1, 20, 30), drain(1000, 1010, els(1))}, "queue.duplicated=1", "duplicated-message"},
		{"delivered again after the acknowledgement", []history.Op{first, dequeue(1, 20, 30), dequeue(1, 40, 50, by(1), unknown), empty}, "queue.duplicated=1", "duplicated-message"},
		{"redelivered", []history.Op{first, dequeue(1, 20, 30, unknown), dequeue(1, 40, 50, by(1)), empty}, "queue.duplicated=0 queue.redelivered=1", ""},
		{"redelivered, and received at the same time", []history.Op{first, dequeue(1, 20, 45, unknown), dequeue(1, 40, 50, by(1)), empty}, "queue.duplicated=0 queue.redelivered=1", ""},
		{"redelivered as the acknowledged delivery ended", []history.Op{first, dequeue(1, 20, 30), dequeue(1, 30, 40, by(1), unknown), empty}, "queue.duplicated=0 queue.redelivered=1", ""},
		{"redelivered before the acknowledgement and after it", []history.Op{first, dequeue(1, 20, 50), dequeue(1, 30, 40, by(1), unknown), dequeue(1, 60, 70, by(2), unknown), empty},
			"queue.duplicated=1 queue.redelivered=0", "duplicated-message"},
		{"redelivered while it was received", []history.Op{first, dequeue(1, 20, 100, unknown), dequeue(1, 30, 40, by(1)), empty}, "queue.redelivered=1 queue.residence.max=3e+07", ""},
		{"redelivered while it was received, later", []history.Op{first, dequeue(1, 20, 40, unknown), dequeue(1, 30, 90, by(1)), empty}, "queue.redelivered=1 queue.residence.max=3e+07", ""},
		{"redelivered twice", []history.Op{first, dequeue(1, 20, 30, unknown), dequeue(1, 40, 50, by(1), unknown), empty}, "queue.duplicated=0 queue.redelivered=1", ""},
		{"redelivered, then delivered twice", []history.Op{first, dequeue(1, 20, 30, unknown), dequeue(1, 40, 50, by(1)), drain(1000, 1010, els(1))},
			"queue.duplicated=1 queue.redelivered=0", "duplicated-message"},

		{"nobody enqueued it", []history.Op{first, dequeue(1, 20, 30), dequeue(77, 40, 50), empty}, "queue.unexpected=1 queue.lost=0", "unexpected-message"},
		{"nobody enqueued what was drained", []history.Op{drain(1000, 1010, els(77))}, "queue.unexpected=1", "unexpected-message"},
		{"enqueueing failed", []history.Op{enqueue(1, 0, 10, failed), dequeue(1, 40, 50), empty}, "queue.unexpected=1", "unexpected-message"},
		{"delivered as its enqueueing began", []history.Op{dequeue(1, 0, 10), enqueue(1, 10, 20, by(1)), empty}, queueClean, ""},
		{"delivered before it was enqueued", []history.Op{dequeue(1, 0, 5), enqueue(1, 10, 20, by(1)), empty}, "queue.unexpected=1", "unexpected-message"},

		{"overtaken", []history.Op{first, second, dequeue(2, 40, 50), dequeue(1, 60, 70), empty}, "queue.reordered=1 queue.reordered_by_producer=1 queue.lost=0", "reordered-message"},
		{"overtaken by another producer's", []history.Op{first, enqueue(2, 20, 30, by(1)), dequeue(2, 40, 50), dequeue(1, 60, 70), empty}, "queue.reordered=1 queue.reordered_by_producer=0", "reordered-message"},
		{"two of one producer overtaken in the drain", []history.Op{first, second, enqueue(3, 40, 50), drain(1000, 1010, els(3, 1, 2))}, "queue.reordered=2 queue.reordered_by_producer=2", "reordered-message"},
		{"another producer's overtaken in the drain", []history.Op{first, enqueue(2, 20, 30, by(1)), enqueue(3, 40, 50), drain(1000, 1010, els(3, 2, 1))}, "queue.reordered=2 queue.reordered_by_producer=1", "reordered-message"},
		{"overtaken by the drained", []history.Op{first, second, dequeue(2, 40, 50), drain(1000, 1010, els(1))}, "queue.reordered=1", "reordered-message"},
		{"overtaken in the drain", []history.Op{first, second, drain(1000, 1010, els(2, 1))}, "queue.reordered=1", "reordered-message"},
		{"two overtaken in the drain by one", []history.Op{first, enqueue(2, 5, 15, by(1)), enqueue(3, 20, 30), drain(1000, 1010, els(3, 2, 1))}, "queue.reordered=2", "reordered-message"},
		{"two overtaken by one", []history.Op{first, second, enqueue(3, 40, 50), dequeue(3, 60, 70), drain(1000, 1010, els(1, 2))}, "queue.reordered=2", "reordered-message"},
		{"enqueued at the same time", []history.Op{first, enqueue(2, 5, 30, by(1)), dequeue(2, 40, 50), dequeue(1, 60, 70), empty}, queueClean, ""},
		{"dequeued at the same time", []history.Op{first, second, dequeue(2, 40, 50), dequeue(1, 45, 70, by(1)), empty}, queueClean, ""},
		{"dequeued as the other had come", []history.Op{first, second, dequeue(2, 40, 50), dequeue(1, 50, 70, by(1)), empty}, queueClean, ""},
		{"a refused message has no place", []history.Op{first, enqueue(2, 20, 30, failed), drain(1000, 1010, els(2, 1))}, "queue.reordered=0 queue.unexpected=1", "unexpected-message"},
		{"received before, and drained behind another", []history.Op{first, second, dequeue(1, 35, 38, unknown), drain(1000, 1010, els(2, 1))}, "queue.reordered=0 queue.redelivered=1", ""},
		{"not confirmed, so it may have come late", []history.Op{enqueue(1, 0, 10, unknown), second, dequeue(2, 40, 50), dequeue(1, 60, 70), empty}, queueClean, ""},
		{"overtaken by one of unknown outcome", []history.Op{first, enqueue(2, 20, 30, unknown), dequeue(2, 40, 50), dequeue(1, 60, 70), empty}, "queue.reordered=1", "reordered-message"},
		{"received before, but not acknowledged", []history.Op{first, second, dequeue(1, 35, 38, by(1), unknown), dequeue(2, 40, 50), dequeue(1, 60, 70), empty},
			"queue.reordered=0 queue.redelivered=1", ""},
		{"perhaps taken and put back", []history.Op{first, second, dequeue(nothing, 35, 38, by(1), unknown), dequeue(2, 40, 50), dequeue(1, 60, 70), empty},
			"queue.lost=0 queue.reordered=0..1 queue.reordered_by_producer=0..1", ""},
		{"other queues have their own order", []history.Op{first, enqueue(2, 20, 30, key(3)), dequeue(2, 40, 50, key(3)), dequeue(1, 60, 70), empty}, queueClean, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			values, findings := check(t, logOf(queueType, test.ops...))
			expect(t, values, test.want)
			findings = slices.DeleteFunc(findings, func(f checkers.Finding) bool { return f.Class == checkers.NotFIFO }) // TestKnownOrders tells of these
			if got := classes(findings); got != test.classes {
				t.Errorf("findings of classes %q, want %q", got, test.classes)
			}
			for _, f := range findings {
				t.Log(f.Class, f.Text)
			}
		})
	}
}

func TestQueuesPartlyJudged(t *testing.T) {
	values, _ := check(t, logOf(queueType, enqueue(1, 0, 10), drain(1000, 1010, nil), enqueue(2, 0, 10, key(3)), drain(1000, 1010, nil, key(3), failed)))
	if v := values["queue.lost"]; !v.Known || !v.AtLeast || v.N != 1 || !strings.Contains(v.Why, "1 queue with undelivered messages") {
		t.Errorf("got %+v", v)
	}
	values, _ = check(t, logOf(queueType, enqueue(1, 0, 10), drain(1000, 1010, nil, failed), enqueue(2, 0, 10, key(3)), drain(1000, 1010, nil, key(3))))
	if v := values["queue.undelivered"]; !v.AtLeast || v.N != 1 || !strings.Contains(v.Why, "1 queue with undelivered messages") {
		t.Errorf("the first queue was not drained to the end: got %+v", v)
	}
	values, _ = check(t, logOf(queueType, enqueue(1, 0, 10), drain(1000, 1010, nil, failed), enqueue(2, 0, 10, key(3))))
	if v := values["queue.lost"]; v.Known || !strings.Contains(v.Why, "2 queues with undelivered messages") {
		t.Errorf("only the first queue was tried: got %+v", v)
	}
	values, _ = check(t, logOf(queueType, enqueue(1, 0, 10)))
	if v := values["queue.lost"]; v.Known || !strings.Contains(v.Why, "no queue was drained") {
		t.Errorf("got %+v", v)
	}
}

func TestTornQueues(t *testing.T) {
	values, findings := check(t, torn(logOf(queueType, enqueue(1, 0, 10), dequeue(9, 20, 30), drain(1000, 1010, nil))))
	expect(t, values, "queue.lost=? queue.undelivered=? queue.duplicated=? queue.redelivered=? queue.unexpected=? queue.reordered=? queue.enqueued=1 queue.dequeued=1")
	if len(findings) != 0 {
		t.Errorf("findings %v", findings)
	}
	values, _ = check(t, torn(logOf(queueType, enqueue(1, 0, 10), enqueue(2, 20, 30), enqueue(3, 32, 34, failed), dequeue(9, 20, 30), dequeue(2, 40, 50),
		dequeue(2, 60, 70), dequeue(1, 80, 90), dequeue(3, 100, 110))))
	expect(t, values, "queue.lost=? queue.duplicated=1 queue.unexpected=1 queue.reordered=? queue.residence.p50=?")
	if v := values["queue.unexpected"]; !v.AtLeast {
		t.Errorf("got %+v", v)
	}
}
