package register

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

func role(name, role string, epoch uint64, since, at int64) history.Event {
	return history.Event{At: at * ms, Since: since * ms, Kind: history.EventRole, Node: name, Detail: role, Epoch: epoch}
}

// failedOver is a run in which n1 is killed at 100 ms and n2 promoted until 200 ms;
// n1 comes back at 300 ms and follows at 320 ms.
func failedOver(ops ...history.Op) *history.Log {
	return checktest.Faulted(checktest.LogOf(registerType, ops...),
		role("n1", "primary", 1, 0, 0), role("n2", "replica", 1, 0, 0), role("n3", "replica", 1, 0, 0), checktest.Phase("warmup", 0),
		killed("f1", "n1", 100), role("n2", "primary", 2, 190, 200), role("n3", "replica", 2, 195, 205),
		healed("f1", 300), role("n1", "replica", 2, 95, 320), checktest.Phase("final", 400))
}

func finalsOf(values ...int64) []history.Op {
	var all []history.Op
	for n, v := range values {
		all = append(all, read(v, 500, 510, final, node(int8(n)), by(uint32(100+n))))
	}
	return all
}

func on(n int8) checktest.Change { return node(n - 1) }

// TestLostThenOverwritten: what later writes hide is undecided, unless a read of the
// new primary shows what it had before it took the next write.
func TestLostThenOverwritten(t *testing.T) {
	for _, tc := range []struct {
		name  string
		ops   []history.Op
		want  string // least to most
		words string // of the reason, or of the finding
	}{
		{"overwritten unseen", []history.Op{write(1, 10, 20, on(1)), write(2, 250, 260, on(2))}, "0 to 1",
			"1 acknowledged write was overwritten before anyone read it after the failover to n2 at 0.200s: more keys, or more reads of the primary"},
		{"seen on the new primary first", []history.Op{write(1, 10, 20, on(1)), read(1, 240, 245, on(2)), write(2, 250, 260, on(2))}, "0", ""},
		{"seen while the next write was under way", []history.Op{write(1, 10, 20, on(1)), read(1, 240, 255, on(2)), write(2, 250, 260, on(2))}, "0", ""},
		{"seen on a replica", []history.Op{write(1, 10, 20, on(1)), read(1, 240, 245, on(3)), write(2, 250, 260, on(2))}, "0 to 1", ""},
		{"seen before the node was the primary", []history.Op{write(1, 10, 20, on(1)), read(1, 180, 185, on(2)), write(2, 250, 260, on(2))}, "0 to 1", ""},
		{"seen while its node became the primary", []history.Op{write(1, 10, 20, on(1)), read(1, 195, 205, on(2)), write(2, 250, 260, on(2))}, "0 to 1", ""},
		{"the new primary shows what was before, and did not answer the next write", []history.Op{write(1, 10, 20, on(1)), write(2, 30, 40, on(1)), read(1, 240, 245, on(2)), write(3, 250, 260, on(2), unknown)}, "0 to 1", ""},
		{"the new primary shows what was before", []history.Op{write(1, 10, 20, on(1)), write(2, 30, 40, on(1)), read(1, 240, 245, on(2)), write(3, 250, 260, on(2))}, "1",
			"was lost, then overwritten: at 0.245s n2 still returned 1, written at 0.020s, and then took the write of 3 at 0.260s; nobody saw 2 any more"},
		{"it shows it, and then the write after all", []history.Op{write(1, 10, 20, on(1)), write(2, 30, 40, on(1)), read(1, 240, 245, on(2)), read(2, 246, 249, on(3)), write(3, 250, 260, on(2))}, "0 to 1", ""},
		{"a replica shows what was before", []history.Op{write(1, 10, 20, on(1)), write(2, 30, 40, on(1)), read(1, 240, 245, on(3)), write(3, 250, 260, on(2))}, "0 to 1", ""},
		{"the old primary shows what was before", []history.Op{write(1, 10, 20, on(1)), write(2, 30, 40, on(1)), read(1, 50, 60, on(1)), write(3, 250, 260, on(2))}, "0 to 1", ""},
		{"replaced in time", []history.Op{write(1, 10, 20, on(1)), write(2, 30, 40, on(1)), write(3, 50, 60, on(1)), read(3, 240, 245, on(2)), write(4, 250, 260, on(2))}, "0", ""},
		{"replaced by a compare-and-set", []history.Op{write(1, 10, 20, on(1)), cas(1, 2, 250, 260, on(2))}, "0", ""},
		{"an unanswered write came upon it, and is there", []history.Op{write(1, 10, 20, on(1)), write(2, 30, 90, on(1), unknown), read(2, 240, 245, on(2)), write(3, 250, 260, on(2))}, "0", ""},
		{"at once, and nobody read", []history.Op{write(1, 10, 20, on(1)), write(2, 11, 21, on(1), by(1)), read(2, 240, 245, on(2)), write(3, 250, 260, on(2))}, "0 to 1", ""},
		{"at once, and read", []history.Op{write(1, 10, 20, on(1)), write(2, 11, 21, on(1), by(1)), read(2, 30, 40, on(1)), read(2, 240, 245, on(2)), write(3, 250, 260, on(2))}, "0", ""},
		{"replaced by a compare-and-set that was replaced", []history.Op{write(1, 10, 20, on(1)), cas(1, 2, 250, 260, on(2)), write(3, 270, 280, on(2))}, "0", ""},
		{"a compare-and-set at once with what it did not replace", []history.Op{write(1, 10, 60, on(1)), write(2, 12, 40, on(1), by(1)), cas(2, 3, 45, 70, on(1), by(2)), write(4, 250, 260, on(2))}, "0 to 2", ""},
		{"a compare-and-set before a write at once", []history.Op{write(1, 10, 20, on(1)), cas(1, 2, 30, 50, on(1)), write(3, 40, 60, on(1), by(1)), read(3, 240, 245, on(2)), write(4, 250, 260, on(2))}, "0", ""},
		{"after all windows", []history.Op{write(1, 10, 20, on(1)), read(1, 240, 245, on(2)), write(2, 350, 360, on(2)), write(3, 370, 380, on(2))}, "0", ""},
		{"its outcome is unknown", []history.Op{write(1, 10, 20, on(1), unknown), write(2, 250, 260, on(2))}, "0", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			last := int64(0)
			for i := range tc.ops {
				if tc.ops[i].Kind != history.Read {
					last = max(last, tc.ops[i].Value)
				}
			}
			values, found := check(t, failedOver(append(tc.ops, finalsOf(last, last, last)...)...))
			v := values["writes.lost"]
			words := v.Why
			for _, f := range found {
				words += f.Text
			}
			if got := v.Format("count"); got != tc.want || !strings.Contains(words, tc.words) {
				t.Errorf("writes.lost is %s, want %s; %s", got, tc.want, words)
			}
			least, most := v.Bounds()
			if u := values["writes.undecided"]; u.N != most-least || !u.Known {
				t.Errorf("writes.undecided is %+v", u)
			}
		})
	}
}

