package set

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

func timedOut(op *history.Op) { op.Outcome, op.Error = history.Fail, history.ErrTimeout }

func refused(op *history.Op) { op.Outcome, op.Error = history.Fail, history.ErrNotPrimary }

func TestKnownSets(t *testing.T) {
	end := finalSets
	const clean = "set.lost=0 set.resurrected=0 set.phantom=0 set.duplicated=0 set.stale=0 set.flapping=0 set.diverged=0"
	all := els(1, 2)
	tests := []struct {
		name    string
		ops     []history.Op
		want    string
		classes string
	}{
		{"clean", with(end(all, els(2, 1), all), add(1, 0, 10), readSet(5, 15, nil, by(1)), readSet(20, 30, els(1), by(1)), add(2, 25, 40)), clean + " set.acked=2", ""},
		{"unknown seen", with(end(all, all, all), add(1, 0, 10, unknown), add(2, 20, 30)), clean + " set.acked=1", ""},
		{"unknown not seen", with(end(els(2), els(2), els(2)), add(1, 0, 10, unknown), add(2, 20, 30)), clean, ""},
		{"lost", with(end(els(2), els(2), els(2)), add(1, 0, 10), add(2, 20, 30)), "set.lost=1 set.diverged=0", "lost-element"},
		{"lost after it was seen", with(end(els(2), els(2), els(2)), add(1, 0, 10), readSet(12, 15, els(1)), add(2, 20, 30)), "set.lost=1 set.stale=0", "lost-element"},
		{"missing from one node", with(end(all, els(2), all), add(1, 0, 10), add(2, 20, 30)), "set.lost=0 set.diverged=1", "diverged-replicas"},
		{"a node did not answer at the end", with(end(els(2), els(2)), add(1, 0, 10), add(2, 20, 30), readSet(1000, 1010, nil, final, node(2), timedOut)),
			"set.lost=0..1 set.diverged=? set.never_seen=0..1 set.lost_latency.max=?", ""},
		{"a node that did not answer cannot undo what another has", with(end(all, all), add(1, 0, 10), add(2, 20, 30), readSet(1000, 1010, nil, final, node(2), timedOut)),
			"set.lost=0 set.never_seen=0", ""},
		{"a node that answered at last", with(end(els(2), els(2)), add(1, 0, 10), add(2, 20, 30), readSet(1000, 1010, nil, final, timedOut)), "set.lost=1 set.diverged=0", "lost-element"},
		{"a node that no client may read from", with(end(els(2), els(2)), add(1, 0, 10), add(2, 20, 30), readSet(1000, 1010, nil, final, node(2), refused)), "set.lost=1", "lost-element"},
		{"a node that differs, and one that did not answer", with(end(all, els(2)), add(1, 0, 10), add(2, 20, 30), readSet(1000, 1010, nil, final, node(2), timedOut)),
			"set.lost=0 set.diverged=1", "diverged-replicas"},
		{"being added at the end", with(end(els(1), nil, nil), add(1, 990, 1005)), "set.lost=0 set.diverged=?", ""},
		{"added between two final reads, and missing from a third", []history.Op{add(1, 1005, 1010), readSet(1000, 1001, nil, final), readSet(1020, 1030, els(1), final, node(1), by(1)),
			readSet(1020, 1030, nil, final, node(2), by(2))}, "set.diverged=1 set.lost=0", "diverged-replicas"},
		{"perhaps being added at the end", with(end(els(1), nil, nil), add(1, 990, 1005, unknown)), "set.lost=0 set.diverged=?", ""},
		{"perhaps added long before the end, and perhaps again at the end", with(end(els(1), nil, nil), add(1, 0, 10, unknown), add(1, 990, 1005, unknown)), "set.lost=0 set.diverged=?", ""},
		{"perhaps added long before the end", with(end(els(1), nil, nil), add(1, 0, 10, unknown)), "set.lost=0 set.diverged=1", "diverged-replicas"},
		{"added again after an unknown outcome", with(end(nil, nil, nil), add(1, 0, 10, unknown), add(1, 20, 30)), "set.lost=1 set.acked=1", "lost-element"},
		{"acknowledged, then added again in vain", with(end(nil, nil, nil), add(1, 0, 10), add(1, 20, 30, failed)), "set.lost=1 set.resurrected=0", "lost-element"},
		{"refused, then added", with(end(els(1), els(1), els(1)), add(1, 0, 10, failed), add(1, 20, 30)), clean, ""},
		{"refused, then perhaps added", with(end(els(1), els(1), els(1)), add(1, 0, 10, failed), add(1, 20, 30, unknown)), clean, ""},
		{"refused twice", with(end(els(1), els(1), els(1)), add(1, 0, 10, failed), add(1, 20, 30, failed)), "set.resurrected=1", "resurrected-write"},
		{"nobody looked", []history.Op{add(1, 0, 10), readSet(20, 30, nil, timedOut)},
			"set.lost=? set.resurrected=? set.phantom=? set.duplicated=? set.stale=? set.flapping=? set.diverged=? set.n1.stale=? set.never_seen=?", ""},
		{"no final reads", []history.Op{add(1, 0, 10)}, "set.lost=? set.diverged=?", ""},
		{"acknowledged as the final reads began", with(end(nil, nil, nil), add(1, 990, 1000)), "set.lost=0..1 set.never_seen=0..1", ""},
		{"added after the final reads began", with(end(nil, nil, nil), add(1, 990, 1005)), "set.lost=0..1 set.lost_latency.max=?", ""},
		{"resurrected", with(end(all, all, all), add(1, 0, 10, failed), add(2, 20, 30)), "set.resurrected=1", "resurrected-write"},
		{"phantom", with(end(els(2), els(2), els(2)), add(2, 20, 30), readSet(40, 50, els(2, 77))), "set.phantom=1", "phantom-value"},
		{"before it was added", with(end(els(2), els(2), els(2)), readSet(0, 10, els(2)), add(2, 20, 30)), "set.phantom=1", "phantom-value"},
		{"duplicated", with(end(els(2, 2), els(2), els(2)), add(2, 20, 30)), "set.duplicated=1 set.diverged=0", "duplicate-element"},
		{"stale", with(end(all, all, all), add(1, 0, 10), add(2, 20, 30), readSet(50, 60, els(1), by(1))), "set.stale=1 set.flapping=0", "stale-set-read"},
		{"not stale, for it was being added", with(end(all, all, all), add(1, 0, 10), add(2, 20, 55), readSet(50, 60, els(1), by(1))), clean, ""},
		{"flapping node", with(end(all, all, all), add(1, 0, 10), add(2, 20, 30, unknown), readSet(40, 41, all, by(1)), readSet(50, 60, els(1), by(2))), "set.flapping=1 set.stale=0", "flapping-element"},
		{"flapping client", with(end(all, all, all), add(1, 0, 10), add(2, 20, 30, unknown), readSet(40, 41, all, by(1)), readSet(50, 60, els(1), by(1), node(1)), readSet(70, 71, all, by(1), node(2))), "set.flapping=1 set.stale=0", "flapping-element"},
		{"reads that overlap do not flap", with(end(all, els(1), all), add(1, 0, 10), add(2, 20, 30, unknown), readSet(40, 52, all, by(1)), readSet(50, 60, els(1), by(2)), readSet(70, 71, all, by(1), node(2))), "set.flapping=0", "diverged-replicas"},
		{"flapping client of no known node", []history.Op{add(1, 0, 10), readSet(40, 41, els(1), node(-1)), readSet(50, 60, nil, node(-1)), readSet(70, 71, els(1), node(-1))},
			"set.flapping=1 set.n1.flapping=? set.n1.stale=?", "flapping-element stale-set-read"},
		{"flapping twice on one node", with(end(all, all, all), add(1, 0, 10), add(2, 20, 30, unknown), readSet(40, 41, all, by(1)), readSet(50, 60, els(1), by(2)),
			readSet(70, 71, all, by(3)), readSet(80, 90, els(1), by(4))), "set.flapping=1 set.n1.flapping=1", "flapping-element"},
		{"flapping, though a read that lacks it overlaps", []history.Op{add(1, 0, 10), add(2, 20, 30, unknown), readSet(40, 41, all, by(1)), readSet(50, 75, els(1), by(2)),
			readSet(55, 60, els(1), by(3)), readSet(70, 71, all, by(4))}, "set.flapping=1 set.n1.flapping=1", "flapping-element"},
		{"flapping, though the second read that has it overlaps", []history.Op{add(1, 0, 10), add(2, 20, 30, unknown), readSet(40, 41, all, by(1)), readSet(42, 100, els(1), by(2)),
			readSet(43, 90, all, by(3)), readSet(50, 60, els(1), by(4)), readSet(70, 71, all, by(5))}, "set.flapping=1 set.n1.flapping=1", "flapping-element"},
		{"lost, last seen by two reads, one with its end before its start", with(end(els(2), els(2)), add(1, 0, 10), add(2, 20, 30), readSet(20, 50, els(1), by(1)), readSet(30, 20, els(1), by(2))),
			"set.lost=1 set.lost_latency.max=4e+07", "lost-element"},
		{"a read that failed lacks nothing", with(end(all, all, all), add(1, 0, 10), add(2, 20, 30), readSet(50, 60, nil, failed, by(1))), clean, ""},
		{"an end before its start", with(end(all, all, all), add(1, 0, 10), add(2, 20, 25), readSet(30, 22, els(1), by(1))), clean, ""},
		{"final reads differ and are not stale", with(end(els(1)), add(1, 0, 10), add(2, 20, 30), readSet(1020, 1030, all, final, node(1), by(101))),
			"set.stale=0 set.diverged=1", "diverged-replicas"},
		{"another set was not read at the end", with(end(all, all, all), add(1, 0, 10), add(2, 20, 30), add(9, 0, 10, key(1))), "set.lost=? set.diverged=0", ""},
		{"another set was not read at the end, nothing acknowledged", with(end(all, all, all), add(1, 0, 10), add(2, 20, 30), add(9, 0, 10, unknown, key(1))), clean, ""},
		{"another set is clean", with(end(els(2), els(2), els(2)), add(1, 0, 10), add(2, 20, 30), readSet(40, 41, els(2), by(1)), readSet(50, 60, nil, by(2)),
			add(9, 0, 10, key(1)), readSet(1000, 1010, els(9), final, key(1))), "set.lost=1 set.flapping=1 set.n1.flapping=1 set.stale=1", "flapping-element lost-element stale-set-read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			values, findings := check(t, logOf(setType, test.ops...))
			expect(t, values, test.want)
			if got := classes(findings); got != test.classes {
				t.Errorf("findings of classes %q, want %q", got, test.classes)
			}
			for _, f := range findings {
				t.Log(f.Class, f.Text)
			}
		})
	}
	t.Run("torn", func(t *testing.T) {
		values, _ := check(t, torn(logOf(setType, with(end(els(2), els(2)), add(1, 0, 10), add(2, 20, 30))...)))
		expect(t, values, "set.lost=? set.phantom=? set.stale=? set.diverged=? set.acked=2")
		values, findings := check(t, torn(logOf(setType, with(end(els(2), els(2), els(2, 9)), add(1, 0, 10), add(2, 20, 30))...)))
		expect(t, values, "set.lost=1 set.phantom=? set.diverged=?")
		if got := classes(findings); got != "lost-element" {
			t.Errorf("findings of classes %q, but the adding of 9 may be what is missing", got)
		}
		values, _ = check(t, torn(logOf(setType, with(end(els(2), els(2), els(1, 2)), add(1, 0, 10), add(2, 20, 30))...)))
		expect(t, values, "set.lost=? set.diverged=1")
		values, _ = check(t, torn(logOf(setType, readSet(0, 10, els(2)), add(2, 20, 30))))
		expect(t, values, "set.phantom=1")
	})
}
