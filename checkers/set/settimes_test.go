package set

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestKnownSetTimes(t *testing.T) {
	end := finalSets
	one := add(1, 0, 10)
	for name, tc := range map[string]struct {
		ops  []history.Op
		want string
	}{
		"at once":                       {append(end(els(1), els(1)), one, readSet(20, 30, els(1))), "set.never_seen=0 set.stable_latency.p50=0 set.stable_latency.max=0 set.lost_latency.max=?"},
		"lacked before":                 {append(end(els(1)), one, readSet(5, 30, nil)), "set.stable_latency.max=0"},
		"lacked once":                   {append(end(els(1)), one, readSet(50, 70, nil), readSet(60, 90, els(1), by(1))), "set.stable_latency.p50=4e+07 set.stable_latency.max=4e+07 set.n1.stale=1 set.n2.stale=? set.stale=1"},
		"lacked by one node":            {append(end(els(1), els(1)), one, readSet(50, 70, els(1)), readSet(90, 95, nil, node(1), by(1))), "set.stable_latency.max=8e+07 set.n1.stale=0 set.n2.stale=1"},
		"two":                           {append(end(els(1, 2)), one, add(2, 0, 20), readSet(50, 70, els(2))), "set.stable_latency.p50=0 set.stable_latency.p99=4e+07 set.stable_latency.max=4e+07"},
		"added while warm":              {append(end(els(1)), add(1, 0, 10, warm), readSet(50, 70, nil)), "set.stable_latency.max=? set.stale=1"},
		"lost, never seen":              {append(end(nil, nil), one), "set.lost=1 set.never_seen=0 set.lost_latency.p50=0 set.stable_latency.max=?"},
		"lost, seen":                    {append(end(nil, nil), one, readSet(50, 70, els(1)), readSet(100, 110, nil, by(1))), "set.lost=1 set.lost_latency.p50=6e+07 set.lost_latency.p99=6e+07 set.lost_latency.max=6e+07"},
		"lost on every node":            {append(end(nil, nil, nil), one), "set.lost=1 set.lost_latency.max=0"},
		"lost, warm":                    {append(end(nil, nil), add(1, 0, 10, warm)), "set.lost=1 set.lost_latency.max=?"},
		"lost, seen early":              {append(end(nil, nil), one, readSet(5, 9, els(1))), "set.lost=1 set.lost_latency.max=0"},
		"never seen":                    {[]history.Op{one, readSet(20, 30, nil)}, "set.lost=? set.never_seen=1 set.stable_latency.max=?"},
		"nobody looked later":           {[]history.Op{one, add(2, 40, 50), readSet(20, 30, nil)}, "set.never_seen=1..2"},
		"a read as it was acknowledged": {[]history.Op{one, readSet(10, 30, nil)}, "set.never_seen=0..1"},
		"a later read failed":           {[]history.Op{one, readSet(20, 30, nil, failed)}, "set.never_seen=? set.stable_latency.max=?"},
		"never seen, warm":              {[]history.Op{add(1, 0, 10, warm), readSet(20, 30, nil)}, "set.never_seen=1 set.stable_latency.max=?"},
		"seen only before":              {[]history.Op{one, readSet(5, 30, els(1))}, "set.never_seen=0..1"},
		"never seen, unknown":           {[]history.Op{add(1, 0, 10, unknown), readSet(20, 30, nil)}, "set.never_seen=0"},
		"flaps on one node": {append(end(els(1), els(1)), one, readSet(20, 30, els(1), node(1)), readSet(40, 50, nil, node(1), by(1))),
			"set.flapping=1 set.n1.flapping=0 set.n2.flapping=1 set.n2.stale=1 set.stable_latency.max=3e+07"},
		"flaps for a client": {append(end(els(1), els(1)), one, readSet(20, 30, els(1)), readSet(40, 50, nil, node(1)), readSet(60, 70, els(1), node(2))),
			"set.flapping=1 set.n1.flapping=0 set.n2.flapping=0 set.n3.flapping=0"},
	} {
		t.Run(name, func(t *testing.T) {
			values, _ := check(t, logOf(setType, tc.ops...))
			expect(t, values, tc.want)
			values, _ = check(t, torn(logOf(setType, tc.ops...)))
			expect(t, values, "set.never_seen=? set.stable_latency.p50=? set.stable_latency.max=? set.lost_latency.max=? set.n3.stale=? set.n3.flapping=?")
		})
	}
}

