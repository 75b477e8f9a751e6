package foreign

import (
	"errors"
	"fmt"
	"io"
)

// scanner reads bytes and counts lines.
type scanner struct {
	name string
	in   io.Reader // nil: the buffer is all
	buf  []byte
	at   int
	end  int
	line int

	before int64 // bytes read before the buffer
	began  int64 // where the current entry begins
	err    error // of in, or the entry is too long
}

func newScanner(in io.Reader, name string) scanner {
	return scanner{name: name, in: in, buf: make([]byte, 1<<16), line: 1}
}

// offset is the place of the next byte.
func (s *scanner) offset() int64 { return s.before + int64(s.at) }

// peek is the next byte; false at the end, or after an error.
func (s *scanner) peek() (byte, bool) {
	if s.at < s.end || s.fill() {
		return s.buf[s.at], true
	}
	return 0, false
}

// skip passes over the byte that peek showed.
func (s *scanner) skip() {
	if s.buf[s.at] == '\n' {
		s.line++
	}
	s.at++
}

func (s *scanner) fill() bool {
	if s.in == nil || s.err != nil {
		return false
	}
	if s.before+int64(s.end)-s.began > maxOpBytes {
		s.err = s.failf("an operation is longer than %d MiB", maxOpBytes>>20)
		return false
	}
	s.before += int64(s.end)
	s.at, s.end = 0, 0
	for range 100 { // a reader that gives neither bytes nor an error is broken
		n, err := s.in.Read(s.buf)
		s.end = n
		if err != nil {
			s.in = nil
			if !errors.Is(err, io.EOF) {
				s.err = fmt.Errorf("read %s: %w", s.name, err)
			}
		}
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	s.err = fmt.Errorf("read %s: %w", s.name, io.ErrNoProgress)
	return false
}

// failf is an error at the current line.
func (s *scanner) failf(format string, args ...any) error {
	return errorAt(s.name, s.line, format, args...)
}

func errorAt(name string, line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", name, line, fmt.Errorf(format, args...))
}

// cutShort is the error of an end within an operation.
func (s *scanner) cutShort(inside string, since int) error {
	if s.err != nil {
		return s.err
	}
	return s.failf("the file ends within %s that begins at line %d: it was cut short; take the incomplete operation out", inside, since)
}
