package foreign

import (
	"hash/maphash"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/aftershock-chaos/aftershock/history"
)

const (
	// searchTime bounds the search for orders of the operations on all keys.
	searchTime = 20 * time.Second
	// keyTime bounds that of one key.
	keyTime = 2 * time.Second
)

// search makes registers' operations of those on one key whose strings cannot be
// taken apart, as values were appended twice. Porcupine looks for an order of
// the operations on strings; it tells which append stood behind what, and each
// state becomes a value of its own.
//
// If there is an order, it also explains the register's operations. If there
// is none, those of the longest order found are taken so, other appends become
// writes of values that nobody saw, and other reads see any state of their
// text: no order explains this register either, for one that did would explain
// the strings.
func (b *builder) search(ops []int32, limit time.Duration) (found bool) {
	if limit <= 0 {
		return false
	}
	seed := maphash.MakeSeed()
	model := porcupine.Model{
		Init: func() any { return "" },
		Hash: func(state any) uint64 { return maphash.String(seed, state.(string)) },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(string), &b.log.Ops[input.(int32)]
			text := b.names.raw(op.Value)
			switch op.Kind {
			case history.Read:
				return s == text, s
			case history.Write:
				return true, text
			}
			return true, s + text
		},
	}
	var all []porcupine.Operation
	for _, i := range ops {
		op := &b.log.Ops[i]
		end := op.End
		switch {
		case op.Outcome == history.Fail, op.Outcome == history.Unknown && op.Kind == history.Read:
			continue
		case op.Outcome == history.Unknown:
			end = math.MaxInt64
		}
		all = append(all, porcupine.Operation{Input: i, Call: op.Start, Return: end})
	}
	result := porcupine.CheckOperationsTimeout(model, all, min(limit, keyTime))
	if result == porcupine.Unknown {
		return false
	}
	wanted := searchTime // there is an order: it is found again
	if result == porcupine.Illegal {
		wanted = keyTime
	}
	_, info := porcupine.CheckOperationsVerbose(model, all, wanted)
	var order []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, o := range partition {
			if len(o) > len(order) {
				order = o
			}
		}
	}
	b.follow(order, ops)
	return true
}

// follow gives operations the states that they see and make in an order, and
// the others what is said at search.
func (b *builder) follow(order []porcupine.Operation, ops []int32) {
	state, text := history.Nil, ""
	states := map[string]int64{"": history.Nil}
	ordered := map[int32]bool{}
	for _, o := range order {
		i := o.Input.(int32)
		ordered[i] = true
		op := &b.log.Ops[i]
		switch op.Kind {
		case history.Read:
			op.Value = state
			continue
		case history.Write:
			text = b.names.raw(op.Value)
		default:
			op.Old, text = state, text+b.names.raw(op.Value)
		}
		state = b.names.fresh(text)
		states[text] = state
		op.Value = state
	}
	for _, i := range ops {
		op := &b.log.Ops[i]
		if ordered[i] || op.Value == history.Nil {
			continue
		}
		text := b.names.raw(op.Value)
		seen, known := states[text]
		switch {
		case op.Kind == history.Read && known:
			op.Value = seen
		case op.Kind != history.Read:
			op.Kind, op.Value = history.Write, b.names.fresh(text)
		}
	}
}
