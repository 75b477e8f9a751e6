package checktest

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/aftershock-chaos/aftershock/history"
)

// BigLog has a million operations on 64 keys by about 20 clients at
// once, as a run of some minutes leaves them: half reads, a tenth compare-and-sets if asked for, and
// stale reads from replicas. It is linearizable if stale is 0.
func BigLog(n int, withCAS bool, stale float64) *history.Log {
	const keys = 64
	r := rand.New(rand.NewPCG(1, 8))
	type register struct{ state, before int64 }
	state := make([]register, keys)
	for i := range state {
		state[i] = register{history.Nil, history.Nil}
	}
	ops, now := make([]history.Op, n), int64(0)
	for i := range ops {
		op := &ops[i]
		now += 2 + int64(r.IntN(100)) // the instant of the effect
		key := r.IntN(keys)
		k := &state[key]
		*op = history.Op{Start: now - int64(r.IntN(1000)), End: now + int64(r.IntN(1000)), Process: uint32(i % 32), Key: uint32(key),
			Node: int8(r.IntN(3)), Outcome: history.OK, Value: int64(i + 1)}
		op.Intended = op.Start
		switch x := r.IntN(10); {
		case x < 5:
			op.Kind, op.Value = history.Read, k.state
			if r.Float64() < stale {
				op.Value = k.before
			}
			continue
		case x == 5 && withCAS:
			op.Kind, op.Old = history.CAS, k.state
		default:
			op.Kind = history.Write
		}
		k.before, k.state = k.state, op.Value
	}
	return LogOf(RegisterType, ops...)
}

var (
	Clean = sync.OnceValue(func() *history.Log { return BigLog(1_000_000, false, 0) })
	Chain = sync.OnceValue(func() *history.Log { return BigLog(1_000_000, true, 0) })
	Dirty = sync.OnceValue(func() *history.Log { return BigLog(1_000_000, false, 0.01) })
)

