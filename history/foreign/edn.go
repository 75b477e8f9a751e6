package foreign

import "io"

// ednReader reads operations that are EDN maps or Knossos' tuples, one after the
// other or all in one vector or list. Comments, metadata and the tags of
// collections are passed over.
//
// It is our own because the one EDN package there is recurses as deep as the
// text does, which ends the process on a hostile file, and tells no lines.
type ednReader struct {
	scanner
	arena
	entry   entry
	started bool
	half    rune // the last character told by its number
	json    bool // colons are blank, and null is nil
	closing byte // that ends the vector or list around all, 0 for none
	opened  int  // its line
	from    int  // line of the entry
}

func newEDNReader(in io.Reader, name string) *ednReader {
	return &ednReader{scanner: newScanner(in, name)}
}

func (r *ednReader) next() (*entry, error) {
	r.began = r.offset()
	r.reset()
	for {
		c, ok, err := r.significant()
		if err != nil {
			return nil, err
		}
		switch {
		case !ok && r.closing != 0:
			return nil, r.cutShort("the vector", r.opened)
		case !ok:
			return nil, io.EOF
		case !r.started && (c == '[' || c == '('):
			r.started, r.opened, r.from = true, r.line, r.line
			r.skip()
			inner, ok, err := r.significant()
			if err != nil {
				return nil, err
			}
			if ok && inner != '{' && inner != '#' && inner != '[' && inner != '(' && inner != closer(c) {
				return r.filled(r.items(list, closer(c), 0)) // a tuple
			}
			r.closing = closer(c)
			continue
		case r.closing != 0 && c == r.closing:
			r.skip()
			return nil, r.ended()
		}
		break
	}
	r.started = true
	r.from = r.line
	return r.filled(r.value(0))
}

// filled is the entry of a value.
func (r *ednReader) filled(v value, err error) (*entry, error) {
	if err == nil {
		err = r.entry.fill(&v, r.name, r.from)
	}
	if err != nil {
		return nil, err
	}
	return &r.entry, nil
}

// ended expects nothing behind the vector that holds all.
func (r *ednReader) ended() error {
	if c, ok, err := r.significant(); err != nil {
		return err
	} else if ok {
		return r.failf("expected nothing behind the vector of operations, found %q", c)
	}
	r.closing = 0
	return io.EOF
}

func closer(c byte) byte {
	switch c {
	case '[':
		return ']'
	case '(':
		return ')'
	}
	return '}'
}

// significant is the next byte that is neither white space nor in a comment, a
// discarded form or a byte order mark.
func (r *ednReader) significant() (byte, bool, error) {
	for {
		c, ok := r.peek()
		switch {
		case !ok:
			return 0, false, r.err
		case c <= ' ' || c == ',' || c == ':' && r.json:
			r.skip()
		case c == ';' && !r.json, c == '#' && r.offset() <= 3 && r.follows('!'):
			for ok && c != '\n' {
				r.skip()
				c, ok = r.peek()
			}
		case c == 0xef && r.offset() == 0, c == 0xbb && r.offset() == 1, c == 0xbf && r.offset() == 2:
			r.skip()
		default:
			return c, true, nil
		}
	}
}

// value reads one value.
func (r *ednReader) value(depth int) (value, error) {
	for {
		c, ok, err := r.significant()
		switch {
		case err != nil:
			return value{}, err
		case !ok:
			return value{}, r.cutShort("an operation", r.line)
		case depth > maxDepth:
			return value{}, r.failf("values are nested deeper than %d", maxDepth)
		}
		switch c {
		case '"':
			return r.str()
		case ':':
			r.skip()
			v, err := r.word()
			v.keyword, v.shape = true, word
			return v, err
		case '[', '(', '{':
			r.skip()
			shapes := map[byte]shape{'[': list, '(': list, '{': table}
			return r.items(shapes[c], closer(c), depth)
		case ']', ')', '}':
			return value{}, r.failf("expected a value, found %q", c)
		case '\\':
			return r.character()
		case '^': // metadata: a value before the value
			r.skip()
			if _, err := r.value(depth + 1); err != nil {
				return value{}, err
			}
			depth++
		case '#':
			v, done, err := r.dispatch(depth)
			if done || err != nil {
				return v, err
			}
			depth++ // also of what was discarded
		default:
			return r.word()
		}
	}
}

// dispatch reads what begins with #; a discarded form is passed over, and then
// it is not done.
func (r *ednReader) dispatch(depth int) (v value, done bool, err error) {
	r.skip()
	c, ok := r.peek()
	switch {
	case !ok:
		return v, true, r.cutShort("an operation", r.line)
	case c == '{':
		r.skip()
		v, err = r.items(set, '}', depth)
		return v, true, err
	case c == '_':
		r.skip()
		_, err = r.value(depth + 1)
		return v, false, err
	case c == '#': // ##Inf, ##NaN
		r.skip()
		v, err = r.word()
		v.text = append([]byte("##"), v.text...)
		return v, true, err
	case c == ':': // a namespace for the keys of the map that follows
		r.skip()
		space, err := r.word()
		if err != nil {
			return v, true, err
		}
		v, err = r.value(depth + 1)
		v.qualify(string(space.text))
		return v, true, err
	}
	tag, err := r.word()
	if err == nil && len(tag.text) == 0 {
		err = r.failf("expected a tag behind #")
	}
	if err != nil {
		return v, true, err
	}
	v, err = r.value(depth + 1)
	v.mark(string(tag.text))
	return v, true, err
}

// items reads the rest of a collection.
func (r *ednReader) items(s shape, closing byte, depth int) (value, error) {
	line, mark := r.line, len(r.stack)
	for {
		c, ok, err := r.significant()
		if err != nil {
			return value{}, err
		}
		if !ok {
			return value{}, r.cutShort("an operation", line)
		}
		if c == closing {
			r.skip()
			break
		}
		if c == '#' && r.follows('_') {
			r.skip()
			r.skip()
			if _, err := r.value(depth + 1); err != nil {
				return value{}, err
			}
			continue
		}
		item, err := r.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		if !r.push(item) {
			return value{}, r.failf("an operation has more than %d values", maxOpValues)
		}
	}
	if s == table && (len(r.stack)-mark)%2 != 0 {
		return value{}, r.failf("a map has a key without a value")
	}
	return value{shape: s, items: r.collect(mark)}, nil
}

// follows tells whether a byte is the one behind the next one.
func (r *ednReader) follows(c byte) bool {
	if r.at+1 < r.end {
		return r.buf[r.at+1] == c
	}
	if r.in == nil || r.before+int64(r.end)-r.began > maxOpBytes {
		return false
	}
	r.before += int64(r.at)
	r.buf[0], r.at, r.end = r.buf[r.at], 0, 1 // the last byte of the buffer becomes its first
	n, err := r.in.Read(r.buf[1:])
	r.end += n
	if err != nil && n == 0 {
		return false // fill tells the error
	}
	return r.end > 1 && r.buf[1] == c
}
