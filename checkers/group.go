package checkers

import (
	"cmp"
	"math"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// The ends of time: before and after everything on the run's clock.
const (
	beginning int64 = math.MinInt64
	never     int64 = math.MaxInt64
)

// none is the position of an operation, and the index of a value, that is not
// there.
const none int32 = -1

// group is the operations on one key of one workload.
type group struct {
	workload uint8
	key      uint32
	ops      []int32 // indexes into the log's Ops, in the order of history.Less
}

// groups splits the operations of the workloads of a type by key, in order of
// workload and key. Operations of no known workload belong to no group.
func groups(log *history.Log, typ string) []group {
	return groupsOf(log, typ, func(uint64) bool { return true })
}

// groupsOf is groups of those keys only that are wanted, by id.
func groupsOf(log *history.Log, typ string, wanted func(id uint64) bool) []group {
	workloads := make([]bool, 256)
	for i := range min(len(log.Meta.Workloads), len(workloads)) {
		workloads[i] = log.Meta.Workloads[i].Type == typ
	}
	index, counts, all := newKeyIndex(), []int32(nil), []group(nil)
	for i := range log.Ops {
		op := &log.Ops[i]
		if !workloads[op.Workload] {
			continue
		}
		at := index.of(op.Workload, op.Key)
		if *at == 0 {
			all, counts = append(all, group{workload: op.Workload, key: op.Key}), append(counts, 0)
			*at = int32(len(all))
		}
		counts[*at-1]++
	}
	total := int32(0)
	for i := range all {
		if wanted(all[i].id()) {
			total += counts[i]
		} else {
			counts[i] = 0
		}
	}
	arena := make([]int32, total)
	for i := range all {
		all[i].ops, arena = arena[:0:counts[i]], arena[counts[i]:]
	}
	for i := range log.Ops {
		if op := &log.Ops[i]; workloads[op.Workload] {
			if at := *index.of(op.Workload, op.Key) - 1; counts[at] > 0 {
				all[at].ops = append(all[at].ops, int32(i))
			}
		}
	}
	all = slices.DeleteFunc(all, func(g group) bool { return len(g.ops) == 0 })
	slices.SortFunc(all, func(a, b group) int { return a.compare(&b) })
	if !inOrder(log.Ops) {
		for i := range all {
			all[i].sort(log)
		}
	}
	return all
}

func (g *group) id() uint64 { return uint64(g.workload)<<32 | uint64(g.key) }

// inOrder tells whether operations are in the order of history.Less.
func inOrder(ops []history.Op) bool {
	for i := 1; i < len(ops); i++ {
		if history.Less(&ops[i-1], &ops[i]) > 0 {
			return false
		}
	}
	return true
}

func (g *group) compare(o *group) int {
	return cmp.Or(cmp.Compare(g.workload, o.workload), cmp.Compare(g.key, o.key))
}

// sort does nothing for a log that is in its order, as it should be.
func (g *group) sort(log *history.Log) {
	order := func(a, b int32) int { return history.Less(&log.Ops[a], &log.Ops[b]) }
	if !slices.IsSortedFunc(g.ops, order) {
		slices.SortStableFunc(g.ops, order)
	}
}

// from and until are the begin and the end of the time in which an operation
// happened. They agree with Start and End but for malformed operations, whose
// end is before their start.
func from(op *history.Op) int64  { return min(op.Start, op.End) }
func until(op *history.Op) int64 { return max(op.Start, op.End) }

// span is a−b, or the greatest distance there is if that is too great.
func span(a, b int64) int64 {
	d := a - b
	if (a > b) == (d > 0) {
		return d
	}
	if a > b {
		return never
	}
	return beginning
}

// byStart orders evidence, without repetitions.
func byStart(log *history.Log, ops []int32) []int32 {
	ops = slices.DeleteFunc(slices.Clone(ops), func(i int32) bool { return i < 0 })
	slices.SortFunc(ops, func(a, b int32) int {
		return cmp.Or(history.Less(&log.Ops[a], &log.Ops[b]), cmp.Compare(a, b))
	})
	return slices.Compact(ops)
}

// evidence copies operations for a finding, in order of start.
func evidence(log *history.Log, ops ...int32) []history.Op {
	ops = byStart(log, ops)
	all := make([]history.Op, len(ops))
	for i, o := range ops {
		all[i] = log.Ops[o]
	}
	return all
}
