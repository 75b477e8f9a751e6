package foreign

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string.
func (r *ednReader) str() (value, error) {
	line, from := r.line, len(r.text)
	r.skip()
	for {
		c, ok := r.peek()
		if !ok {
			return value{}, r.cutShort("a string", line)
		}
		r.skip()
		switch c {
		case '"':
			return value{shape: str, text: r.keep(from)}, nil
		case '\\':
			if c, ok = r.peek(); !ok {
				return value{}, r.cutShort("a string", line)
			}
			r.skip()
			if err := r.escaped(c); err != nil {
				return value{}, err
			}
		default:
			r.text = append(r.text, c)
		}
	}
}

// escaped adds what stands behind a backslash in a string.
func (r *ednReader) escaped(c byte) error {
	switch c {
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case '"', '\\', '/', '\'':
	case 'u':
		return r.unicode()
	default:
		return r.failf("unknown escape \\%c in a string", c)
	}
	r.text = append(r.text, c)
	return nil
}

// halfMark is what utf8.AppendRune writes for half a pair.
var halfMark = []byte(string(utf8.RuneError))

// unicode adds the character of four hexadecimal digits; the second half of a
// pair is joined to the first.
func (r *ednReader) unicode() error {
	var n rune
	for range 4 {
		c, ok := r.peek()
		d, err := strconv.ParseUint(string(rune(c)), 16, 8)
		if !ok || err != nil {
			return r.failf("expected four hexadecimal digits behind \\u in a string")
		}
		r.skip()
		n = n<<4 | rune(d)
	}
	if full := utf16.DecodeRune(r.half, n); full != utf8.RuneError && bytes.HasSuffix(r.text, halfMark) {
		r.text, n = r.text[:len(r.text)-len(halfMark)], full
	}
	r.half = n
	r.text = utf8.AppendRune(r.text, n)
	return nil
}

// character reads \a, \newline and the like as a word.
func (r *ednReader) character() (value, error) {
	r.skip()
	from := len(r.text)
	c, ok := r.peek()
	if !ok {
		return value{}, r.cutShort("an operation", r.line)
	}
	r.text = append(r.text, '\\', c)
	r.skip()
	if _, err := r.word(); err != nil {
		return value{}, err
	}
	return value{shape: word, text: r.keep(from)}, nil
}

// ends tells whether a byte ends a word.
func ends(c byte) bool {
	switch c {
	case ',', '"', ';', '[', ']', '(', ')', '{', '}':
		return true
	}
	return c <= ' '
}

// word reads a number, a symbol, or the name of a keyword.
func (r *ednReader) word() (value, error) {
	from := len(r.text)
	for {
		rest := r.buf[r.at:r.end]
		n := 0
		for n < len(rest) && !ends(rest[n]) {
			n++
		}
		r.text = append(r.text, rest[:n]...)
		r.at += n
		if n < len(rest) {
			break
		}
		if _, ok := r.peek(); !ok {
			if r.err != nil {
				return value{}, r.err
			}
			break
		}
	}
	text := r.keep(from)
	switch string(text) {
	case "nil":
		return value{text: text}, nil
	case "true":
		return value{shape: boolean, n: 1, text: text}, nil
	case "false":
		return value{shape: boolean, text: text}, nil
	}
	n, ok := parseInt(text)
	if r.json && !ok {
		if string(text) == "null" {
			return value{text: text}, nil
		}
		n, ok = wholeFloat(text)
	}
	if ok {
		return value{shape: integer, n: n, text: text}, nil
	}
	return value{shape: word, text: text}, nil
}

// wholeFloat is an integer that JSON tells as 3.0 or 3e2.
func wholeFloat(text []byte) (int64, bool) {
	const exact = 1 << 53
	f, err := strconv.ParseFloat(string(text), 64)
	n := int64(f)
	return n, err == nil && f > -exact && f < exact && float64(n) == f
}

// parseInt reads an integer of at most 64 bits; one may end in N.
func parseInt(text []byte) (int64, bool) {
	if len(text) == 0 || text[0] != '-' && text[0] != '+' && (text[0] < '0' || text[0] > '9') {
		return 0, false
	}
	if last := len(text) - 1; last > 0 && text[last] == 'N' {
		text = text[:last]
	}
	if len(text) > 18 {
		n, err := strconv.ParseInt(string(text), 10, 64)
		return n, err == nil
	}
	n, negative := int64(0), text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, len(text) > 0
}
