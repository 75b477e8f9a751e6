// Package kit is what checkers share: operations by key, the timeline of a run,
// final reads, counts and percentiles as facts, and words for findings.
package kit

import (
	"cmp"
	"math"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// The ends of time: before and after everything on the run's clock.
const (
	Beginning int64 = math.MinInt64
	Never     int64 = math.MaxInt64
)

// None is the position of an operation, and the index of a value, that is not
// there.
const None int32 = -1

// Group is the operations on one key of one workload.
type Group struct {
	Workload uint8
	Key      uint32
	Ops      []int32 // indexes into the log's Ops, in the order of history.Less
}

// Groups splits the operations of the workloads that act on an object by key, in
// order of workload and key. Operations of no known workload belong to no group.
func Groups(log *history.Log, object history.Object) []Group {
	return GroupsOf(log, object, func(uint64) bool { return true })
}

// GroupsOf is groups of those keys only that are wanted, by id.
func GroupsOf(log *history.Log, object history.Object, wanted func(id uint64) bool) []Group {
	workloads := make([]bool, 256)
	for i := range min(len(log.Meta.Workloads), len(workloads)) {
		workloads[i] = log.Meta.Workloads[i].ActsOn() == object
	}
	index, counts, all := NewKeyIndex(), []int32(nil), []Group(nil)
	for i := range log.Ops {
		op := &log.Ops[i]
		if !workloads[op.Workload] {
			continue
		}
		at := index.Of(op.Workload, op.Key)
		if *at == 0 {
			all, counts = append(all, Group{Workload: op.Workload, Key: op.Key}), append(counts, 0)
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
		all[i].Ops, arena = arena[:0:counts[i]], arena[counts[i]:]
	}
	for i := range log.Ops {
		if op := &log.Ops[i]; workloads[op.Workload] {
			if at := *index.Of(op.Workload, op.Key) - 1; counts[at] > 0 {
				all[at].Ops = append(all[at].Ops, int32(i))
			}
		}
	}
	all = slices.DeleteFunc(all, func(g Group) bool { return len(g.Ops) == 0 })
	slices.SortFunc(all, func(a, b Group) int { return a.Compare(&b) })
	if !inOrder(log.Ops) {
		for i := range all {
			all[i].sort(log)
		}
	}
	return all
}

func (g *Group) id() uint64 { return uint64(g.Workload)<<32 | uint64(g.Key) }

// inOrder tells whether operations are in the order of history.Less.
func inOrder(ops []history.Op) bool {
	for i := 1; i < len(ops); i++ {
		if history.Less(&ops[i-1], &ops[i]) > 0 {
			return false
		}
	}
	return true
}

func (g *Group) Compare(o *Group) int {
	return cmp.Or(cmp.Compare(g.Workload, o.Workload), cmp.Compare(g.Key, o.Key))
}

// sort does nothing for a log that is in its order, as it should be.
func (g *Group) sort(log *history.Log) {
	order := func(a, b int32) int { return history.Less(&log.Ops[a], &log.Ops[b]) }
	if !slices.IsSortedFunc(g.Ops, order) {
		slices.SortStableFunc(g.Ops, order)
	}
}

// From and until are the begin and the end of the time in which an operation
// happened. They agree with Start and End but for malformed operations, whose
// end is before their start.
func From(op *history.Op) int64 { return min(op.Start, op.End) }

func Until(op *history.Op) int64 { return max(op.Start, op.End) }

// Span is a−b, or the greatest distance there is if that is too great.
func Span(a, b int64) int64 {
	d := a - b
	if (a > b) == (d > 0) {
		return d
	}
	if a > b {
		return Never
	}
	return Beginning
}

// ByStart orders evidence, without repetitions.
func ByStart(log *history.Log, ops []int32) []int32 {
	ops = slices.DeleteFunc(slices.Clone(ops), func(i int32) bool { return i < 0 })
	slices.SortFunc(ops, func(a, b int32) int {
		return cmp.Or(history.Less(&log.Ops[a], &log.Ops[b]), cmp.Compare(a, b))
	})
	return slices.Compact(ops)
}

// Evidence copies operations for a finding, in order of start.
func Evidence(log *history.Log, ops ...int32) []history.Op {
	ops = ByStart(log, ops)
	all := make([]history.Op, len(ops))
	for i, o := range ops {
		all[i] = log.Ops[o]
	}
	return all
}

// SortedKeys are the keys of a map, rising.
func SortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
