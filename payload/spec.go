package payload

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/schema"
)

// Spec is what a plan says of the size of values: one of a size, a range and a
// histogram. The zero value is of values that are their number alone.
type Spec struct {
	Size     schema.Bytes   // of every value
	Min, Max schema.Bytes   // every size between them is as likely
	Sizes    map[string]int // weights of sizes
}

const (
	// Least is the least size: a value carries its number, of up to 17 digits.
	Least = mostDigits
	// Most bounds a size: a compare-and-set, which sends two values, is then still
	// below the 16 MiB that MariaDB and ripple take at once.
	Most = 8_000_000

	mostDigits = 17
	maxBars    = 64
	maxWeight  = 1 << 20
)

// Key is the row of a value's size in the table of something that has one.
func Key[T any](meaning, absent string, at func(*T) *Spec) schema.Key[T] {
	return schema.Group(schema.Field{Name: "value", Short: "size", Absent: absent, Example: "1kB", Meaning: meaning}, rows(), at)
}

func rows() []schema.Key[Spec] {
	size := func(name, meaning, absent string, at func(*Spec) any) schema.Key[Spec] {
		return schema.Key[Spec]{Field: schema.Field{Name: name, Type: schema.Size, Min: Least, Max: Most, Absent: absent, Example: "1kB",
			Note: "a value carries its unique number of up to 17 digits", Meaning: meaning}, At: at}
	}
	return []schema.Key[Spec]{
		size("size", "bytes of every value", "values are as long as their numbers", func(s *Spec) any { return &s.Size }),
		size("min", "with max: the least size of a range in which all are as likely", "one size", func(s *Spec) any { return &s.Min }),
		size("max", "with min: the greatest size", "one size", func(s *Spec) any { return &s.Max }),
		{Field: schema.Field{Name: "sizes", Type: schema.Map, Of: schema.Whole, Max: maxWeight, Absent: "one size", Example: "{100B: 9, 10kB: 1}",
			Meaning: "a histogram: sizes and their weights"},
			At: func(s *Spec) any { return &s.Sizes }},
	}
}

// None tells whether nothing is said: values are their numbers alone.
func (s Spec) None() bool { return s.Size == 0 && s.Min == 0 && s.Max == 0 && len(s.Sizes) == 0 }

// bar is one size of a histogram.
type bar struct {
	size   schema.Bytes
	weight int
}

// bars are those of a checked histogram, the smallest size first.
func (s Spec) bars() []bar {
	var all []bar
	for text, weight := range s.Sizes {
		size, _ := readSize(text)
		all = append(all, bar{size, weight})
	}
	slices.SortFunc(all, func(a, b bar) int { return int(a.size - b.size) })
	return all
}

func readSize(text string) (size schema.Bytes, wrong *schema.Mistake) {
	slot := schema.Slots(rows()[:1], &Spec{})[0]
	slot.At = &size
	wrong = slot.Read("a size", text, false)
	return size, wrong
}

// Largest is the size of the longest values; 0 for those that are their number.
func (s Spec) Largest() schema.Bytes {
	largest := max(s.Size, s.Max)
	for _, b := range s.bars() {
		if b.weight > 0 {
			largest = max(largest, b.size)
		}
	}
	return largest
}

// Check says what is wrong with a spec; its words begin with the path of the key.
func (s Spec) Check() error {
	for _, slot := range schema.Slots(rows()[:3], &s) {
		if m := slot.Check("value." + slot.Name); m != nil {
			return fmt.Errorf("%s; %s", m.Message, m.Remedy)
		}
	}
	switch {
	case s.Size > 0 && (s.Min > 0 || s.Max > 0 || len(s.Sizes) > 0), s.Max > 0 && len(s.Sizes) > 0:
		return fmt.Errorf("value has several kinds of sizes; use one of size, min with max, and sizes")
	case (s.Min > 0) != (s.Max > 0):
		return fmt.Errorf("value has one end of a range; give it min and max, or a size")
	case s.Min > s.Max:
		return fmt.Errorf("value.min is %s, above the max of %s; take the greater one for max", s.Min, s.Max)
	}
	return s.checkSizes()
}

func (s Spec) checkSizes() error {
	total := 0
	seen := map[schema.Bytes]bool{}
	for text, weight := range s.Sizes {
		size, wrong := readSize(text)
		switch {
		case wrong != nil:
			return fmt.Errorf("value.sizes: %s; %s", wrong.Message, wrong.Remedy)
		case weight < 0 || weight > maxWeight:
			return fmt.Errorf("value.sizes gives %s the weight %d; use 0 to %d", text, weight, maxWeight)
		case seen[size]:
			return fmt.Errorf("value.sizes has the size %s twice; give it one weight", size)
		}
		seen[size] = true
		total += weight
	}
	switch {
	case len(s.Sizes) > maxBars:
		return fmt.Errorf("value.sizes has %d sizes; at most %d are possible", len(s.Sizes), maxBars)
	case len(s.Sizes) > 0 && total == 0:
		return fmt.Errorf("value.sizes has no size with a weight above 0; give one a weight")
	}
	return nil
}
