package checkers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
)

// drawQueue makes any history of a queue.
func drawQueue(t *rapid.T) []history.Op {
	values := []int64{1, 2, 99}
	var ops []history.Op
	for i := range rapid.IntRange(1, 16).Draw(t, "n") {
		start := rapid.Int64Range(0, 20).Draw(t, "start")
		op := history.Op{Start: start, End: start + rapid.Int64Range(0, 6).Draw(t, "length"), Node: int8(rapid.IntRange(-1, 2).Draw(t, "node")),
			Process: uint32(rapid.IntRange(0, 2).Draw(t, "process")), Outcome: history.Outcome(rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2}).Draw(t, "outcome"))}
		if rapid.Bool().Draw(t, "enqueue") {
			op.Kind, op.Value = history.Enqueue, int64(i+1)
			if rapid.IntRange(0, 9).Draw(t, "again") == 0 {
				op.Value = 1
			}
			values = append(values, op.Value)
		} else {
			op.Kind, op.Value = history.Dequeue, rapid.SampledFrom(append([]int64{history.Nil}, values...)).Draw(t, "value")
		}
		ops = append(ops, op)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "drains") {
		op := history.Op{Kind: history.Drain, Start: 22 + 3*int64(i), End: 24 + 3*int64(i), Node: int8(rapid.IntRange(0, 1).Draw(t, "node")), Process: 9,
			Outcome: history.Outcome(rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2}).Draw(t, "outcome")), Flags: history.FinalRead, Value: history.Nil,
			Elements: rapid.SliceOfN(rapid.SampledFrom(values), 0, 5).Draw(t, "elements")}
		if rapid.IntRange(0, 3).Draw(t, "held") == 0 {
			op.Value = rapid.SampledFrom(values).Draw(t, "value")
		}
		ops = append(ops, op)
	}
	return ops
}

// delivery is one, as the slow version sees it.
type delivery struct {
	v     int64
	acked bool
	op    *history.Op
	place int // within a drain
}

func deliveries(ops []history.Op) (all []delivery, doubts int) {
	for i := range ops {
		op := &ops[i]
		if op.Kind == history.Enqueue {
			continue
		}
		if op.Kind == history.Drain {
			for n, v := range op.Elements {
				all = append(all, delivery{v, true, op, n})
			}
		}
		switch {
		case op.Outcome == history.Unknown && op.Value == history.Nil:
			doubts++
		case op.Outcome == history.Unknown:
			all = append(all, delivery{op.Value, false, op, -1})
		case op.Outcome == history.OK && op.Kind == history.Dequeue && op.Value != history.Nil:
			all = append(all, delivery{op.Value, true, op, -1})
		}
	}
	return all, doubts
}

