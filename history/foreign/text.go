package foreign

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// textReader reads Jepsen's text form: a line of process, type, function and
// value, such as
//
//	0	:invoke	:write	[3 17]
//
// perhaps with an error at its end, and with anything before it in a log:
//
//	INFO  jepsen.util - 0	:ok	:read	nil
//
// Lines of a log that tell something else are passed over.
type textReader struct {
	in     *bufio.Reader
	name   string
	lineNo int
	buf    []byte
	edn    ednReader
	log    bool // the first operation stood behind something else
	begun  bool
	passed int64 // bytes since the last operation
	entry  entry
}

func newTextReader(in *bufio.Reader, name string) *textReader { return &textReader{in: in, name: name} }

func (r *textReader) next() (*entry, error) {
	for {
		line, err := r.line()
		if err != nil {
			return nil, err
		}
		parts, ok := splitLine(line)
		if r.passed += int64(len(line)); r.passed > maxPassed {
			return nil, errorAt(r.name, r.lineNo, "no operation in %d MiB", maxPassed>>20)
		}
		if ok {
			if r.passed = 0; !r.begun {
				r.begun, r.log = true, r.log || len(bytes.TrimSpace(parts.before)) > 0
			}
			return r.parse(parts)
		}
		rest := skipBlank(line)
		if len(rest) == 0 {
			continue
		}
		if !r.begun {
			r.log = true // a log tells other things first
		}
		if !r.log {
			return nil, errorAt(r.name, r.lineNo, "expected process, type, function and value, as in `0 :invoke :read nil`, found %s",
				(&value{shape: str, text: rest[:min(len(rest), 40)]}).describe())
		}
	}
}

// maxPassed is how much of a log may tell no operation.
const maxPassed = 1 << 30

// line reads the next line.
func (r *textReader) line() ([]byte, error) {
	r.buf = r.buf[:0]
	r.lineNo++
	for {
		part, err := r.in.ReadSlice('\n')
		r.buf = append(r.buf, part...)
		switch {
		case len(r.buf) > maxOpBytes:
			return nil, errorAt(r.name, r.lineNo, "a line is longer than %d MiB", maxOpBytes>>20)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read %s: %w", r.name, err)
		case err != nil && len(r.buf) == 0:
			return nil, io.EOF
		}
		return r.buf, nil
	}
}

func (r *textReader) parse(parts lineParts) (*entry, error) {
	e := &r.entry
	e.clear(r.lineNo)
	e.kind = parts.kind
	process := value{shape: str, text: parts.process}
	if parts.process[0] == ':' {
		process = value{shape: word, keyword: true, text: parts.process[1:]}
	}
	e.fillProcess(&process)
	r.edn.scanner = scanner{name: r.name, buf: parts.after, end: len(parts.after), line: r.lineNo}
	r.edn.reset()
	for column := 0; ; column++ {
		c, ok, err := r.edn.significant()
		if err != nil {
			return nil, err
		}
		if !ok && column < 2 {
			return nil, errorAt(r.name, r.lineNo, "expected a function and a value behind the type, as in `0 :invoke :read nil`")
		}
		if !ok || column > 2 || e.bystander && column > 1 {
			return e, nil
		}
		if column == 2 && c != ':' && c != '"' && c != '{' && c != '[' {
			return e, nil // behind the value stands what a person wrote
		}
		v, err := r.edn.value(0)
		if err != nil {
			if e.bystander && column > 0 {
				return e, nil
			}
			return nil, err
		}
		switch column {
		case 0:
			if v.shape != word {
				return nil, errorAt(r.name, r.lineNo, "expected a function such as :read, found %s", v.describe())
			}
			e.function = v.text
		case 1:
			e.value = v
		case 2:
			e.failure = v
		}
	}
}

// lineParts is a line of the text form, divided.
type lineParts struct {
	before, process, after []byte
	kind                   entryKind
}

// splitLine finds a process and the type of an entry in a line.
func splitLine(line []byte) (lineParts, bool) {
	for from := 0; ; {
		colon := bytes.IndexByte(line[from:], ':')
		if colon < 0 {
			return lineParts{}, false
		}
		at := from + colon
		from = at + 1
		if at == 0 || line[at-1] != '\t' && line[at-1] != ' ' {
			continue
		}
		end := at + 1
		for end < len(line) && !ends(line[end]) {
			end++
		}
		kind, ok := kindOf(line[at+1 : end])
		if !ok || end < len(line) && line[end] != ' ' && line[end] != '\t' {
			continue
		}
		before := bytes.TrimRight(line[:at], " \t")
		start := len(before)
		for start > 0 && before[start-1] != ' ' && before[start-1] != '\t' {
			start--
		}
		process := before[start:]
		// Behind other words of a log only what Jepsen writes is a process.
		named := len(process) > 1 && process[0] == ':' && (start == 0 || string(process) == ":nemesis")
		if digits(process) || named {
			return lineParts{before[:start], process, line[end:], kind}, true
		}
	}
}
