package history

import (
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"os"
)

// Source is a history that becomes a part of another.
type Source struct {
	Path string
	// Map changes an operation's times to those of the whole. It keeps their order; nil:
	// they are those already.
	Map func(*Op)
	// Cut says that it may be cut off: what is missing is in another source, as possible
	// operations.
	Cut bool
}

// leastHeldBack is how much of each of many parts is held back at least, see merger.
const leastHeldBack = 1 << 18

// Join makes one history of several, by start, in memory that does not grow with them:
// what each driver of a run recorded, and the harness. It writes a new file at path, of
// which whole says that nothing is missing: if not, or if a part says itself that it is
// cut, it has no end mark. lengths are how many operations came from each part.
func Join(path string, meta Meta, parts []Source, whole bool) (lengths []int, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("join histories: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("join histories: %w", closeErr)
		}
	}()
	out, err := newEncoder(file, meta)
	if err != nil {
		return nil, err
	}
	j := joiner{out: out, room: max(heldBack/max(len(parts), 1), leastHeldBack)}
	defer j.stop()
	for _, part := range parts {
		if err := j.add(part); err != nil {
			return nil, err
		}
	}
	if err := j.run(); err != nil {
		return nil, err
	}
	if whole && !j.torn {
		err = out.end()
	}
	return j.lengths, errors.Join(err, syncFile(file))
}

// joiner merges parts, of which those that are not at their end lie in a heap by their
// next operations.
type joiner struct {
	out     *encoder
	logs    []*Log
	maps    []func(*Op)
	torn    bool
	room    int // of each part, see merger: all of them share that of one
	next    []func() (*Op, bool)
	stops   []func()
	heads   []Op
	open    []int // the heap: parts by number
	lengths []int
	pending []Op
	weight  int
}

func (j *joiner) add(part Source) error {
	s := &stored{path: part.Path, room: j.room, most: maxEarly}
	log := &Log{stored: s}
	if err := s.survey(log); err != nil {
		return fmt.Errorf("join histories: %w", err)
	}
	next, stop := iter.Pull(log.All())
	j.torn = j.torn || log.Torn && !part.Cut
	i := len(j.logs)
	j.logs, j.next, j.stops, j.maps = append(j.logs, log), append(j.next, next), append(j.stops, stop), append(j.maps, part.Map)
	j.heads, j.lengths = append(j.heads, Op{}), append(j.lengths, 0)
	if j.advance(i) {
		heap.Push(j, i)
	}
	return nil
}

// advance takes the part's next operation, if there is one.
func (j *joiner) advance(i int) bool {
	op, ok := j.next[i]()
	if !ok {
		return false
	}
	j.heads[i] = *op
	if j.maps[i] != nil {
		j.maps[i](&j.heads[i])
	}
	j.lengths[i]++
	return true
}

func (j *joiner) Len() int      { return len(j.open) }
func (j *joiner) Swap(a, b int) { j.open[a], j.open[b] = j.open[b], j.open[a] }
func (j *joiner) Push(part any) { j.open = append(j.open, part.(int)) }

// Less has operations that began at once in the order of their parts.
func (j *joiner) Less(a, b int) bool {
	order := Less(&j.heads[j.open[a]], &j.heads[j.open[b]])
	return order < 0 || order == 0 && j.open[a] < j.open[b]
}

func (j *joiner) Pop() any {
	last := j.open[len(j.open)-1]
	j.open = j.open[:len(j.open)-1]
	return last
}

func (j *joiner) run() error {
	for len(j.open) > 0 {
		least := j.open[0]
		j.pending = append(j.pending, j.heads[least])
		j.weight += len(j.heads[least].Elements)
		if len(j.pending) >= batchOps || j.weight >= batchElements {
			if err := j.flush(); err != nil {
				return err
			}
		}
		if j.advance(least) {
			heap.Fix(j, 0)
		} else {
			heap.Pop(j)
		}
	}
	for _, log := range j.logs {
		if err := log.Err(); err != nil {
			return fmt.Errorf("join histories: %w", err)
		}
	}
	return j.flush()
}

func (j *joiner) flush() error {
	if len(j.pending) == 0 {
		return nil
	}
	err := j.out.write(j.pending)
	clear(j.pending)
	j.pending, j.weight = j.pending[:0], 0
	return err
}

func (j *joiner) stop() {
	for _, stop := range j.stops {
		stop()
	}
}
