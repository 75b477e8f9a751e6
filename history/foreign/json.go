package foreign

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonReader reads operations that are JSON objects, one after the other or all
// in one array. encoding/json tells where an operation ends and whether it is
// JSON; its values are then read as EDN's are, for their tokens would cost a
// hundred allocations.
type jsonReader struct {
	name    string
	decoder *json.Decoder
	lines   *lineCounter
	raw     json.RawMessage
	edn     ednReader
	entry   entry
	started bool
	array   bool
	opened  int
	done    bool
}

func newJSONReader(in io.Reader, name string) *jsonReader {
	lines := &lineCounter{name: name, in: in, line: 1}
	return &jsonReader{name: name, decoder: json.NewDecoder(lines), lines: lines}
}

func (r *jsonReader) next() (*entry, error) {
	if r.done {
		return nil, io.EOF
	}
	if !r.started {
		if err := r.start(); err != nil {
			return nil, err
		}
	}
	if r.array && !r.decoder.More() {
		r.done = true
		return nil, r.ended()
	}
	r.lines.began = r.decoder.InputOffset()
	if err := r.decoder.Decode(&r.raw); err != nil {
		return nil, r.failed(err)
	}
	line := r.lines.at(r.decoder.InputOffset() - int64(len(r.raw)))
	r.edn.reset()
	r.edn.scanner = scanner{name: r.name, buf: r.raw, end: len(r.raw), line: line}
	r.edn.json = true
	v, err := r.edn.value(0)
	if err != nil {
		return nil, err
	}
	if err := r.entry.fill(&v, r.name, line); err != nil {
		return nil, err
	}
	return &r.entry, nil
}

// start takes the beginning of an array, if there is one.
func (r *jsonReader) start() error {
	r.started = true
	head, tuple, err := r.lines.peek()
	if errors.Is(err, io.EOF) && head != 0 {
		err = nil // the decoder tells what is missing
	}
	if err != nil || head != '[' || tuple {
		return err
	}
	if _, err := r.decoder.Token(); err != nil {
		return r.failed(err)
	}
	r.array, r.opened = true, r.lines.at(r.decoder.InputOffset())
	return nil
}

// ended expects the end of the array and nothing behind it.
func (r *jsonReader) ended() error {
	t, err := r.decoder.Token()
	if err != nil || t != json.Delim(']') {
		return r.failed(err)
	}
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		return errorAt(r.name, r.lines.at(r.decoder.InputOffset()), "expected nothing behind the array of operations")
	}
	return io.EOF
}

// failed puts the line to an error of the decoder; io.EOF is left as it is
// where a history may end.
func (r *jsonReader) failed(err error) error {
	var syntax *json.SyntaxError
	at := r.decoder.InputOffset()
	switch {
	case r.lines.err != nil:
		return r.lines.err
	case errors.Is(err, io.EOF) && !r.array:
		return io.EOF
	case errors.Is(err, io.EOF):
		return errorAt(r.name, r.lines.at(at), "the file ends within the array that begins at line %d: it was cut short; take the incomplete operation out", r.opened)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errorAt(r.name, r.lines.at(r.lines.read), "the file ends within an operation: it was cut short; take the incomplete operation out")
	case errors.As(err, &syntax):
		return errorAt(r.name, r.lines.at(max(at, syntax.Offset-1)), "expected JSON: %w", err)
	case err == nil:
		return errorAt(r.name, r.lines.at(at), "expected the end of the array")
	}
	return errorAt(r.name, r.lines.at(at), "expected JSON: %w", err)
}

// lineCounter tells the line of an offset from which on it has read, and
// bounds how much is read for one operation.
type lineCounter struct {
	name  string
	in    io.Reader
	read  int64
	began int64   // offset at which the current operation begins
	line  int     // of the offset last asked for
	ahead []int64 // offsets of the line ends behind it
	err   error
}

func (l *lineCounter) Read(b []byte) (int, error) {
	if l.read-l.began > maxOpBytes {
		l.err = errorAt(l.name, l.at(l.began), "an operation is longer than %d MiB", maxOpBytes>>20)
		return 0, l.err
	}
	n, err := l.in.Read(b)
	for at := 0; ; {
		next := bytes.IndexByte(b[at:n], '\n')
		if next < 0 {
			break
		}
		at += next + 1
		l.ahead = append(l.ahead, l.read+int64(at))
	}
	l.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = fmt.Errorf("read %s: %w", l.name, err)
		err = l.err
	}
	return n, err
}

// peek tells the first byte that is no white space, and whether the text begins with an array that is an operation, and
// not one of operations. It looks at the first bytes, before anything is read, and
// takes a byte order mark, which is no JSON.
func (l *lineCounter) peek() (first byte, tuple bool, err error) {
	in := bufio.NewReaderSize(l.in, 1<<16)
	l.in = in
	if mark, _ := in.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = in.Discard(3)
	}
	for n := 1; n <= in.Size(); n++ {
		head, err := in.Peek(n)
		switch {
		case len(head) < n && errors.Is(err, io.EOF):
			return first, false, io.EOF
		case len(head) < n:
			return 0, false, fmt.Errorf("read %s: %w", l.name, err)
		case head[n-1] <= ' ':
		case first != 0 || head[n-1] != '[':
			return cmp.Or(first, head[n-1]), first != 0 && !bytes.ContainsRune([]byte("{[]"), rune(head[n-1])), nil
		default:
			first = '['
		}
	}
	return first, false, nil
}

// at is the line of an offset; offsets may only grow.
func (l *lineCounter) at(offset int64) int {
	passed := 0
	for passed < len(l.ahead) && l.ahead[passed] <= offset {
		passed++
	}
	l.line += passed
	l.ahead = l.ahead[passed:]
	return l.line
}
