package ripple

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unsafe"

	"github.com/aftershock-chaos/aftershock/history"
)

const (
	readSize = 4 << 10
	maxReply = 16 << 20 // bytes of one value
)

var errReply = errors.New("unexpected reply")

// reply is one RESP2 value; an array's elements are read one by one after it.
// text is valid until the next call of the reader.
type reply struct {
	kind byte // + - : $ *
	n    int64
	text []byte
	null bool
}

// value is a decimal value, or history.Nil for a missing one.
func (r reply) value() (int64, error) {
	if r.kind != '$' {
		return 0, errReply
	}
	if r.null {
		return history.Nil, nil
	}
	return parseInt(r.text)
}

func parseInt(b []byte) (int64, error) {
	// The string does not outlive the call.
	v, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(b), len(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: not a number: %.32q", errReply, string(b))
	}
	return v, nil
}

// reader reads RESP2 values without allocating for each.
type reader struct {
	src        io.Reader
	buf        []byte
	start, end int
}

// reply reads one value, or an array's head.
func (r *reader) reply() (reply, error) {
	line, err := r.line()
	if err != nil {
		return reply{}, err
	}
	if len(line) == 0 {
		return reply{}, errReply
	}
	v := reply{kind: line[0], text: line[1:]}
	switch v.kind {
	case '+', '-':
		return v, nil
	case ':', '*', '$':
	default:
		return reply{}, fmt.Errorf("%w: %.32q", errReply, string(line))
	}
	if v.n, err = parseInt(v.text); err != nil || v.kind == ':' {
		return v, err
	}
	switch {
	case v.n == -1:
		v.null, v.n, v.text = true, 0, nil
	case v.n < 0 || v.n > maxReply:
		return reply{}, fmt.Errorf("%w: length %d", errReply, v.n)
	case v.kind == '$':
		v.text, err = r.bulk(int(v.n))
	}
	return v, err
}

// line reads up to the next CRLF, which it leaves out.
func (r *reader) line() ([]byte, error) {
	for scanned := 0; ; {
		if i := bytes.IndexByte(r.buf[r.start+scanned:r.end], '\n'); i >= 0 {
			line := r.buf[r.start : r.start+scanned+i]
			r.start += scanned + i + 1
			if n := len(line); n > 0 && line[n-1] == '\r' {
				return line[:n-1], nil
			}
			return nil, errReply
		}
		scanned = r.end - r.start
		if scanned > readSize {
			return nil, fmt.Errorf("%w: a line of more than %d bytes", errReply, readSize)
		}
		if err := r.fill(1); err != nil {
			return nil, err
		}
	}
}

// bulk reads n bytes and the CRLF behind them.
func (r *reader) bulk(n int) ([]byte, error) {
	for r.end-r.start < n+2 {
		if err := r.fill(n + 2); err != nil {
			return nil, err
		}
	}
	b := r.buf[r.start : r.start+n]
	if r.buf[r.start+n] != '\r' || r.buf[r.start+n+1] != '\n' {
		return nil, errReply
	}
	r.start += n + 2
	return b, nil
}

// fill reads more, with room for at least want bytes from r.start on.
func (r *reader) fill(want int) error {
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if len(r.buf)-r.start < want || r.end == len(r.buf) {
		next := r.buf
		if have := r.end - r.start; r.start == 0 || len(r.buf) < want {
			next = make([]byte, max(2*have, want, readSize))
		}
		r.end = copy(next, r.buf[r.start:r.end])
		r.start, r.buf = 0, next
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
