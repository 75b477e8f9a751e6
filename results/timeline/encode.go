package timeline

import (
	"math"
	"strconv"
)

// column is a list of numbers; what was not measured is NaN. As JSON it is an array in
// which equal neighbours stand once: a number, a null, or the text "n" for n more of
// what stands before it.
type Column []float64

// MarshalJSON keeps four significant digits, more than a picture can show.
func (c Column) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i := 0; i < len(c); {
		cell := number(c[i])
		more := 0
		for i+1+more < len(c) && number(c[i+1+more]) == cell {
			more++
		}
		b = append(b, cell...)
		if i += 1 + more; more > 0 {
			b = append(b, `,"`...)
			b = strconv.AppendInt(b, int64(more), 10)
			b = append(b, '"')
		}
		if i < len(c) {
			b = append(b, ',')
		}
	}
	return append(b, ']'), nil
}

// number is a number in as few characters as it can be.
func number(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "null"
	}
	text := strconv.FormatFloat(x, 'g', 4, 64)
	if y, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.FormatFloat(y, 'f', -1, 64)
	}
	return text
}

// heat is how many operations had a latency of each row, by bins of time. As JSON it is
// one flat array: for each bin the number of rows that follow, each with how far it lies
// above the one before and its count; a negative number stands for so many empty bins.
type heat [][]uint32

// MarshalJSON writes it.
func (h heat) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	put := func(n int64) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	empty := int64(0)
	for _, rows := range h {
		used := int64(0)
		for _, n := range rows {
			if n > 0 {
				used++
			}
		}
		if used == 0 {
			empty++
			continue
		}
		if empty > 0 {
			put(-empty)
			empty = 0
		}
		put(used)
		last := 0
		for row, n := range rows {
			if n > 0 {
				put(int64(row - last))
				put(int64(n))
				last = row
			}
		}
	}
	return append(b, ']'), nil
}
