package history

import "sort"

// sorter holds memory for sorting, so that it can be used again.
type sorter struct {
	bounds []int // run i is ops[bounds[i]:bounds[i+1]]
	spare  []Op
}

// sort sorts ops by Less; equal operations keep their order. It is a natural
// merge sort: what is sorted already is found and then merged, neighbour with
// neighbour. What it is given consists of few long runs, one per worker in a
// batch and one per batch in a file, and these overlap only as far as
// operations lasted beyond their batch. Only overlaps are moved, so that a
// loaded file costs near linear time; at worst it is n·log(runs).
func (s *sorter) sort(ops []Op) {
	bounds := append(s.bounds[:0], 0)
	for i := 1; i < len(ops); i++ {
		if Less(&ops[i], &ops[i-1]) < 0 {
			bounds = append(bounds, i)
		}
	}
	bounds = append(bounds, len(ops))
	s.bounds = bounds
	for len(bounds) > 2 {
		merged := bounds[:1]
		for i := 0; i+1 < len(bounds); i += 2 {
			end := bounds[i+1]
			if i+2 < len(bounds) {
				end = bounds[i+2]
				s.merge(ops[bounds[i]:end], bounds[i+1]-bounds[i])
			}
			merged = append(merged, end) // at an index that has been read
		}
		bounds = merged
	}
}

// merge merges ops[:mid] and ops[mid:], both sorted and neither empty.
func (s *sorter) merge(ops []Op, mid int) {
	first := sort.Search(mid, func(i int) bool { return Less(&ops[i], &ops[mid]) > 0 })
	if first == mid {
		return
	}
	last := mid + sort.Search(len(ops)-mid, func(i int) bool { return Less(&ops[mid+i], &ops[mid-1]) >= 0 })
	s.spare = append(s.spare[:0], ops[first:mid]...)
	to, right := first, mid
	for left := 0; left < len(s.spare); to++ {
		if right < last && Less(&ops[right], &s.spare[left]) < 0 {
			ops[to] = ops[right]
			right++
		} else {
			ops[to] = s.spare[left]
			left++
		}
	}
}

// Sort sorts ops as a Log keeps them: by Less; equal ones keep their order.
func Sort(ops []Op) { new(sorter).sort(ops) }
