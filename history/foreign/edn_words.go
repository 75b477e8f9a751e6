package foreign

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/internal/numerals"
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
	return value{shape: word, text: oneCharacter(r.keep(from))}, nil
}

// oneCharacter writes a character in one way: \a for \u0061 and \o141, \newline
// for \u000a.
func oneCharacter(text []byte) []byte {
	base := map[byte]int{'u': 16, 'o': 8}
	if len(text) < 3 || base[text[1]] == 0 {
		return text
	}
	n, err := strconv.ParseUint(string(text[2:]), base[text[1]], 16)
	if err != nil {
		return text
	}
	if name, ok := characters[rune(n)]; ok {
		return []byte("\\" + name)
	}
	return utf8.AppendRune([]byte{'\\'}, rune(n))
}

var characters = map[rune]string{'\n': "newline", ' ': "space", '\t': "tab", '\r': "return", '\b': "backspace", '\f': "formfeed"}

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
	if r.json && string(text) == "null" {
		return value{text: text}, nil
	}
	return r.number(text), nil
}

// number is a word that may be a number.
func (r *ednReader) number(text []byte) value {
	plain := value{shape: word, text: text}
	first := bytes.TrimLeft(text, "+-")
	if len(first) == 0 || first[0] < '0' || first[0] > '9' {
		return plain
	}
	if n, ok := parseInt(text); ok && (first[0] != '0' || len(first) == 1) {
		return value{shape: integer, n: n, text: text}
	}
	read := numerals.EDN
	if r.json {
		read = numerals.JSON
	}
	switch n, ok := read(string(text)); {
	case !ok:
		return plain
	case n.Whole:
		return value{shape: integer, n: n.N, text: text}
	default:
		return value{shape: word, text: []byte(n.Text)}
	}
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
