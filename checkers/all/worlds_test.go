package all

import (
	"math/rand/v2"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/checkers/queue"
	"github.com/aftershock-chaos/aftershock/checkers/set"
	"github.com/aftershock-chaos/aftershock/checkers/totals"
	"github.com/aftershock-chaos/aftershock/checkers/transactions"
	"github.com/aftershock-chaos/aftershock/history"
)

// world simulates a system that loses, forgets and repeats, with clients that do
// not always hear from it, and knows what became of everything.
type world struct {
	r     *rand.Rand
	now   int64
	nodes int
	ops   []history.Op
	busy  []int64            // by client: until when
	truth map[string]float64 // of facts about the system's state, at the end
}

// object is one kind of world, with the checker that judges it.
type object struct {
	workload string
	checker  checkers.Checker
	make     func(w *world)
}

var objects = []object{
	{setType, set.Checker(), setWorld},
	{queueType, queue.Checker(), queueWorld},
	{counterType, totals.Counter(), counterWorld},
	{appendType, transactions.Checker(), listWorld},
	{lagType, lag.Checker(), markerWorld},
	{bankType, totals.Bank(), bankWorld},
	{idsType, totals.UniqueIDs(), idWorld},
}

// newWorld makes a history of one object by a seed.
func newWorld(o *object, r *rand.Rand) (*world, *history.Log) {
	w := &world{r: r, nodes: 1 + r.IntN(3), truth: map[string]float64{}}
	o.make(w)
	log := logOf(o.workload, w.ops...)
	log.Meta.Nodes, log.Meta.Workloads[0].Keys = log.Meta.Nodes[:w.nodes], 2
	return w, log
}

func (w *world) chance(percent int) bool { return w.r.IntN(100) < percent }

// do records an operation whose effect is now.
func (w *world) do(op history.Op) *history.Op {
	w.now += int64(1 + w.r.IntN(4))
	op.Start, op.End = w.now-int64(w.r.IntN(4)), w.now+int64(w.r.IntN(4))
	op.Intended, op.Process = op.Start, w.idle(op.Start, op.End)
	if op.Outcome != history.OK {
		op.Error = history.ErrTimeout
	}
	w.ops = append(w.ops, op)
	return &w.ops[len(w.ops)-1]
}

// idle is a client that does nothing yet until an operation starts, and is busy
// until it ends.
func (w *world) idle(start, end int64) uint32 {
	p := w.r.IntN(3)
	for p < len(w.busy) && w.busy[p] >= start {
		p++
	}
	for p >= len(w.busy) {
		w.busy = append(w.busy, -100)
	}
	w.busy[p] = end
	return uint32(p)
}

// settle lets everything that is under way end.
func (w *world) settle() { w.now += 10 }

func (w *world) outcome() history.Outcome {
	switch x := w.r.IntN(8); x {
	case 0:
		return history.Fail
	case 1, 2:
		return history.Unknown
	}
	return history.OK
}

// answered is the outcome of a read.
func (w *world) answered() history.Outcome {
	if w.chance(20) {
		return []history.Outcome{history.Unknown, history.Fail}[w.r.IntN(2)]
	}
	return history.OK
}

func (w *world) node() int8 { return int8(w.r.IntN(w.nodes)) }

