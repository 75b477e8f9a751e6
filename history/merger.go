package history

import (
	"math"
	"sort"
)

const never = math.MaxInt64

// How much a merger holds back at least, and how much may come too late for
// that, in words of eight bytes.
const (
	heldBack = 1 << 21
	maxEarly = 1 << 24
)

// opWords is the weight of an operation without its Elements.
const opWords = 11

func weight(op *Op) int { return opWords + len(op.Elements) }

// merger brings a file's operations, which are in the order of their ends as
// far as batches go, into the order of Less. It holds the last batches back, as
// many as there is memory for. With them read, the line stands at the greatest
// start among the batches before: what starts before the line is let go. The
// few operations that lasted so long that they come only when the line has
// passed their start are early: they were found by a pass before, and are
// handed in as late. So the order is exact, whatever the file holds.
type merger struct {
	reader *Reader
	line   int64
	room   int    // weight that is held back at least
	last   []mark // batches behind the line
	weight int    // of last
	high   int64  // greatest start of the batches before last
	begun  bool

	ops    []Op // held back, in order, from first on
	first  int
	late   []Op // early operations yet to come, in order
	sorter sorter
}

// mark is a batch that is held back.
type mark struct {
	weight int
	start  int64 // the greatest
}

// next reads a batch; operations of it that start before the line are early.
func (m *merger) next() ([]Op, error) {
	if m.begun {
		m.line = m.high
	} else {
		m.line, m.high, m.begun = math.MinInt64, math.MinInt64, true
	}
	ops, err := m.reader.Next()
	if err != nil {
		return nil, err
	}
	b := mark{start: math.MinInt64}
	for i := range ops {
		b.weight += weight(&ops[i])
		b.start = max(b.start, ops[i].Start)
	}
	m.last = append(m.last, b)
	m.weight += b.weight
	for m.weight-m.last[0].weight >= m.room {
		m.weight -= m.last[0].weight
		m.high = max(m.high, m.last[0].start)
		m.last = m.last[1:]
	}
	return ops, nil
}

func (m *merger) early(op *Op) bool { return op.Start < m.line }

// hold takes a batch but for its early operations.
func (m *merger) hold(batch []Op) {
	if len(m.ops)+len(batch) > cap(m.ops) {
		m.makeRoom(len(batch))
	}
	from := len(m.ops)
	for i := range batch {
		if !m.early(&batch[i]) {
			m.ops = append(m.ops, batch[i])
		}
	}
	m.sorter.sort(m.ops[from:])
	if held := m.ops[m.first:]; from > m.first && from < len(m.ops) {
		m.sorter.merge(held, from-m.first)
	}
	m.line = max(m.line, m.high)
}

// makeRoom forgets what was let go. It leaves as much room as is in use, so that
// operations are moved about once.
func (m *merger) makeRoom(more int) {
	held, to := m.ops[m.first:], m.ops[:0]
	if need := 2 * (len(held) + more); need > cap(m.ops) {
		to = make([]Op, 0, need)
	}
	m.ops, m.first = append(to, held...), 0
	clear(m.ops[len(m.ops):cap(m.ops)]) // their Elements
}

// release yields what starts before the line; false when yield is.
func (m *merger) release(yield func(*Op) bool) bool {
	held := m.ops[m.first:]
	n := len(held)
	if m.line != never {
		n = sort.Search(n, func(i int) bool { return held[i].Start >= m.line })
	}
	m.first += n
	for i := 0; ; {
		switch {
		case len(m.late) > 0 && (m.line == never || m.late[0].Start < m.line) && (i == n || Less(&m.late[0], &held[i]) < 0):
			if !yield(&m.late[0]) {
				return false
			}
			m.late = m.late[1:]
		case i < n:
			if !yield(&held[i]) {
				return false
			}
			i++
		default:
			return true
		}
	}
}

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
