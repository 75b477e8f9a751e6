// Package schema describes the keys of a plan. It is a leaf: the plan language,
// the workloads, the kinds of faults and the targets each list their own keys
// as rows of its types, where they define them. Reading, defaults, checks, the
// written plan, the reference and the JSON Schema all come from these rows.
package schema

// Type is what a key's value is.
type Type string

const (
	Text      Type = "text"
	Name      Type = "name"      // of a-z, 0-9 and - between them
	Word      Type = "word"      // one of Field.Words; any text if it has none
	Whole     Type = "whole"     // a whole number from Min to Max
	Duration  Type = "duration"  // in Go's spelling, such as 1.5s; Min and Max are nanoseconds
	Rate      Type = "rate"      // operations per second: 2000/s, 120/m
	Flag      Type = "flag"      // true or false
	Size      Type = "size"      // bytes: 512MB, 2GiB; Min and Max are bytes
	Bandwidth Type = "bandwidth" // bits per second: 10mbit, 1.5gbit; Min and Max are bits per second
	Number    Type = "number"    // from Min to Max, with a point or without: 0.99
	Percent   Type = "percent"   // hundredths: 5%; the value, Min and Max are percent
	Map       Type = "map"       // of Field.Fields, of Field.Words to Field.Of, or of any names to Field.Of
	List      Type = "list"      // of at most Max entries, each as Field.Fields or Field.Of say
)

// Field is one key of a plan, and what its value may be.
type Field struct {
	Name     string   `json:"name"`
	Type     Type     `json:"type"`
	Of       Type     `json:"of,omitempty"`       // of a list's entries or a map's values, where these are single values
	Unit     string   `json:"unit,omitempty"`     // of a number, in words: "milliseconds"
	Min      float64  `json:"min,omitempty"`      // the least value, included; of a map, of its values
	Max      float64  `json:"max,omitempty"`      // the greatest value, included; of a list, its entries; of a map, of its values; 0: no bound of its own
	Default  string   `json:"default,omitempty"`  // as a plan would write it; empty: none
	Absent   string   `json:"absent,omitempty"`   // what leaving the key out means, where that is no value: "as fast as answers come"
	Note     string   `json:"note,omitempty"`     // what the message about a value out of bounds adds
	Required bool     `json:"required,omitempty"` // a plan without it is refused
	Either   bool     `json:"either,omitempty"`   // exactly one of the keys that say so has to be in their map
	Words    []string `json:"words,omitempty"`    // that a Word, or a map's keys, can be; of a Rate, one for no limit
	Names    bool     `json:"names,omitempty"`    // a Word can be a node's name, n1 and so on, as well
	Meaning  string   `json:"meaning"`            // one line
	Example  string   `json:"example,omitempty"`  // a value as a plan would write it
	Fields   []Field  `json:"fields,omitempty"`   // of a map, or of each entry of a list
	Short    string   `json:"short,omitempty"`    // of a map: the key that a single value in the map's place is the value of
}

// Sample is a value as a plan would write it, for messages and the reference.
func (f Field) Sample() string {
	switch {
	case f.Example != "":
		return f.Example
	case f.Default != "":
		return f.Default
	case len(f.Words) > 0:
		return f.Words[0]
	}
	return map[Type]string{Text: "a word", Name: "a-name", Word: "a word", Whole: "1", Duration: "10s", Rate: "2000/s", Flag: "true", Size: "512MB", Bandwidth: "10mbit", Percent: "5%", Number: "1"}[f.Type]
}

// Assumed says what holds where a plan leaves the key out; empty: nothing.
func (f Field) Assumed() string {
	if f.Default != "" {
		return f.Default
	}
	return f.Absent
}

// Key is a field together with the place where a T keeps its value.
type Key[T any] struct {
	Field
	// At points to the value: a *string, *int, *uint64, *float64, *bool,
	// *time.Duration, *Bytes, *Bits, *[]string, *map[string]string or *map[string]int; or it
	// is the []Slot of a map with keys of its own, which Group makes. The plan
	// language has some of its own besides.
	At func(*T) any `json:"-"`
}

// Slot is a field and where one value keeps it: what At gave.
type Slot struct {
	Field
	At any
}

// Slots are the keys of one value.
func Slots[T any](keys []Key[T], of *T) []Slot {
	slots := make([]Slot, len(keys))
	for i, k := range keys {
		slots[i] = Slot{k.Field, k.At(of)}
	}
	return slots
}

// Fields are the keys without their places.
func Fields[T any](keys []Key[T]) []Field {
	fields := make([]Field, len(keys))
	for i, k := range keys {
		fields[i] = k.Field
	}
	return fields
}

// Group makes one key of a map that has keys of its own.
func Group[T, U any](f Field, keys []Key[U], at func(*T) *U) Key[T] {
	f.Type, f.Fields = Map, Fields(keys)
	return Key[T]{f, func(t *T) any { return Slots(keys, at(t)) }}
}

// Walk visits every slot that has a value of its own, with its path.
func Walk(slots []Slot, path string, visit func(path string, s Slot)) {
	for _, s := range slots {
		at := Join(path, s.Name)
		if group, ok := s.At.([]Slot); ok {
			Walk(group, at, visit)
			continue
		}
		visit(at, s)
	}
}

// Join makes the path of a key below a path.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
