package queue

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
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
	open, duplicated, redelivered, unexpected, reordered, mates := false, 0, 0, 0, 0, 0
	var undelivered bound
	for v := range values {
		only, acked, attempts, acks, unsure := len(enqueues[v]) == 1, 0, 0, 0, 0
		late := !complete
		for _, op := range enqueues[v] {
			if op.Outcome == history.OK {
				acked++
				late = late || !before(op, lastDrain)
			}
			if op.Outcome != history.Fail {
				attempts++
			}
		}
		for _, d := range of[v] {
			if d.acked {
				acks++
			} else {
				unsure++
			}
		}
		again := twiceDelivered(of[v])
		if len(enqueues[v]) > 1 {
			again = acks > max(attempts, 1)
		}
		switch {
		case again:
			duplicated++
		case len(of[v]) > 1 && (len(enqueues[v]) < 2 || acks+unsure > attempts):
			redelivered++
		}
		if len(of[v]) > 0 && (len(enqueues[v]) == 0 || only && (enqueues[v][0].Outcome == history.Fail ||
			slices.ContainsFunc(of[v], func(d delivery) bool { return d.op.End < enqueues[v][0].Start }))) {
			unexpected++
		}
		most := min(acked, max(attempts-acks-unsure, 0))
		switch {
		case most == 0:
		case late:
			open = true
		default:
			least := 0
			if acks+unsure == 0 {
				least = 1
			}
			undelivered = undelivered.plus(bound{least, most})
		}
		if !only || enqueues[v][0].Outcome != history.OK {
			continue
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
	lost := bound{max(undelivered.least-doubts, 0), undelivered.most}
	return fmt.Sprint(lost, undelivered, open, duplicated, redelivered, unexpected, bound{max(reordered-doubts, 0), reordered}, bound{max(mates-doubts, 0), mates})
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
	g := kit.Groups(log, history.ObjectQueue)[0]
	q := tallyMessages(kit.NewWords(log), &g, 100)
	got := fmt.Sprint(q.lost, q.undelivered, q.undrained > 0, q.duplicated, q.redelivered, q.unexpected, q.reordered, q.mates)
	if want := slowQueue(log.Ops); got != want {
		t.Fatalf("lost, undelivered, undrained, duplicated, redelivered, unexpected, reordered, by producer: got %s, want %s", got, want)
	}
	for _, f := range q.top.Findings(checkers.LostMessage, checkers.DuplicateMessage, checkers.UnexpectedMessage, checkers.ReorderedMessage) {
		proveQueue(t, log, f)
	}
}

// proveQueue repeats a finding's claim on its evidence alone.
func proveQueue(t *rapid.T, log *history.Log, f checkers.Finding) {
	sub := &history.Log{Meta: log.Meta, Ops: f.Evidence}
	g := kit.Groups(sub, history.ObjectQueue)[0]
	q := tallyMessages(kit.NewWords(sub), &g, 100)
	k := analyseQueue(sub, g.Ops)
	k.overtake()
	overtaken := 0 // before any is excused: what shows it may be a drain of unknown outcome
	for _, m := range k.all {
		if m.over != kit.None {
			overtaken++
		}
	}
	n := map[checkers.Class]int{checkers.LostMessage: q.undelivered.most, checkers.DuplicateMessage: q.duplicated, checkers.UnexpectedMessage: q.unexpected, checkers.ReorderedMessage: overtaken}[f.Class]
	if n == 0 {
		t.Fatalf("the evidence of %q does not show it: %v", f.Text, f.Evidence)
	}
}

// TestSoundQueueIsClean simulates one copy of a queue with concurrent clients,
// of which some never hear an answer, and defects that must show.
func TestSoundQueueIsClean(t *testing.T) {
	for seed := range uint64(50) {
		values, found := check(t, logOf(queueType, simulatedQueue(seed, 400, 6, "")...))
		expect(t, values, "queue.duplicated=0 queue.unexpected=0 queue.reordered=0 queue.undelivered="+show(values, "queue.excused"))
		if v := values["queue.lost"]; v.N != 0 || t.Failed() {
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

func BenchmarkQueue(b *testing.B) {
	log := logOf(queueType, simulatedQueue(1, 1_000_000, 20, "")...)
	benchmark(b, func() *history.Log { return log }, Checker())
}
