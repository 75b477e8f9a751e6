// Package units spells numbers with their units, the same everywhere.
package units

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Nanos shows a duration in nanoseconds with three significant digits,
// from a minute on to the tenth of a second.
func Nanos(ns int64) string { return FloatNanos(float64(ns)) }

// FloatNanos is Nanos of a measured value, which may have a fraction.
func FloatNanos(ns float64) string {
	if ns < 0 {
		return "-" + FloatNanos(-ns)
	}
	if ns >= float64(time.Minute) {
		if ns >= math.MaxInt64 {
			return "forever"
		}
		return time.Duration(ns).Round(100 * time.Millisecond).String()
	}
	ns = round3(ns)
	switch {
	case ns < 1e3:
		return short(ns) + "ns"
	case ns < 1e6:
		return short(ns/1e3) + "µs"
	case ns < 1e9:
		return short(ns/1e6) + "ms"
	}
	return short(ns/1e9) + "s"
}

// Bytes shows a number of bytes with three significant digits: 812 B,
// 1.23 MB.
func Bytes(n float64) string {
	units := [...]string{"B", "kB", "MB", "GB", "TB"}
	n = round3(n)
	i := 0
	for math.Abs(n) >= 1000 && i < len(units)-1 {
		n, i = round3(n/1000), i+1
	}
	return short(n) + " " + units[i]
}

// round3 rounds to three significant digits.
func round3(x float64) float64 {
	if x == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-2)
	return math.Round(x/unit) * unit
}

func short(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// Digits shows whole numbers as they are and others with three significant
// digits before an exponent would be needed.
func Digits(n float64) string {
	if n == math.Trunc(n) && math.Abs(n) < 1e15 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	if a := math.Abs(n); a >= 1000 && a < 1e15 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}

// Instant shows a reading of the run's clock: 8.013s, or 45µs in the first
// millisecond.
func Instant(ns int64) string {
	if 0 < ns && ns < 1e6 {
		return Nanos(ns)
	}
	return fmt.Sprintf("%.3fs", float64(ns)/1e9)
}

// Signed shows a deviation with its sign.
func Signed(ns int64) string {
	if ns < 0 {
		return Nanos(ns)
	}
	return "+" + Nanos(ns)
}

// Plural is "1 node" or "3 nodes".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