// TestSetTimesAddUp: every key's times are taken together.
func TestSetTimesAddUp(t *testing.T) {
	values, _ := check(t, logOf(setType, add(1, 0, 10), readSet(50, 70, nil), readSet(80, 90, els(1)),
		add(2, 0, 10, key(1)), readSet(30, 70, nil, key(1)), readSet(80, 90, els(2), key(1)), add(3, 100, 110, key(2)), add(4, 100, 110, key(1)), add(5, 0, 10)))
	expect(t, values, "set.n1.stale=2 set.never_seen=1..3 set.stable_latency.p50=2e+07 set.stable_latency.max=4e+07")
}

func TestSetTimesAgreeWithDefinitions(t *testing.T) {
	for range 30 { // of a hundred each
		rapid.Check(t, setTimesAgree)
	}
}

func setTimesAgree(t *rapid.T) {
	log := logOf(setType, drawSet(t)...)
	s := tallyElements(kit.NewWords(log), ptr(kit.Groups(log, history.ObjectSet)[0]), 100)
	slices.Sort(s.stable.Sure)
	slices.Sort(s.gone.Sure)
	got := fmt.Sprint(s.neverSeen, s.unasked, s.stable.Sure, s.gone.Sure)
	for node := int8(0); node < 3; node++ {
		got += fmt.Sprint(" ", s.nodes[node])
	}
	if want := slowSetTimes(log.Ops); got != want {
		t.Fatalf("never seen, not asked for, stable, lost, nodes: got %s, want %s", got, want)
	}
}

// slowSetTimes tells by the definitions.
func slowSetTimes(ops []history.Op) string {
	adds, reads := map[int64][]*history.Op{}, []*history.Op{}
	values, finals := map[int64]bool{}, int64(math.MaxInt64)
	for i := range ops {
		switch op := &ops[i]; op.Kind {
		case history.Add:
			adds[op.Value] = append(adds[op.Value], op)
		case history.ReadSet:
			reads = append(reads, op)
			for _, v := range op.Elements {
				values[v] = true
			}
			if op.Final() {
				finals = min(finals, op.Start)
			}
		}
	}
	never, unasked, stable, gone := 0, 0, []int64{}, []int64{}
	for v, all := range adds {
		acked, _, _, ack := fateOf(all)
		if !acked {
			continue
		}
		seen, kept, asked := false, false, false
		lack, last := ack, (*history.Op)(nil)
		for _, r := range reads {
			asked = asked || r.Start > ack
			if !slices.Contains(r.Elements, v) {
				lack = max(lack, r.Start)
				continue
			}
			seen, kept = seen || r.Start > ack, kept || r.Final()
			if last == nil || r.Start > last.Start || r.Start == last.Start && r.End > last.End {
				last = r
			}
		}
		switch {
		case finals < math.MaxInt64 && !kept && ack < finals && last == nil:
			gone = append(gone, 0)
		case finals < math.MaxInt64 && !kept && ack < finals:
			gone = append(gone, max(last.End-ack, 0))
		case !seen && (!asked || finals < math.MaxInt64 && !kept):
			unasked++
		case !seen:
			never++
		default:
			stable = append(stable, lack-ack)
		}
	}
	slices.Sort(stable)
	slices.Sort(gone)
	told := fmt.Sprint(never, unasked, stable, gone)
	for node := int8(0); node < 3; node++ {
		flapping := 0
		mine := slices.DeleteFunc(slices.Clone(reads), func(r *history.Op) bool { return r.Node != node })
		for i, r := range mine { // of one process each, so that only the node counts
			one := *r
			one.Process = uint32(100 + i)
			mine[i] = &one
		}
		for v := range values {
			if flaps(mine, v) {
				flapping++
			}
		}
		told += fmt.Sprint(" ", nodeTally{len(mine), slowStale(mine, reads, adds), flapping})
	}
	return told
}

func slowStale(mine, reads []*history.Op, adds map[int64][]*history.Op) int {
	stale := 0
	for _, r := range mine {
		for v, all := range adds {
			if acked, _, _, ack := fateOf(all); r.Final() || slices.Contains(r.Elements, v) || !acked || ack >= r.Start {
				continue
			}
			if slices.ContainsFunc(reads, func(later *history.Op) bool { return later.Start > r.Start && slices.Contains(later.Elements, v) }) {
				stale++
				break
			}
		}
	}
	return stale
}
