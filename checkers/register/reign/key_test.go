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
