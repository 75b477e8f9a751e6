package foreign

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// shape is the kind of a value.
type shape uint8

const (
	nothing shape = iota // nil, null
	boolean              // n is 1 or 0
	integer
	str
	word // keyword without its colon, symbol, character, number that is no 64-bit integer
	list // vector, list, array
	set
	table // items are keys and values in turn
)

// value is a piece of data of any format, valid until the next entry is read.
type value struct {
	shape   shape
	keyword bool // word: it had a colon
	n       int64
	text    []byte
	items   []value
}

func (v *value) is(text string) bool {
	return (v.shape == word || v.shape == str) && string(v.text) == text
}

// many tells whether the value is a collection of values.
func (v *value) many() bool { return v.shape == list || v.shape == set }

// pair tells whether the value is a list of two, as [key value] is.
func (v *value) pair() bool { return v.shape == list && len(v.items) == 2 }

// describe names the value for messages.
func (v *value) describe() string {
	const shown = 40
	text := string(v.appendTo(nil, shown))
	if r := []rune(text); len(r) > shown {
		text = string(r[:shown-1]) + "…"
	}
	return text
}

// appendTo writes the value as EDN. Above limit bytes it stops somewhere; a
// limit of 0 is none.
func (v *value) appendTo(b []byte, limit int) []byte {
	if limit > 0 && len(b) > limit {
		return b
	}
	switch v.shape {
	case nothing:
		return append(b, "nil"...)
	case boolean:
		return strconv.AppendBool(b, v.n != 0)
	case integer:
		return strconv.AppendInt(b, v.n, 10)
	case str:
		text := v.text
		if limit > 0 && len(text) > limit {
			text = text[:limit]
		}
		return strconv.AppendQuote(b, string(text))
	case word:
		if v.keyword {
			b = append(b, ':')
		}
		return append(b, v.text...)
	}
	marks := map[shape][2]string{list: {"[", "]"}, set: {"#{", "}"}, table: {"{", "}"}}[v.shape]
	b = append(b, marks[0]...)
	for i := range v.items {
		if i > 0 {
			b = append(b, ' ')
		}
		b = v.items[i].appendTo(b, limit)
		if limit > 0 && len(b) > limit {
			return b
		}
	}
	return append(b, marks[1]...)
}

// appendCanonical writes a value so that equal ones have one text: the items of
// sets and the entries of maps in order, each once.
func (v *value) appendCanonical(b []byte) []byte {
	switch v.shape {
	case list:
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ' ')
			}
			b = v.items[i].appendCanonical(b)
		}
		return append(b, ']')
	case set, table:
	default:
		return v.appendTo(b, 0)
	}
	step, marks := 1, "#{"
	if v.shape == table {
		step, marks = 2, "{"
	}
	type item struct{ key, rest string }
	items := make([]item, 0, len(v.items)/step)
	for i := 0; i+step <= len(v.items); i += step {
		one := item{key: string(v.items[i].appendCanonical(nil))}
		if step == 2 {
			one.rest = " " + string(v.items[i+1].appendCanonical(nil))
		}
		items = append(items, one)
	}
	slices.SortStableFunc(items, func(x, y item) int { return strings.Compare(x.key, y.key) })
	b = append(b, marks...)
	begin := len(b)
	for i, one := range items {
		if i+1 < len(items) && items[i+1].key == one.key {
			continue // as JSON's readers do, the last of one key counts
		}
		if len(b) > begin {
			b = append(b, ' ')
		}
		b = append(append(b, one.key...), one.rest...)
	}
	return append(b, '}')
}

// qualify gives the keys of a map a namespace: #:a{:b 1} is {:a/b 1}. Keys with
// the namespace _ have none.
func (v *value) qualify(space string) {
	for i := 0; v.shape == table && i < len(v.items); i += 2 {
		k := &v.items[i]
		if k.shape != word || !k.keyword {
			continue
		}
		if name, none := strings.CutPrefix(string(k.text), "_/"); none {
			k.text = []byte(name)
		} else if !strings.Contains(string(k.text), "/") {
			k.text = []byte(space + "/" + string(k.text))
		}
	}
}

// mark keeps the tag of a value that is no collection: #uuid "f81d" is not "f81d".
// Instants are written in one way, and UUIDs too. Tags of collections, such as
// those of records and of ordered sets, are passed over.
func (v *value) mark(tag string) {
	if v.shape == list || v.shape == set || v.shape == table {
		return
	}
	text := string(v.text)
	switch {
	case v.shape == str && tag == "uuid":
		text = strings.ToLower(text)
	case v.shape == str && tag == "inst":
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			text = at.UTC().Format(time.RFC3339Nano)
		}
	}
	plain := value{shape: v.shape, keyword: v.keyword, n: v.n, text: []byte(text)}
	*v = value{shape: word, text: plain.appendTo([]byte("#"+tag+" "), 0)}
}

// arena holds the values of one entry. Its memory is used again for the next.
type arena struct {
	stack []value // items of the collections that are being read
	slab  []value // items of those that were read
	text  []byte
	count int
}

// slabValues is how many values a slab has room for at least.
const slabValues = 256

// What is kept from one entry to the next at most.
const (
	keptValues = 1 << 16
	keptText   = 1 << 20
)

func (a *arena) reset() {
	a.stack, a.text, a.count = a.stack[:0], a.text[:0], 0
	if cap(a.slab) > keptValues || cap(a.stack) > keptValues || cap(a.text) > keptText {
		*a = arena{} // one long entry does not keep its memory
	}
	a.slab = a.slab[:0]
}

// push adds an item to the collection that is being read; false if the entry
// has too many values.
func (a *arena) push(v value) bool {
	a.count++
	a.stack = append(a.stack, v)
	return a.count <= maxOpValues
}

// collect ends a collection: its items are those pushed since mark.
func (a *arena) collect(mark int) []value {
	n := len(a.stack) - mark
	if n > cap(a.slab)-len(a.slab) {
		a.slab = make([]value, 0, max(slabValues, 2*n)) // the old one lives as long as its values
	}
	from := len(a.slab)
	a.slab = append(a.slab, a.stack[mark:]...)
	a.stack = a.stack[:mark]
	return a.slab[from:len(a.slab):len(a.slab)]
}

// keep copies text into the arena.
func (a *arena) keep(from int) []byte { return a.text[from:len(a.text):len(a.text)] }
