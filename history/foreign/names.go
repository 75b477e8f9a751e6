package foreign

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/history"
)

// Numbers from these on stand for values and keys that are no integers, or
// none that a history can hold.
const (
	firstName    int64  = 1 << 62
	firstKeyName uint32 = 0xf000_0000
)

// Names is the table of values and keys that are no integers, as EDN writes
// them.
type Names struct {
	values    numbering[int64]
	keys      numbering[uint32]
	processes map[uint32]string
	text      []byte
	quoted    bool   // values are strings of a key-value store, without their quotes
	initial   string // what registers hold at first, if that is not nil
}

// numbering numbers distinct texts in the order in which they come.
type numbering[N int64 | uint32] struct {
	numbers map[string]N
	texts   []string
	bytes   int64 // of the texts
}

func (t *numbering[N]) number(first N, text []byte) N {
	if n, ok := t.numbers[string(text)]; ok {
		return n
	}
	return t.add(first, string(text))
}

func (t *numbering[N]) add(first N, text string) N {
	if n, ok := t.numbers[text]; ok {
		return n
	}
	if t.numbers == nil {
		t.numbers = map[string]N{}
	}
	n := first + N(len(t.texts))
	t.numbers[text] = n
	t.texts = append(t.texts, text)
	t.bytes += int64(len(text))
	return n
}

// begin makes a value what registers hold at first. Checkers take that to be
// history.Nil, and so the number of this value is that, and nil is a name. It
// comes before all other values.
func (n *Names) begin(v *value) {
	if v.shape != nothing {
		n.initial = string(v.appendCanonical(nil))
	}
}

// value is the number of a value; what registers hold at first is history.Nil.
func (n *Names) value(v *value) int64 {
	switch {
	case n.initial != "":
		n.text = v.appendCanonical(n.text[:0])
		if string(n.text) == n.initial {
			return history.Nil
		}
		if v.shape != integer || v.n >= firstName || v.n == history.Nil {
			return n.values.number(firstName, n.text)
		}
		return v.n
	case v.shape == nothing:
		return history.Nil
	case v.shape == integer && v.n < firstName && v.n != history.Nil:
		return v.n
	}
	n.text = v.appendCanonical(n.text[:0])
	return n.values.number(firstName, n.text)
}

// state is the number of a string, the empty one's history.Nil: the registers
// of key-value stores hold "" at first.
func (n *Names) state(text string) int64 {
	if text == "" {
		return history.Nil
	}
	n.quoted = true
	return n.values.add(firstName, text)
}

// fresh is a number for a text that may have others already.
func (n *Names) fresh(text string) int64 {
	if text == "" {
		return history.Nil
	}
	n.values.texts = append(n.values.texts, text)
	return firstName + int64(len(n.values.texts)-1)
}

// raw is the text of a state, empty for history.Nil.
func (n *Names) raw(v int64) string {
	if v < firstName || v-firstName >= int64(len(n.values.texts)) {
		return ""
	}
	return n.values.texts[v-firstName]
}

// key is the number of a key; false if there are too many.
func (n *Names) key(v *value) (uint32, bool) {
	if v.shape == integer && v.n >= 0 && v.n < int64(firstKeyName) {
		return uint32(v.n), true
	}
	n.text = v.appendCanonical(n.text[:0])
	k := n.keys.number(firstKeyName, n.text)
	return k, len(n.keys.texts) <= 1<<32-1-int(firstKeyName)
}

// Value is what a number stands for; ok is false for one that is itself.
func (n *Names) Value(v int64) (text string, ok bool) {
	if n != nil && v == history.Nil && n.initial != "" {
		return n.initial, true
	}
	if n == nil || v < firstName || v-firstName >= int64(len(n.values.texts)) {
		return "", false
	}
	text = n.raw(v)
	if n.quoted {
		text = strconv.Quote(text)
	}
	return text, true
}

// Key is Value for a key.
func (n *Names) Key(k uint32) (text string, ok bool) {
	if n == nil || k < firstKeyName || int(k-firstKeyName) >= len(n.keys.texts) {
		return "", false
	}
	return n.keys.texts[k-firstKeyName], true
}

// bytes is about how much memory the names take.
func (n *Names) bytes() int64 {
	const perName = 64 // of the map and the strings' heads
	return n.values.bytes + n.keys.bytes + perName*int64(len(n.values.texts)+len(n.keys.texts)+len(n.processes))
}

// call names a process whose number is not what its history calls it.
func (n *Names) call(process uint32, name string) {
	if n.processes == nil {
		n.processes = map[uint32]string{}
	}
	n.processes[process] = name
}

// Process is Value for a process.
func (n *Names) Process(p uint32) (text string, ok bool) {
	if n == nil {
		return "", false
	}
	text, ok = n.processes[p]
	return text, ok
}

// keyWords stand before a key's number in what the checkers tell.
var keyWords = []string{"key ", "list ", "set ", "counter ", "queue ", "register "}

// nothings is how checkers call the content of a register that is history.Nil.
var nothings = regexp.MustCompile(`\bnothing\b`)

// shownName is how many characters of a name a message shows.
const shownName = 48

// Words puts the names in place of their numbers in a text of the checkers.
func (n *Names) Words(text string) string {
	if n == nil {
		return text
	}
	text = strings.ReplaceAll(text, strconv.FormatInt(history.Nil, 10), "nil")
	if n.initial != "" { // which stands for the nil that checkers take registers to begin with
		text = nothings.ReplaceAllString(text, shorten(n.initial))
		text = strings.ReplaceAll(text, "delete at", "write of "+shorten(n.initial)+" at")
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
		if end == i {
			b.WriteByte(text[i])
			i++
			continue
		}
		b.WriteString(n.word(text[:i], text[i:end]))
		i = end
	}
	return b.String()
}

// word is the name that some digits behind a text stand for, or the digits.
func (n *Names) word(before, digits string) string {
	number, ok := parseInt([]byte(digits))
	if !ok || strings.HasSuffix(before, ".") {
		return digits
	}
	if name, ok := n.Value(number); ok {
		return shorten(name)
	}
	if strings.HasSuffix(before, "process ") && number >= 0 && number <= 1<<32-1 {
		if name, ok := n.Process(uint32(number)); ok {
			return shorten(name)
		}
	}
	for _, w := range keyWords {
		if strings.HasSuffix(before, w) && number <= 1<<32-1 {
			if name, ok := n.Key(uint32(number)); ok {
				return shorten(name)
			}
		}
	}
	return digits
}

// shorten leaves the end of a long name, where lists and logs differ.
func shorten(name string) string {
	if utf8.RuneCountInString(name) <= shownName {
		return name
	}
	r := []rune(name)
	return string(r[:8]) + "…" + string(r[len(r)-shownName+9:])
}