// TestLivesBeginHowever: the life of a new primary begins when its clients know,
// whether the operator tells first or they, and goes on if its epoch is told late.
func TestLivesBeginHowever(t *testing.T) {
	failover := func(at int64) history.Event {
		return history.Event{At: at * ms, Since: 188 * ms, Kind: history.EventFailover, Node: "n2", Epoch: 2}
	}
	for name, events := range map[string][]history.Event{
		"the operator first": {failover(195)},
		"the clients first":  {failover(215)},
		"the epoch late":     {role("n2", "primary", 1, 190, 199)},
	} {
		log := failedOver(append(finalsOf(3, 3, 3), write(1, 10, 20, on(1)), read(1, 220, 225, on(2)), write(2, 230, 240, on(2)), write(3, 250, 260, on(2)))...)
		log.Events = append(log.Events, events...)
		values, _ := check(t, log)
		if v := values["writes.undecided"]; v.N != 0 || !v.Known {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// TestHealedInPart: a fault lasts until all of its victims are healed, and as long
// nothing is settled.
func TestHealedInPart(t *testing.T) {
	of := func(e history.Event, nodes ...string) history.Event {
		e.Nodes = nodes
		return e
	}
	for want, healedNodes := range map[string][]string{"0": {"n1", "n3"}, "0 to 1": {"n3"}} {
		log := checktest.Faulted(checktest.LogOf(registerType, append(finalsOf(2, 2, 2), write(1, 350, 360, on(2)), write(2, 370, 380, on(2)))...),
			role("n1", "primary", 1, 0, 0), role("n2", "replica", 1, 0, 0), role("n3", "replica", 1, 0, 0), checktest.Phase("warmup", 0),
			of(killed("f1", "n1", 100), "n1", "n3"), role("n2", "primary", 2, 190, 200), of(healed("f1", 300), healedNodes...), role("n1", "replica", 2, 95, 320), checktest.Phase("final", 400))
		values, _ := check(t, log)
		if got := values["writes.lost"].Format("count"); got != want {
			t.Errorf("healed on %v: writes.lost is %s, want %s", healedNodes, got, want)
		}
	}
}

// TestManyWritesInDanger: those that are not kept one by one are counted.
func TestManyWritesInDanger(t *testing.T) {
	ops := append(finalsOf(99, 99, 99), write(99, 250, 260, on(2)))
	for i := range int64(40) {
		ops = append(ops, write(i+1, 10, 20, on(1), by(uint32(i))))
	}
	values, _ := check(t, failedOver(ops...))
	expect(t, values, "writes.lost=0..40 writes.undecided=40")
}

// TestLossesNobodyTellsOf: without events a write that was overwritten may have been
// lost before, and a torn log tells less still.
func TestLossesNobodyTellsOf(t *testing.T) {
	foreign := func(ops ...history.Op) *history.Log { return checktest.LogOf(registerType, ops...) }
	twice := append(finalsOf(2, 2, 2), write(1, 10, 20), write(2, 30, 40))
	values, _ := check(t, foreign(twice...))
	expect(t, values, "writes.lost=? writes.undecided=? linearizable=1")
	values, _ = check(t, foreign(append(finalsOf(1, 1, 1), write(1, 10, 20))...))
	expect(t, values, "writes.lost=0 writes.undecided=0")
	values, _ = check(t, foreign(append(finalsOf(1, 1, 1), write(1, 10, 20), write(2, 30, 40))...))
	expect(t, values, "writes.lost=1 writes.undecided=?")
	if v := values["writes.lost"]; !v.AtLeast || v.AtMost != 0 {
		t.Errorf("writes.lost is %+v, want at least 1", v)
	}
	values, _ = check(t, torn(failedOver(twice...)))
	expect(t, values, "writes.lost=? writes.undecided=?")
}

// TestSplitBrain: while two nodes are primaries, what either acknowledges may be lost
// until one of them is none any more.
func TestSplitBrain(t *testing.T) {
	log := func(ops ...history.Op) *history.Log {
		return checktest.Faulted(checktest.LogOf(registerType, append(ops, finalsOf(9, 9, 9)...)...),
			role("n1", "primary", 1, 0, 0), role("n2", "replica", 1, 0, 0), checktest.Phase("warmup", 0), role("n2", "primary", 2, 95, 100), role("n1", "replica", 2, 295, 300))
	}
	values, _ := check(t, log(write(1, 150, 160, on(1)), write(9, 200, 210, on(2))))
	expect(t, values, "writes.undecided=1") // of n1
	values, _ = check(t, log(write(1, 150, 160, on(2)), write(9, 200, 210, on(2))))
	expect(t, values, "writes.undecided=0 writes.lost=0")
	values, _ = check(t, log(write(1, 50, 60, on(1)), read(1, 120, 125, on(2)), read(1, 130, 135, on(1)), write(9, 200, 210, on(2))))
	expect(t, values, "writes.undecided=0 writes.lost=0") // a stale read of n1 takes nothing from what n2 has shown
	values, _ = check(t, log(write(1, 310, 320, on(2)), write(9, 330, 340, on(1))))
	expect(t, values, "writes.undecided=0 writes.lost=0") // the window is over
	open := log(write(1, 150, 160, on(2)), write(9, 200, 210, on(2)))
	open.Events = open.Events[:4]
	values, _ = check(t, open)
	expect(t, values, "writes.undecided=1") // of the last, which may be lost yet
}

// TestKilledWithWritesUnderWay: what a primary was sent and did not answer before it
// was killed came, if it is there, upon what that one had acknowledged, where replicas
// pass writes on too: it was given up before another server of the node could pass it on.
func TestKilledWithWritesUnderWay(t *testing.T) {
	exit := func(detail string, at int64) history.Event {
		return history.Event{At: at * ms, Kind: history.EventExit, Node: "n1", Fault: "f1", Detail: detail, Cause: history.ByFault}
	}
	restart := history.Event{At: 150 * ms, Kind: history.EventPlace, Node: "n1", Name: "restarted"}
	at := func(end int64, more ...history.Op) []history.Op {
		return append([]history.Op{write(1, 10, 20, on(1)), write(2, 90, end, on(1), unknown), read(2, 240, 245, on(2)), write(3, 250, 260, on(2))}, more...)
	}
	for name, tc := range map[string]struct {
		ops  []history.Op
		more []history.Event
		want string
	}{
		"killed":                         {at(105), []history.Event{exit(history.Killed, 104)}, "0"},
		"asked to stop, and passed on":   {at(105), []history.Event{exit("signal: terminated", 104)}, "0 to 1"},
		"it is not told how it ended":    {at(105), nil, "0 to 1"},
		"started again by its place":     {at(105), []history.Event{exit(history.Killed, 104), restart}, "0 to 1"},
		"given up when it had come back": {at(310), []history.Event{exit(history.Killed, 104)}, "0 to 1"},
		"sent when it had been killed":   {[]history.Op{write(1, 10, 20, on(1)), write(2, 101, 105, on(1), unknown), read(2, 240, 245, on(2)), write(3, 250, 260, on(2))}, []history.Event{exit(history.Killed, 104)}, "0 to 1"},
		"not there":                      {[]history.Op{write(1, 10, 20, on(1)), write(2, 90, 105, on(1), unknown), write(3, 250, 260, on(2))}, []history.Event{exit(history.Killed, 104)}, "0 to 1"},
		"the primary had not been asked": {at(105), []history.Event{exit(history.Killed, 104), role("n1", "replica", 2, -50, 330)}, "0 to 1"},
	} {
		log := failedOver(append(tc.ops, finalsOf(3, 3, 3)...)...)
		log.Events = append(log.Events, tc.more...)
		values, _ := check(t, log)
		if got := values["writes.lost"].Format("count"); got != tc.want {
			t.Errorf("%s: writes.lost is %s, want %s", name, got, tc.want)
		}
	}
}

// TestUnansweredWrites: in which life one was carried out is certain only as far as
// it cannot have been in a later one.
func TestUnansweredWrites(t *testing.T) {
	promoted := func(name string, since, at int64) history.Event {
		return history.Event{At: at * ms, Since: since * ms, Kind: history.EventFailover, Node: name}
	}
	restarted := []history.Event{role("n1", "primary", 1, 0, 0), role("n2", "replica", 1, 0, 0), checktest.Phase("warmup", 0),
		promoted("another", 1, 2), killed("f1", "n1", 100), healed("f1", 130), checktest.Phase("final", 400)}
	again := []history.Event{role("n1", "primary", 1, 0, 0), role("n2", "replica", 1, 0, 0), role("n3", "replica", 1, 0, 0), checktest.Phase("warmup", 0),
		killed("f1", "n1", 100), promoted("n2", 188, 195), role("n2", "primary", 2, 190, 200), healed("f1", 300), role("n1", "replica", 2, 95, 320),
		killed("f2", "n2", 350), promoted("n3", 440, 450), role("n3", "primary", 3, 442, 452), healed("f2", 600), role("n2", "replica", 3, 345, 620),
		killed("f3", "n3", 700), healed("f3", 720), checktest.Phase("final", 800)}
	for _, tc := range []struct {
		name   string
		events []history.Event
		ops    []history.Op
		want   string
	}{
		{"sent to a server that was down, and compared and set", restarted,
			[]history.Op{write(1, 10, 20, on(1)), write(2, 110, 150, on(1), unknown), cas(2, 3, 200, 210, on(1))}, "0 to 1"},
		{"sent to one that was down, and given up before the next", restarted,
			[]history.Op{write(1, 10, 20, on(1)), write(2, 90, 120, on(1), unknown), cas(2, 3, 200, 210, on(1))}, "0"},
		{"shown by the next primary, and by the one after it", again,
			[]history.Op{write(1, 10, 20, on(1)), read(1, 240, 245, on(2)), write(2, 250, 360, on(2), unknown), read(2, 460, 465, on(3))}, "0"},
		{"shown after its node had come back", again[:9],
			[]history.Op{write(1, 10, 20, on(1)), read(1, 30, 40, on(1)), write(2, 50, 120, on(1), unknown), read(2, 330, 340, on(2)), write(3, 345, 348, on(2))}, "0"},
		{"sent while its node went, and shown after it had come back", again[:9],
			[]history.Op{write(1, 10, 20, on(1)), read(1, 30, 40, on(1)), write(2, 50, 310, on(1), unknown), read(2, 330, 340, on(2)), write(3, 345, 348, on(2))}, "0 to 1"},
		{"lacked by a primary, and perhaps not by the one after it", again,
			[]history.Op{write(1, 10, 20, on(1)), write(2, 30, 40, on(1)), read(1, 240, 245, on(2)), write(3, 250, 260, on(2)), write(4, 470, 480, on(3), unknown)}, "0 to 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			last := int64(0)
			for _, op := range tc.ops {
				last = max(last, op.Value)
			}
			ops := tc.ops
			for n := range int8(3) {
				ops = append(ops, read(last, 900, 910, final, node(n), by(uint32(100+n))))
			}
			log := checktest.Faulted(checktest.LogOf(registerType, ops...), tc.events...)
			values, _ := check(t, log)
			if got := values["writes.lost"].Format("count"); got != tc.want {
				t.Errorf("writes.lost is %s, want %s", got, tc.want)
			}
		})
	}
}
