// Package resp reads and writes the protocol of Redis (RESP2) without allocating for
// each value.
package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unsafe"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
)

const (
	readSize = 4 << 10
	maxReply = 16 << 20 // bytes of one value
)

// ErrReply is what an answer is that the request does not have.
var ErrReply = errors.New("unexpected reply")

// Reply is one RESP2 value; an array's elements are read one by one after it.
// Text is valid until the next call of the reader.
type Reply struct {
	Kind byte // + - : $ *
	N    int64
	Text []byte
	Null bool
}

// Value is the number of a value, or history.Nil for a missing one.
func (r Reply) Value(p *payload.Payload) (int64, error) {
	if r.Kind != '$' {
		return 0, ErrReply
	}
	if r.Null {
		return history.Nil, nil
	}
	if p != nil {
		return p.Parse(r.Text)
	}
	return parseInt(r.Text)
}

func parseInt(b []byte) (int64, error) {
	// The string does not outlive the call.
	v, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(b), len(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: not a number: %.32q", ErrReply, string(b))
	}
	return v, nil
}

// Reader reads RESP2 values without allocating for each.
type Reader struct {
	src        io.Reader
	buf        []byte
	start, end int
}

// Next reads one value, or an array's head.
func (r *Reader) Next() (Reply, error) {
	line, err := r.line()
	if err != nil {
		return Reply{}, err
	}
	if len(line) == 0 {
		return Reply{}, ErrReply
	}
	v := Reply{Kind: line[0], Text: line[1:]}
	switch v.Kind {
	case '+', '-':
		return v, nil
	case ':', '*', '$':
	default:
		return Reply{}, fmt.Errorf("%w: %.32q", ErrReply, string(line))
	}
	if v.N, err = parseInt(v.Text); err != nil || v.Kind == ':' {
		return v, err
	}
	switch {
	case v.N == -1:
		v.Null, v.N, v.Text = true, 0, nil
	case v.N < 0 || v.N > maxReply:
		return Reply{}, fmt.Errorf("%w: length %d", ErrReply, v.N)
	case v.Kind == '$':
		v.Text, err = r.bulk(int(v.N))
	}
	return v, err
}

// line reads up to the next CRLF, which it leaves out.
func (r *Reader) line() ([]byte, error) {
	for scanned := 0; ; {
		if i := bytes.IndexByte(r.buf[r.start+scanned:r.end], '\n'); i >= 0 {
			line := r.buf[r.start : r.start+scanned+i]
			r.start += scanned + i + 1
			if n := len(line); n > 0 && line[n-1] == '\r' {
				return line[:n-1], nil
			}
			return nil, ErrReply
		}
		scanned = r.end - r.start
		if scanned > readSize {
			return nil, fmt.Errorf("%w: a line of more than %d bytes", ErrReply, readSize)
		}
		if err := r.fill(1); err != nil {
			return nil, err
		}
	}
}

// bulk reads n bytes and the CRLF behind them.
func (r *Reader) bulk(n int) ([]byte, error) {
	for r.end-r.start < n+2 {
		if err := r.fill(n + 2); err != nil {
			return nil, err
		}
	}
	b := r.buf[r.start : r.start+n]
	if r.buf[r.start+n] != '\r' || r.buf[r.start+n+1] != '\n' {
		return nil, ErrReply
	}
	r.start += n + 2
	return b, nil
}

// fill reads more, with room for at least want bytes from r.start on.
func (r *Reader) fill(want int) error {
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

// NewReader reads from src.
func NewReader(src io.Reader) Reader { return Reader{src: src} }

// Buffered tells whether bytes have been read that no reply was made of yet.
func (r *Reader) Buffered() bool { return r.start < r.end }

// AppendArray begins a command of n words.
func AppendArray(b []byte, n int) []byte { return appendHead(b, '*', n) }

// AppendWord appends one word of a command.
func AppendWord[T string | []byte](b []byte, word T) []byte {
	return append(append(appendHead(b, '$', len(word)), word...), '\r', '\n')
}

func appendHead(b []byte, mark byte, n int) []byte {
	return append(strconv.AppendInt(append(b, mark), int64(n), 10), '\r', '\n')
}
