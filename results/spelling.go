package results

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Names are what numbers in a history from elsewhere stand for; ok is false for
// one that is itself. See foreign.Names.
type Names interface {
	Value(v int64) (text string, ok bool)
	Key(k uint32) (text string, ok bool)
	Process(p uint32) (text string, ok bool)
}

// Elements are those of a set or of messages that were drained. In JSON history.Nil
// is null.
type Elements []int64

// MarshalJSON writes the elements as numbers and nulls.
func (e Elements) MarshalJSON() ([]byte, error) {
	cells := make([]*int64, len(e))
	for i := range e {
		if e[i] != history.Nil {
			cells[i] = &e[i]
		}
	}
	return json.Marshal(cells)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Elements) UnmarshalJSON(text []byte) error {
	var cells []*int64
	if err := json.Unmarshal(text, &cells); err != nil {
		return err
	}
	*e = make(Elements, len(cells))
	for i, c := range cells {
		if (*e)[i] = history.Nil; c != nil {
			(*e)[i] = *c
		}
	}
	return nil
}

// sayNil puts the word in place of the number that stands for it, as a checker's
// text tells it.
func sayNil(text string) string {
	return strings.ReplaceAll(text, fmt.Sprint(history.Nil), "nil")
}

// speller tells values as their history does. names may be nil.
type speller struct{ names Names }

// value is a value in words, and whether these are not its number.
func (s speller) value(v int64) (text string, named bool) {
	if s.names != nil {
		if text, ok := s.names.Value(v); ok {
			return text, true
		}
	}
	if v == history.Nil {
		return "nil", true
	}
	return fmt.Sprint(v), false
}

func (s speller) key(k uint32) string {
	if s.names != nil {
		if text, ok := s.names.Key(k); ok {
			return text
		}
	}
	return fmt.Sprint(k)
}

func (s speller) list(all []int64) (text string, named bool) {
	words := make([]string, len(all))
	for i, v := range all {
		word, is := s.value(v)
		words[i], named = word, named || is
	}
	return "[" + strings.Join(words, " ") + "]", named
}

// shown is what an operation wrote or saw in words; empty if numbers tell it.
func (s speller) shown(e *Evidence) string {
	var told []string
	named := false
	add := func(format string, v *int64) {
		if v != nil {
			text, is := s.value(*v)
			told, named = append(told, fmt.Sprintf(format, text)), named || is
		}
	}
	add("%s →", e.Old)
	if e.Size > 0 {
		text, is := s.list(e.Elements)
		if more := e.Size - len(e.Elements); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		told, named = append(told, text), is
		add("unacknowledged %s", e.Value)
	} else {
		add("%s", e.Value)
	}
	add("found %s", e.Observed)
	if !named {
		return ""
	}
	return strings.Join(told, " ")
}

// trimmed tells of an answer of which only the elements that matter are kept: "5240
// elements, without 2".
func (s speller) trimmed(e *Evidence) string {
	text := units.Plural(e.Size, "element", "elements")
	if len(e.Elements) > 0 && len(e.Elements) < e.Size {
		with, _ := s.list(e.Elements)
		text += ", with " + strings.Trim(with, "[]")
	} else if len(e.Elements) > 0 {
		text, _ = s.list(e.Elements)
	}
	if len(e.Without) > 0 {
		without, _ := s.list(e.Without)
		text += ", without " + strings.Trim(without, "[]")
	}
	if e.Value != nil {
		value, _ := s.value(*e.Value)
		text += ", unacknowledged " + value
	}
	return text
}

// shownOfList bounds the elements of one list, the last ones, that the words of
// a transaction have.
const shownOfList = 4

// txn is a transaction for people: "append 5 to 1, read 2 = [1 2]".
func (s speller) txn(elements []int64) string {
	micros, _ := history.Micros(elements)
	told := make([]string, len(micros))
	for i, m := range micros {
		key := s.key(m.Key)
		switch {
		case !m.Read:
			value, _ := s.value(m.Value)
			told[i] = fmt.Sprintf("append %s to %s", value, key)
		case !m.Known:
			told[i] = "read " + key
		case len(m.List) > shownOfList:
			last, _ := s.list(m.List[len(m.List)-shownOfList:])
			told[i] = fmt.Sprintf("read %s = [… %s", key, strings.TrimPrefix(last, "["))
		default:
			list, _ := s.list(m.List)
			told[i] = fmt.Sprintf("read %s = %s", key, list)
		}
	}
	return strings.Join(told, ", ")
}
