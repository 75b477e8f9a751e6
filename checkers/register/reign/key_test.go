package reign

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestEarliestSight: of two reads in a life that show a write, that which was over first
// counts, also if it began later.
func TestEarliestSight(t *testing.T) {
	const ms = 1_000_000
	role := func(node, role string, epoch uint64, since, at int64) history.Event {
		return history.Event{At: at * ms, Since: since * ms, Kind: history.EventRole, Node: node, Detail: role, Epoch: epoch}
	}
	op := func(kind history.Kind, value, start, end int64, node int8) *history.Op {
		return &history.Op{Kind: kind, Value: value, Intended: start * ms, Start: start * ms, End: end * ms, Node: node, Outcome: history.OK}
	}
	log := checktest.LogOf("register")
	log.Events = []history.Event{role("n1", "primary", 1, 0, 0), role("n2", "replica", 1, 0, 0), checktest.Phase("warmup", 0),
		role("n2", "primary", 2, 190, 200), role("n1", "replica", 2, 295, 300)}
	r := Read(log)
	for name, first := range map[string]*history.Op{"with one that took long": op(history.Read, 1, 240, 255, 1), "alone": nil} {
		var k Key
		k.Add(r, op(history.Write, 1, 10, 20, 0))
		if first != nil {
			k.Add(r, first)
		}
		k.Add(r, op(history.Read, 1, 244, 246, 1))
		k.Add(r, op(history.Write, 2, 250, 260, 1))
		k.Each(func(w *Write) {
			if w.Value == 1 {
				t.Errorf("%s: the new primary had shown it before it took the next write", name)
			}
		})
	}
}

// TestTheSamePrimaryAgain: a node that was killed and is the primary again has a life of
// its own then, whose reads tell what it had lost; alone it is the primary until the kill.
func TestTheSamePrimaryAgain(t *testing.T) {
	const ms = 1_000_000
	event := func(kind history.EventKind, at int64, change func(*history.Event)) history.Event {
		e := history.Event{At: at * ms, Kind: kind, Fault: "f1", Name: "kill", Nodes: []string{"n1"}}
		if change != nil {
			change(&e)
		}
		return e
	}
	role := func(node, role string, epoch uint64, since, at int64) history.Event {
		return history.Event{At: at * ms, Since: since * ms, Kind: history.EventRole, Node: node, Detail: role, Epoch: epoch}
	}
	kill := func(at int64) []history.Event {
		return []history.Event{event(history.EventFault, at, nil),
			{At: (at + 5) * ms, Kind: history.EventExit, Fault: "f1", Node: "n1", Detail: history.Killed, Cause: history.ByFault}, event(history.EventHeal, at+500, nil)}
	}
	op := func(kind history.Kind, value, start, end int64) *history.Op {
		return &history.Op{Kind: kind, Value: value, Intended: start * ms, Start: start * ms, End: end * ms, Outcome: history.OK}
	}
	for nodes, latest := range map[int]int64{1: 2995, 2: 2900} { // until when a write is certainly of the first life
		log := checktest.LogOf("register")
		log.Meta.Nodes = log.Meta.Nodes[:nodes]
		log.Events = append([]history.Event{role("n1", "primary", 1, 0, 1), checktest.Phase("warmup", 2)}, kill(3000)...)
		log.Events = append(log.Events, role("n1", "primary", 2, 2950, 4000))
		log.Events = append(append(log.Events, kill(6000)...), role("n1", "primary", 3, 5950, 7000))
		if nodes > 1 {
			log.Events = append(log.Events, role("n2", "replica", 1, 0, 1))
		}
		var k Key
		r := Read(log)
		for _, o := range []*step{{history.Write, 1, latest, latest + 4}, {history.Read, 1, 4100, 4110}, {history.Write, 2, 4120, 4130},
			{history.Read, 2, 7100, 7110}, {history.Write, 3, 7120, 7130}} {
			k.Add(r, op(o.kind, o.value, o.start, o.end))
		}
		if n := k.Undecided(); n > 0 {
			t.Errorf("of %d nodes: %d writes are undecided, though each was read in the life that overwrote it", nodes, n)
		}
		var lost Key
		lost.Add(r, op(history.Write, 1, latest, latest+4))
		lost.Add(r, op(history.Write, 2, 4120, 4130)) // nobody looked
		if n := lost.Undecided(); n == 0 {
			t.Errorf("of %d nodes: a write that another primary's life overwrote unseen is decided", nodes)
		}
	}
}

type step struct {
	kind              history.Kind
	value, start, end int64
}