// slowQueue counts by the definitions.
func slowQueue(ops []history.Op) string {
	all, doubts := deliveries(ops)
	enqueues := map[int64][]*history.Op{}
	values := map[int64]bool{}
	lastDrain := map[int8]*history.Op{}
	for i := range ops {
		switch op := &ops[i]; op.Kind {
		case history.Enqueue:
			enqueues[op.Value] = append(enqueues[op.Value], op)
			values[op.Value] = true
		case history.Drain:
			lastDrain[op.Node] = op
		}
	}
	of := map[int64][]delivery{}
	for _, d := range all {
		of[d.v] = append(of[d.v], d)
		values[d.v] = true
	}
	complete := len(lastDrain) > 0
	for _, d := range lastDrain {
		complete = complete && d.Outcome == history.OK
	}
	absent, late, duplicated, redelivered, unexpected, reordered, mates := 0, 0, 0, 0, 0, 0, 0
	for v := range values {
		only := len(enqueues[v]) == 1
		switch {
		case twiceDelivered(of[v]):
			duplicated++
		case len(of[v]) > 1:
			redelivered++
		}
		if len(of[v]) > 0 && (len(enqueues[v]) == 0 || only && (enqueues[v][0].Outcome == history.Fail ||
			slices.ContainsFunc(of[v], func(d delivery) bool { return d.op.End < enqueues[v][0].Start }))) {
			unexpected++
		}
		if !only || enqueues[v][0].Outcome != history.OK {
			continue
		}
		switch {
		case len(of[v]) > 0:
		case complete && !before(enqueues[v][0], lastDrain):
			late++
		default:
			absent++
		}
		for other := range values {
			if len(enqueues[other]) == 1 && enqueues[other][0].Outcome != history.Fail && enqueues[v][0].End < enqueues[other][0].Start &&
				overtook(of[other], of[v]) {
				reordered++
				break
			}
		}
		for other := range values {
			if len(enqueues[other]) == 1 && enqueues[other][0].Outcome != history.Fail && enqueues[v][0].Process == enqueues[other][0].Process &&
				enqueues[v][0].End < enqueues[other][0].Start && overtook(of[other], of[v]) {
				mates++
				break
			}
		}
	}
	lost, undelivered := fmt.Sprint(max(absent-doubts, 0)), fmt.Sprint(absent)
	if absent+late > 0 && (!complete || late > 0) {
		undelivered += "+"
		if absent+late > doubts {
			lost += "+"
		}
		if !complete {
			undelivered, lost = "?", map[bool]string{true: "?", false: "0"}[absent+late > doubts]
		}
	}
	return fmt.Sprint(lost, " ", undelivered, " ", duplicated, redelivered, unexpected, max(reordered-doubts, 0), max(mates-doubts, 0))
}

func before(op *history.Op, drains map[int8]*history.Op) bool {
	for _, d := range drains {
		if op.End >= d.Start {
			return false
		}
	}
	return true
}

func twiceDelivered(of []delivery) bool {
	for i, a := range of {
		for j, b := range of {
			if i != j && a.acked && (b.acked || a.op.End < b.op.Start) {
				return true
			}
		}
	}
	return false
}

// overtook tells whether some delivery of b came before all of a.
func overtook(b, a []delivery) bool {
	for _, x := range b {
		if len(a) == 1 && x.op == a[0].op && x.place >= 0 && a[0].place > x.place {
			return true
		}
		if len(a) > 0 && !slices.ContainsFunc(a, func(y delivery) bool { return x.op.End >= y.op.Start }) {
			return true
		}
	}
	return false
}

func TestQueuesAgreeWithDefinitions(t *testing.T) {
	for range 30 { // of a hundred each
		rapid.Check(t, queueAgrees)
	}
}

func queueAgrees(t *rapid.T) {
	log := logOf(queueType, drawQueue(t)...)
	g := groups(log, queueType)[0]
	q := tallyQueue(newWords(log), &g, 100)
	lost, undelivered := fmt.Sprint(q.lost), fmt.Sprint(q.undelivered)
	_, _, complete := analyseQueue(log, g.ops).complete()
	mark := map[bool]string{true: "+", false: "?"}[complete]
	if q.incomplete > 0 {
		undelivered += mark
	}
	if q.undrained > 0 {
		lost += mark
	}
	if !complete && q.undrained > 0 {
		lost = "?"
	}
	if !complete && q.incomplete > 0 {
		undelivered = "?"
	}
	got := fmt.Sprint(lost, " ", undelivered, " ", q.duplicated, q.redelivered, q.unexpected, q.reordered, q.mates)
	if want := slowQueue(log.Ops); got != want {
		t.Fatalf("lost, undelivered, duplicated, redelivered, unexpected, reordered, by producer: got %s, want %s", got, want)
	}
	for _, f := range q.shelves.findings(LostMessage, DuplicateMessage, UnexpectedMessage, ReorderedMessage) {
		proveQueue(t, log, f)
	}
}