// SimulatedQueue is a history of n operations on one queue, and its drain. One
// dequeue in fifty is taken and not answered; the defect strikes one operation
// in ten.
func SimulatedQueue(seed uint64, n, processes int, defect string) []history.Op {
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

// OrderedQueue is a history of n messages that each come once, in order, by
// concurrent clients, of which now and then one finds the queue empty.
func OrderedQueue(n, clients int) *history.Log {
	r := rand.New(rand.NewPCG(1, 53))
	ops, clocks := make([]history.Op, 0, 2*n+n/8), make([]int64, clients)
	now, enqueued, dequeued := int64(0), int64(0), int64(0)
	for dequeued < int64(n) {
		p := len(ops) % clients
		now += 40 + int64(r.IntN(40))
		op := history.Op{Process: uint32(p), Node: int8(p % 3), Outcome: history.OK, Kind: history.Dequeue, Value: history.Nil}
		now = max(now, clocks[p]+1)
		op.Start = max(clocks[p]+1, now-int64(r.IntN(600)))
		op.End = now + int64(r.IntN(600))
		clocks[p] = op.End
		switch {
		case enqueued < int64(n) && r.IntN(100) < 51:
			enqueued++
			op.Kind, op.Value = history.Enqueue, enqueued
		case dequeued < enqueued:
			dequeued++
			op.Value = dequeued
		}
		ops = append(ops, op)
	}
	return LogOf(QueueType, ops...)
}

// The figures of BENCHMARKS.md's checker table: `make bench-checkers`.

// RegisterLoad is n operations by clients on keys, linearizable, half of them
// reads; unknown of the writes have an unknown outcome, and every other of
// these took effect. With CAS a quarter of the operations are compare-and-sets.
func RegisterLoad(n, keys, clients, unknown int, withCAS bool) *history.Log {
	r := rand.New(rand.NewPCG(1, 41))
	state := make([]int64, keys)
	for i := range state {
		state[i] = history.Nil
	}
	every := n + 1
	if unknown > 0 {
		every = n / unknown
	}
	ops, now, process := make([]history.Op, n), int64(0), uint32(clients)
	processes := make([]uint32, clients)
	clocks := make([]int64, clients)
	for i := range processes {
		processes[i] = uint32(i)
	}
	for i := range ops {
		u := r.Uint64()
		op, w, key := &ops[i], i%clients, int(u>>33)%keys
		now += 50 + int64(u>>8&63)
		*op = history.Op{Key: uint32(key), Worker: uint16(w), Process: processes[w], Value: int64(i + 1), Outcome: history.OK}
		op.Start = max(clocks[w]+1, now-int64(u>>14&1023))
		now = max(now, op.Start)
		op.End = now + int64(u>>24&511)
		op.Intended = op.Start
		clocks[w] = op.End
		switch {
		case i%every == every-1:
			op.Kind, op.Outcome = history.Write, history.Unknown
			process++
			processes[w] = process
			if u&1 == 0 {
				state[key] = op.Value
			}
		case u&3 == 3 && withCAS:
			op.Kind, op.Old = history.CAS, state[key]
			state[key] = op.Value
		case u&1 == 1:
			op.Kind = history.Write
			state[key] = op.Value
		default:
			op.Value = state[key]
		}
	}
	log := &history.Log{Ops: ops, Meta: history.Meta{Run: "load", Nodes: []string{"n1"},
		Workloads: []history.WorkloadMeta{{Name: RegisterType, Type: RegisterType, Keys: keys, Workers: clients}}}}
	history.Sort(log.Ops)
	return log
}

func GrowingSet(r *rand.Rand, n, processes int) []history.Op {
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
		op.Kind = []history.Kind{history.Add, history.ReadSet}[r.IntN(2)]
		at := op.Start + int64(r.IntN(int(op.End-op.Start)+1))
		if op.Kind == history.Add && r.IntN(10) == 0 {
			op.Outcome = history.Unknown
			at += int64(r.IntN(100))
		}
		effects[i] = effect{at, i}
	}
	slices.SortStableFunc(effects, func(a, b effect) int { return int(a.at - b.at) })
	var state []int64
	for _, e := range effects {
		if op := &ops[e.op]; op.Kind == history.Add {
			state = append(state, op.Value)
		} else {
			op.Elements = slices.Clone(state)
		}
	}
	for i := range 3 {
		at := slices.Max(clocks) + 200
		ops = append(ops, history.Op{Kind: history.ReadSet, Start: at, End: at + 1, Node: int8(i), Process: uint32(100 + i), Outcome: history.OK,
			Flags: history.FinalRead, Elements: slices.Clone(state)})
	}
	return ops
}

// SetLoad is n elements and as many full reads as asked for, through three
// nodes by ten processes. With shuffle each read has an order of its own, as
// answers of a hash set; else all have the order of adding.
func SetLoad(n, reads int, shuffle bool) (log *history.Log, sightings int) {
	r := rand.New(rand.NewPCG(1, 54))
	ops := make([]history.Op, 0, n+reads+3)
	values := make([]int64, n)
	now := int64(0)
	read := func(process, node int, shown []int64) history.Op {
		now += 100
		if shuffle {
			shown = slices.Clone(shown)
			r.Shuffle(len(shown), func(i, j int) { shown[i], shown[j] = shown[j], shown[i] })
		} else {
			shown = slices.Clone(shown) // as each answer has memory of its own
		}
		sightings += len(shown)
		return history.Op{Kind: history.ReadSet, Start: now, End: now + 90, Node: int8(node), Process: uint32(process), Outcome: history.OK, Elements: shown}
	}
	for i := range values {
		values[i] = int64(i%8)<<40 | int64(i)
		now += 100
		ops = append(ops, history.Op{Kind: history.Add, Value: values[i], Start: now, End: now + 90, Node: int8(i % 3), Process: uint32(i % 10), Outcome: history.OK})
		if i%(n/reads) == n/reads-1 {
			ops = append(ops, read(i/(n/reads)%10, i/(n/reads)%3, values[:i+1]))
		}
	}
	for node := range 3 {
		op := read(100+node, node, values)
		op.Flags = history.FinalRead
		ops = append(ops, op)
	}
	return LogOf(SetType, ops...), sightings
}
