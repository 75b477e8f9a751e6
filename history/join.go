package history

import (
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
}

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
	j := joiner{out: out}
	defer j.stop()
	for _, part := range parts {
		if err := j.open(part); err != nil {
			return nil, err
		}
	}
	if err := j.run(); err != nil {
		return nil, err
	}
	if whole && !j.torn() {
		err = out.end()
	}
	return j.lengths, errors.Join(err, syncFile(file))
}

// joiner merges parts. They are few: the least of their next operations is looked for.
type joiner struct {
	out     *encoder
	logs    []*Log
	maps    []func(*Op)
	next    []func() (*Op, bool)
	stops   []func()
	heads   []Op
	have    []bool
	lengths []int
	pending []Op
	weight  int
}

func (j *joiner) open(part Source) error {
	s := &stored{path: part.Path, room: heldBack, most: maxEarly}
	log := &Log{stored: s}
	if err := s.survey(log); err != nil {
		return fmt.Errorf("join histories: %w", err)
	}
	next, stop := iter.Pull(log.All())
	j.logs, j.next, j.stops, j.maps = append(j.logs, log), append(j.next, next), append(j.stops, stop), append(j.maps, part.Map)
	j.heads, j.have, j.lengths = append(j.heads, Op{}), append(j.have, false), append(j.lengths, 0)
	j.advance(len(j.logs) - 1)
	return nil
}

func (j *joiner) advance(i int) {
	op, ok := j.next[i]()
	if j.have[i] = ok; !ok {
		return
	}
	j.heads[i] = *op
	if j.maps[i] != nil {
		j.maps[i](&j.heads[i])
	}
	j.lengths[i]++
}

func (j *joiner) run() error {
	for {
		least := -1
		for i := range j.heads {
			if j.have[i] && (least < 0 || Less(&j.heads[i], &j.heads[least]) < 0) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		j.pending = append(j.pending, j.heads[least])
		j.weight += len(j.heads[least].Elements)
		if len(j.pending) >= batchOps || j.weight >= batchElements {
			if err := j.flush(); err != nil {
				return err
			}
		}
		j.advance(least)
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

func (j *joiner) torn() bool {
	for _, log := range j.logs {
		if log.Torn {
			return true
		}
	}
	return false
}

func (j *joiner) stop() {
	for _, stop := range j.stops {
		stop()
	}
}
