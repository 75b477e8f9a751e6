package history

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// Size is how much history there is.
type Size struct {
	Ops      int64
	Elements int64 // of all operations
}

// Open is Load for a history that fits into memory, as fits says from the
// file's description and size. One that does not stays in its file: its Log has
// no Ops but those that Keep brings in, and All reads the file again and again.
// A file that is damaged fits, so that the error is that of Load.
func Open(path string, fits func(Meta, Size) bool) (*Log, error) {
	path, err := findFile(path)
	if err != nil {
		return nil, err
	}
	meta, size, err := count(path)
	if err != nil || fits(meta, size) {
		return Load(path)
	}
	s := &stored{path: path, room: heldBack, most: maxEarly}
	log := &Log{stored: s}
	if err := s.survey(log); err != nil {
		return nil, err
	}
	return log, log.readEvents(path)
}

// count reads the sizes of a file's batches without decoding them.
func count(path string) (meta Meta, size Size, err error) {
	file, err := os.Open(path)
	if err != nil {
		return meta, size, fmt.Errorf("load a history: %w", err)
	}
	defer file.Close()
	r, err := NewReader(file, path)
	if err != nil {
		return meta, size, err
	}
	for r.err == nil {
		var f *frame
		if f, err = r.frames.next(); err != nil {
			break
		}
		if f.kind == messageDictionary {
			continue
		}
		rows, elements, err := r.decoder.layout.rows(f)
		if err != nil {
			return meta, size, err
		}
		size.Ops, size.Elements = size.Ops+int64(rows), size.Elements+int64(elements)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
		err = nil
	}
	return r.Meta(), size, err
}

// stored is the operations of a history that stays in its file.
type stored struct {
	path  string
	sizes []Size // by workload
	extents
	early []Op  // see merger, in order
	room  int   // see merger
	most  int   // weight of early
	err   error // of a pass
}

// OnDisk tells whether the log's operations are in a file, and Ops holds only
// what Keep brought in.
func (l *Log) OnDisk() bool { return l.stored != nil }

// Err is the error that ended a pass over a log on disk before its time.
func (l *Log) Err() error {
	if l.stored == nil {
		return nil
	}
	return l.stored.err
}

// Len is the number of operations, in memory or on disk.
func (l *Log) Len() int {
	if l.stored == nil {
		return len(l.Ops)
	}
	return int(l.stored.total().Ops)
}

func (s *stored) total() (all Size) {
	for _, one := range s.sizes {
		all.Ops, all.Elements = all.Ops+one.Ops, all.Elements+one.Elements
	}
	return all
}

// StoredSizes are the sizes of the workloads of a log on disk.
func (l *Log) StoredSizes() []Size {
	if l.stored == nil {
		return nil
	}
	return l.stored.sizes
}

// All passes over all operations in order of Less. Those of a log on disk are
// read from its file, in memory that does not grow with it, and are valid until
// the next; whether the pass came to its end is told by Err.
func (l *Log) All() iter.Seq[*Op] {
	return func(yield func(*Op) bool) {
		if l.stored != nil {
			if err := l.stored.pass(yield); err != nil && l.stored.err == nil {
				l.stored.err = err
			}
			return
		}
		for i := range l.Ops {
			if !yield(&l.Ops[i]) {
				return
			}
		}
	}
}

// Keep brings the wanted operations of a log on disk into Ops; n is about how
// many they are.
func (l *Log) Keep(n int, wanted func(*Op) bool) {
	l.Ops = make([]Op, 0, n)
	for op := range l.All() {
		if wanted(op) {
			l.Ops = append(l.Ops, *op)
			kept := &l.Ops[len(l.Ops)-1]
			kept.Elements = slices.Clone(op.Elements) // else it would keep its whole batch
		}
	}
}

// survey passes over the file for the first time.
func (s *stored) survey(log *Log) error {
	err := s.read(func(r *Reader) error {
		log.Meta, s.sizes = r.Meta(), make([]Size, len(r.Meta().Workloads))
		m := merger{reader: r, room: s.room}
		kept := 0
		for {
			ops, err := m.next()
			if err != nil {
				log.Torn = r.Torn()
				log.noteLost()
				return err
			}
			for i := range ops {
				op := &ops[i]
				s.sizes[op.Workload].Ops++
				s.sizes[op.Workload].Elements += int64(len(op.Elements))
				s.extents.add(op)
				if m.early(op) {
					s.early = append(s.early, *op)
					kept += weight(op)
				}
			}
			if kept > s.most {
				return fmt.Errorf("%w: %s does not fit into memory, and cannot be read in order from disk, for its operations are in no order of time: give more memory", ErrFormat, s.path)
			}
		}
	})
	new(sorter).sort(s.early)
	return err
}

// pass yields all operations in order, until yield is false.
func (s *stored) pass(yield func(*Op) bool) error {
	return s.read(func(r *Reader) error {
		m := merger{reader: r, room: s.room, late: s.early}
		for left := s.total().Ops; ; {
			ops, err := m.next()
			left -= int64(len(ops))
			switch {
			case err == nil:
				m.hold(ops)
			case errors.Is(err, io.EOF) && left == 0:
				m.line = never
			case errors.Is(err, io.EOF):
				return fmt.Errorf("read a history: %s changed while it was read", s.path)
			default:
				return err
			}
			if !m.release(yield) || err != nil {
				return err
			}
		}
	})
}

// read opens the file for one pass.
func (s *stored) read(pass func(*Reader) error) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("read a history: %w", err)
	}
	defer file.Close()
	r, err := NewReader(file, s.path)
	if err != nil {
		return err
	}
	if err := pass(r); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
