package foreign

import (
	"strconv"
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
