package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// queueOps makes a random history of one queue: half of them of a real queue,
// broken a little, half of anything.
func queueOps(r *rand.Rand, n int, unknown bool) []history.Op {
	var ops []history.Op
	var queue []int64
	now, next := int64(0), int64(0)
	clocks := make([]int64, 3)
	wild := r.IntN(3) == 0
	for range n {
		p := r.IntN(len(clocks))
		now += int64(r.IntN(3))
		op := history.Op{Process: uint32(p), Outcome: history.OK, Value: history.Nil, Kind: history.Dequeue}
		op.Start = max(clocks[p], now-int64(r.IntN(5)))
		now = max(now, op.Start)
		op.End = now + int64(r.IntN(5))
		clocks[p] = op.End + 1
		doubt := unknown && r.IntN(5) == 0
		switch {
		case r.IntN(2) == 0:
			next++
			op.Kind, op.Value = history.Enqueue, next
			if !doubt || r.IntN(2) == 0 {
				queue = append(queue, next)
			}
		case len(queue) > 0:
			at := 0
			if wild && r.IntN(3) == 0 {
				at = r.IntN(len(queue))
			}
			op.Value = queue[at]
			if !wild || r.IntN(8) > 0 {
				queue = slices.Delete(slices.Clone(queue), at, at+1)
			}
			if wild && r.IntN(8) == 0 {
				op.Value = history.Nil
			}
		}
		if doubt {
			op.Outcome, op.End = history.Unknown, op.Start+40
			clocks[p] = op.End
			if op.Kind == history.Dequeue {
				op.Value = history.Nil
			}
		}
		ops = append(ops, op)
	}
	return ops
}

// fifoModel is a queue for the general search; what an unknown dequeue takes is
// for the search to choose: it takes the head, or nothing.
var fifoModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{""} },
	Step: func(state, input, _ any) []any {
		s, op := state.(string), input.(history.Op)
		switch {
		case op.Kind == history.Enqueue && op.Outcome == history.Unknown:
			return []any{s, s + fmt.Sprint(op.Value, ",")}
		case op.Kind == history.Enqueue:
			return []any{s + fmt.Sprint(op.Value, ",")}
		case op.Outcome == history.Unknown:
			if s == "" {
				return []any{s}
			}
			return []any{s, tail(s)}
		case op.Value == history.Nil:
			if s == "" {
				return []any{s}
			}
		case len(s) > 0 && s[:len(s)-len(tail(s))] == fmt.Sprint(op.Value, ","):
			return []any{tail(s)}
		}
		return nil
	},
	Equal: func(a, b any) bool { return a == b },
}

func tail(s string) string {
	for i := range s {
		if s[i] == ',' {
			return s[i+1:]
		}
	}
	return ""
}

func fifoByPorcupine(ops []history.Op) bool {
	var all []porcupine.Operation
	for i, op := range ops {
		end := op.End
		if op.Outcome == history.Unknown {
			end = 1 << 40
		}
		all = append(all, porcupine.Operation{ClientId: i, Input: op, Call: op.Start, Return: end})
	}
	model := fifoModel.ToModel()
	return porcupine.CheckOperationsTimeout(model, all, 20*time.Second) == porcupine.Ok
}

// TestFIFOAgreesWithPorcupine compares with the general search. With dequeues
// of unknown outcome a contradiction may be missed, but none may be made up.
func TestFIFOAgreesWithPorcupine(t *testing.T) {
	counts := map[string]int{}
	for seed := range 12000 {
		r := rand.New(rand.NewPCG(uint64(seed), 51))
		log := logOf("queue", queueOps(r, 2+r.IntN(10), seed%3 == 2)...)
		ops := make([]int32, len(log.Ops))
		for i := range ops {
			ops[i] = int32(i)
		}
		proof, exact := checkFIFO(log, ops)
		sound := fifoByPorcupine(log.Ops)
		counts[fmt.Sprintf("flaw %d exact %v, sound %v", proof.flaw, exact, sound)]++
		if proof.flaw != fifoSound && sound {
			t.Fatalf("seed %d: flaw %d is made up: %v\n%v", seed, proof.flaw, proof.ops, log.Ops)
		}
		if proof.flaw == fifoSound && exact && !sound {
			t.Fatalf("seed %d: a contradiction is missed:\n%v", seed, log.Ops)
		}
		if proof.flaw != fifoSound {
			var few []history.Op
			for _, i := range kit.ByStart(log, proof.ops) {
				few = append(few, log.Ops[i])
			}
			if fifoByPorcupine(few) {
				t.Fatalf("seed %d: the evidence for flaw %d is no contradiction alone: %v", seed, proof.flaw, few)
			}
		}
	}
	t.Log(counts)
}

func TestFIFOCases(t *testing.T) {
	log := logOf(queueType, call(history.Dequeue, 1, 0, 5), call(history.Enqueue, 1, 10, 20, by(1)))
	if proof, exact := checkFIFO(log, []int32{0, 1}); proof.flaw != fifoFuture || !exact {
		t.Errorf("delivered before it was enqueued: flaw %d, exact %v", proof.flaw, exact)
	}

	log = logOf(queueType, call(history.Enqueue, 1, 0, 10), call(history.Enqueue, 2, 20, 30),
		call(history.Dequeue, 1, 40, 50, by(1), unknown), call(history.Dequeue, 2, 60, 70, by(2)))
	if proof, exact := checkFIFO(log, []int32{0, 1, 2, 3}); proof.flaw != fifoSound || exact {
		t.Errorf("a delivery in doubt excuses its message: flaw %d, exact %v", proof.flaw, exact)
	}
}