// setWorld: each element is on some nodes; some are forgotten.
func setWorld(w *world) {
	on, acked, late := map[int64]int{}, map[int64]bool{}, w.chance(20) // on: by element, the nodes as bits
	everywhere := 1<<w.nodes - 1
	add := func(v int64) {
		out := w.outcome()
		took := out == history.OK || out == history.Unknown && w.chance(50)
		w.do(history.Op{Kind: history.Add, Value: v, Outcome: out, Node: w.node()})
		switch {
		case took && w.chance(80):
			on[v] |= everywhere
		case took:
			on[v] |= w.r.IntN(everywhere + 1)
		}
		acked[v] = acked[v] || out == history.OK
	}
	read := func(node int8, flags uint8) {
		op := history.Op{Kind: history.ReadSet, Outcome: w.answered(), Node: node, Flags: flags}
		for v := range int64(20) {
			if op.Outcome == history.OK && on[v]>>node&1 == 1 {
				op.Elements = append(op.Elements, v)
			}
		}
		w.spoil(&op)
		w.do(op)
	}
	next := int64(0)
	for range 2 + w.r.IntN(8) {
		switch x := w.r.IntN(10); {
		case x < 5 || next == 0:
			next++
			add(next)
		case x == 5:
			add(1 + w.r.Int64N(next)) // tried again
		case x == 6:
			on[1+w.r.Int64N(next)] = 0 // forgotten
		default:
			read(w.node(), 0)
		}
	}
	w.settle()
	if w.chance(85) {
		for node := range w.nodes {
			read(int8(node), history.FinalRead)
			if late && w.chance(50) {
				next++
				add(next)
			}
		}
	}
	for v := range acked {
		if acked[v] && on[v] == 0 {
			w.truth["set.lost"]++
		}
	}
}

// spoil makes some answers of a node wrong; not those by which the truth is judged.
func (w *world) spoil(op *history.Op) {
	if op.Outcome != history.OK || op.Final() || w.chance(80) {
		return
	}
	switch n := len(op.Elements); {
	case n > 0 && w.chance(50):
		op.Elements = append(slices.Clone(op.Elements), op.Elements[w.r.IntN(n)])
	default:
		op.Elements = append(slices.Clone(op.Elements), 77)
	}
}

// queueWorld: messages are dropped, delivered in the wrong order, again, or to
// a client that never hears of it.
func queueWorld(w *world) {
	type message struct {
		v     int64
		acked bool
	}
	var state []message
	lost, next, twice := 0, int64(0), map[int64]bool{}
	enqueue := func(v int64) {
		out := w.outcome()
		w.do(history.Op{Kind: history.Enqueue, Value: v, Outcome: out, Node: w.node()})
		switch {
		case out == history.Fail || out == history.Unknown && w.chance(50):
		case w.chance(12) && out == history.OK:
			lost++
		default:
			state = append(state, message{v, out == history.OK})
		}
	}
	pop := func() int64 {
		i := 0
		if w.chance(10) {
			i = w.r.IntN(len(state))
		}
		v := state[i].v
		if twice[v] || !w.chance(8) { // else it stays, and comes again
			state = slices.Delete(state, i, i+1)
		}
		return v
	}
	for range 2 + w.r.IntN(10) {
		switch x := w.r.IntN(10); {
		case x < 5 || next == 0:
			next++
			enqueue(next)
		case x == 5 && w.chance(30):
			v := 1 + w.r.Int64N(next)
			if !slices.ContainsFunc(w.ops, func(op history.Op) bool { return op.Kind == history.Dequeue && op.Value == v }) {
				twice[v] = true
				enqueue(v)
			}
		default:
			op := history.Op{Kind: history.Dequeue, Value: history.Nil, Outcome: w.outcome(), Node: w.node()}
			if len(state) > 0 {
				switch {
				case op.Outcome == history.OK:
					op.Value = pop()
				case op.Outcome == history.Unknown && w.chance(40):
					pop() // nobody hears of it
				case op.Outcome == history.Unknown && w.chance(50) && !twice[state[0].v]:
					op.Value = state[0].v // received, and put back
				}
			}
			w.do(op)
		}
	}
	w.settle()
	for tries := w.r.IntN(4); tries > 0; tries-- {
		op := history.Op{Kind: history.Drain, Value: history.Nil, Outcome: w.outcome(), Node: 0, Flags: history.FinalRead}
		for len(state) > 0 && (op.Outcome == history.OK || w.chance(60)) {
			op.Elements = append(op.Elements, pop())
		}
		if op.Outcome == history.Unknown && len(state) > 0 && w.chance(50) {
			pop()
		}
		w.do(op)
		if op.Outcome == history.OK {
			break
		}
	}
	if w.chance(10) {
		next++
		enqueue(next)
	}
	w.truth["queue.lost"] = float64(lost)
}
