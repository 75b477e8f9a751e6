package checktest

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// FewValues leaves only so many values besides the initial one.
func FewValues(ops []history.Op, n int64) {
	for i := range ops {
		for _, v := range []*int64{&ops[i].Value, &ops[i].Old, &ops[i].Observed} {
			if *v != history.Nil {
				*v %= n
			}
		}
	}
}

// Shape says what a random history of one register has.
type Shape struct {
	Ops, Length          int // length of the run in ticks; few ticks make many ties
	Longest              int // operation
	Cas, Twice, Sessions bool
	Finals               bool
}

// RandomOps makes any operations at all: most have no order that explains them
// unless they are few or long.
func RandomOps(r *rand.Rand, s Shape) []history.Op {
	values := []int64{history.Nil, 1}
	if r.IntN(10) == 0 {
		values = append(values, 99) // nobody writes it
	}
	var ops []history.Op
	last := int64(0)
	clocks := make([]int64, 3)
	for n := 1 + r.IntN(s.Ops); len(ops) < n; {
		process := r.IntN(len(clocks))
		start := int64(r.IntN(s.Length))
		if s.Sessions {
			start = clocks[process] + int64(r.IntN(3))
		}
		op := history.Op{Intended: max(start-int64(process), 0), Start: start, End: start + int64(r.IntN(s.Longest)), Process: uint32(process), Node: int8(r.IntN(3)), Outcome: history.OK}
		clocks[process] = op.End
		if x := r.IntN(8); x < 2 {
			op.Outcome = history.Outcome(x * 2) // unknown or failed
		}
		op.Kind = []history.Kind{history.Read, history.Read, history.Write, history.CAS}[r.IntN(4)]
		if op.Kind == history.CAS && !s.Cas {
			op.Kind = history.Read
		}
		if op.Kind == history.Read {
			op.Value = values[r.IntN(len(values))]
		} else {
			last++
			op.Value, op.Old = last, values[r.IntN(len(values))]
			if s.Twice && last > 1 && r.IntN(4) == 0 {
				op.Value = 1 + int64(r.IntN(int(last)))
			}
			values = append(values, op.Value)
			if op.Kind == history.CAS && op.Outcome == history.Fail && r.IntN(3) > 0 {
				op.Error = history.ErrCompare
				op.Observed, op.Flags = values[r.IntN(len(values))], history.Seen
			}
		}
		ops = append(ops, op)
	}
	if s.Finals {
		for i := range r.IntN(4) {
			at := int64(s.Length + s.Longest + r.IntN(3))
			ops = append(ops, history.Op{Intended: at, Start: at, End: at + int64(r.IntN(3)), Node: int8(i), Process: uint32(50 + i),
				Outcome: history.OK, Value: values[r.IntN(len(values))], Flags: history.FinalRead})
		}
	}
	return ops
}

// CopyOps simulates a single copy: every operation takes effect at one instant
// in its time, so any order by these explains the history.
func CopyOps(r *rand.Rand, n, processes int, withCAS bool) []history.Op {
	type effect struct {
		at int64
		op int
	}
	ops, effects := make([]history.Op, n), make([]effect, n)
	clocks := make([]int64, processes)
	ids := make([]uint32, processes)
	for i := range ops {
		p := r.IntN(processes)
		op := &ops[i]
		op.Process = ids[p]*uint32(processes) + uint32(p)
		op.Start = clocks[p] + int64(r.IntN(4))
		op.Intended = clocks[p]
		op.End = op.Start + int64(r.IntN(30))
		clocks[p] = op.End
		op.Node, op.Outcome, op.Value = int8(r.IntN(3)), history.OK, int64(i+1)
		op.Kind = history.Kind(r.IntN(3))
		if op.Kind == history.CAS && !withCAS {
			op.Kind = history.Write
		}
		at := op.Start + int64(r.IntN(int(op.End-op.Start)+1))
		switch r.IntN(12) {
		case 0:
			op.Outcome = history.Unknown
			ids[p]++
			at += int64(r.IntN(60)) // some take effect late
		case 1:
			op.Outcome = history.Fail
			at = math.MaxInt64
		}
		effects[i] = effect{at, i}
	}
	r.Shuffle(n, func(i, j int) { effects[i], effects[j] = effects[j], effects[i] })
	slices.SortStableFunc(effects, func(a, b effect) int { return int(min(max(a.at-b.at, -1), 1)) })
	state := history.Nil
	var seen []int64
	for _, e := range effects {
		op := &ops[e.op]
		if op.Outcome == history.Fail {
			continue
		}
		switch op.Kind {
		case history.Read:
			op.Value = state
		case history.Write:
			state = op.Value
		case history.CAS:
			op.Old = state
			if len(seen) > 0 && r.IntN(2) == 0 {
				op.Old = seen[r.IntN(len(seen))]
			}
			switch {
			case op.Old == state:
				state = op.Value
			case op.Outcome == history.OK:
				op.Outcome, op.Error, op.Flags, op.Observed = history.Fail, history.ErrCompare, history.Seen, state
			}
		}
		seen = append(seen, state)
	}
	for i := range 3 {
		at := slices.Max(clocks) + 100
		ops = append(ops, history.Op{Start: at, End: at + 5, Node: int8(i), Process: uint32(1<<31 + i), Outcome: history.OK,
			Value: state, Flags: history.FinalRead})
	}
	return ops
}

// Mutate alters one operation of a history, or none.
func Mutate(r *rand.Rand, ops []history.Op) []history.Op {
	op := &ops[r.IntN(len(ops))]
	switch other := ops[r.IntN(len(ops))]; r.IntN(5) {
	case 0:
		if op.Kind == history.Read && other.Kind != history.Read {
			op.Value = other.Value
		}
	case 1:
		if op.Kind == history.CAS {
			op.Old = other.Value
		}
	case 2:
		op.Start, op.End = op.Start+20, op.End+20
	case 3:
		op.Outcome = history.Outcome(r.IntN(3))
	}
	return ops
}