// proveQueue repeats a finding's claim on its evidence alone.
func proveQueue(t *rapid.T, log *history.Log, f Finding) {
	sub := &history.Log{Meta: log.Meta, Ops: f.Evidence}
	g := groups(sub, queueType)[0]
	q := tallyQueue(newWords(sub), &g, 100)
	k := analyseQueue(sub, g.ops)
	k.overtake()
	overtaken := 0 // before any is excused: what shows it may be a drain of unknown outcome
	for _, m := range k.all {
		if m.over != none {
			overtaken++
		}
	}
	n := map[Class]int{LostMessage: q.lost, DuplicateMessage: q.duplicated, UnexpectedMessage: q.unexpected, ReorderedMessage: overtaken}[f.Class]
	if n == 0 {
		t.Fatalf("the evidence of %q does not show it: %v", f.Text, f.Evidence)
	}
}

// TestSoundQueueIsClean simulates one copy of a queue with concurrent clients,
// of which some never hear an answer, and defects that must show.
func TestSoundQueueIsClean(t *testing.T) {
	for seed := range uint64(50) {
		values, found := check(t, logOf(queueType, simulatedQueue(seed, 400, 6, "")...))
		expect(t, values, "queue.lost=0 queue.duplicated=0 queue.unexpected=0 queue.reordered=0")
		if t.Failed() {
			t.Fatalf("seed %d: %v", seed, found)
		}
		for defect, fact := range map[string]string{"drop": "queue.lost", "peek": "queue.duplicated", "last": "queue.reordered", "invent": "queue.unexpected"} {
			values, _ := check(t, logOf(queueType, simulatedQueue(seed, 400, 6, defect)...))
			if v := values[fact]; !v.Known || v.N == 0 {
				t.Errorf("seed %d: the defect %s does not show: %+v", seed, defect, v)
			}
		}
	}
}

// simulatedQueue is a history of n operations on one queue, and its drain. One
// dequeue in fifty is taken and not answered; the defect strikes one operation
// in ten.
func simulatedQueue(seed uint64, n, processes int, defect string) []history.Op {
	r := rand.New(rand.NewPCG(seed, 7))
	type effect struct {
		at int64
		op int
	}
	ops, effects, clocks := make([]history.Op, n), make([]effect, n), make([]int64, processes)
	for i := range ops {
		p := r.IntN(processes)
		op := &ops[i]
		op.Start = clocks[p] + int64(r.IntN(5))
		op.End = op.Start + int64(r.IntN(20))
		clocks[p] = op.End
		op.Process, op.Node, op.Outcome, op.Value = uint32(p), int8(r.IntN(3)), history.OK, int64(i+1)
		op.Kind = history.Enqueue
		if r.IntN(20) < 9 {
			op.Kind, op.Value = history.Dequeue, history.Nil
		}
		at := op.Start + int64(r.IntN(int(op.End-op.Start)+1))
		if r.IntN(50) == 0 {
			op.Outcome = history.Unknown
			at += int64(r.IntN(100))
		}
		effects[i] = effect{at, i}
	}
	slices.SortStableFunc(effects, func(a, b effect) int { return int(a.at - b.at) })
	var state []int64
	for _, e := range effects {
		op, strikes := &ops[e.op], r.IntN(10) == 0
		if op.Kind == history.Enqueue {
			if !strikes || defect != "drop" {
				state = append(state, op.Value)
			}
			continue
		}
		if len(state) == 0 {
			continue
		}
		v, rest := state[0], state[1:]
		switch {
		case strikes && defect == "peek":
			rest = state
		case strikes && defect == "last":
			v, rest = state[len(state)-1], state[:len(state)-1]
		case strikes && defect == "invent":
			v, rest = v+1e6, state
		}
		state = rest
		if op.Outcome == history.OK {
			op.Value = v
		}
	}
	at := slices.Max(clocks) + 200
	return append(ops, history.Op{Kind: history.Drain, Start: at, End: at + 1, Process: 100, Outcome: history.OK, Value: history.Nil,
		Flags: history.FinalRead, Elements: state})
}
