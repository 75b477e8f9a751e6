package history

import (
	"math"
	"math/rand/v2"
	"slices"
)

// simulation makes the operations of a register workload: open loop, half of
// them writes, a primary and two replicas, values worker<<40|n.
type simulation struct {
	workers, keys int
	rate          float64
	random        *rand.Rand
	written       []int64 // by worker
	holds         []int64 // by key
}

func newSimulation(rate float64) *simulation {
	s := &simulation{workers: 16, keys: 64, rate: rate, random: rand.New(rand.NewPCG(1, 2))}
	s.written, s.holds = make([]int64, s.workers), make([]int64, s.keys)
	for i := range s.holds {
		s.holds[i] = Nil
	}
	return s
}

func (s *simulation) meta() Meta {
	return Meta{Run: "simulated", Nodes: []string{"n1", "n2", "n3"},
		Workloads: []WorkloadMeta{{Name: "register", Type: "register", Keys: s.keys, Workers: s.workers}}}
}

// ops makes n operations in the order of their ends.
func (s *simulation) ops(n int) []Op {
	ops := make([]Op, n)
	for i := range ops {
		op := &ops[i]
		w := i % s.workers
		op.Worker, op.Process = uint16(w), uint32(w)
		op.Intended = int64(float64(i) / s.rate * 1e9)
		op.Start = op.Intended + 20_000 + int64(s.random.ExpFloat64()*80_000)
		op.End = op.Start + int64(400_000*math.Exp(0.5*s.random.NormFloat64()))
		op.Key = uint32(s.random.IntN(s.keys))
		op.Node = int8(s.random.IntN(3))
		op.Outcome = OK
		if s.random.IntN(2) == 0 {
			op.Kind, op.Node = Write, 0
			s.written[w]++
			op.Value = int64(w)<<40 | s.written[w]
			s.holds[op.Key] = op.Value
		} else {
			op.Value = s.holds[op.Key]
		}
		if op.Node == 0 {
			op.Flags |= FromPrimary
		}
	}
	slices.SortFunc(ops, func(a, b Op) int { return cmp64(a.End, b.End) })
	return ops
}

// byWorker puts each batch of n operations into the order in which the recorder
// collects them: one worker after the other.
func byWorker(ops []Op, n int) []Op {
	for batch := range slices.Chunk(ops, n) {
		slices.SortStableFunc(batch, func(a, b Op) int { return int(a.Worker) - int(b.Worker) })
	}
	return ops
}
