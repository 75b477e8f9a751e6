package checkers

import (
	"math"
	"strconv"

	"github.com/aftershock-chaos/aftershock/internal/units"
)

// FormatValue shows a fact's number in its unit: 12.3ms, 0.012, 1980/s,
// 1.2 MB, 17, true.
func FormatValue(unit Unit, n float64) string {
	switch unit {
	case Nanos:
		return units.FloatNanos(n)
	case Boolean:
		return strconv.FormatBool(n != 0)
	case PerSec:
		return units.Digits(n) + "/s"
	case Bytes:
		return units.Bytes(n)
	}
	return units.Digits(n)
}

// Format shows a value in its unit with what is known of it: 3, at least 3,
// 3 to 73, unknown.
func (v Value) Format(unit Unit) string {
	least, most := v.Bounds()
	switch {
	case !v.Known:
		return "unknown"
	case least == most:
		return FormatValue(unit, least)
	case math.IsInf(most, 1):
		return "at least " + FormatValue(unit, least)
	}
	low, high := FormatValue(unit, least), FormatValue(unit, most)
	if low == high {
		return low // they differ in less than is shown
	}
	return low + " to " + high
}
