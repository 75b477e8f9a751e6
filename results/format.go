package results

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// FormatValue shows a fact's number in its unit: 12.3ms, 0.012, 1980/s,
// 1.2 MB, 17, true.
func FormatValue(unit checkers.Unit, n float64) string {
	switch unit {
	case checkers.Nanos:
		return formatNanos(n)
	case checkers.Boolean:
		return strconv.FormatBool(n != 0)
	case checkers.PerSec:
		return digits(n) + "/s"
	case checkers.Bytes:
		return FormatBytes(n)
	}
	return digits(n)
}

// String is the value for people.
func (v FactValue) String() string {
	if !v.Known {
		return "unknown"
	}
	return FormatValue(v.Unit, v.N)
}

// FormatNanos shows a duration in nanoseconds with three significant digits,
// from a minute on to the tenth of a second.
func FormatNanos(ns int64) string { return formatNanos(float64(ns)) }

func formatNanos(ns float64) string {
	if ns < 0 {
		return "-" + formatNanos(-ns)
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

// FormatBytes shows a number of bytes with three significant digits: 812 B,
// 1.23 MB.
func FormatBytes(n float64) string {
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

// digits shows whole numbers as they are and others with three significant
// digits before an exponent would be needed.
func digits(n float64) string {
	if n == math.Trunc(n) && math.Abs(n) < 1e15 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	if a := math.Abs(n); a >= 1000 && a < 1e15 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}

// seconds shows a reading of the run's clock: 8.013 s, or 45µs in the first millisecond.
func seconds(ns int64) string {
	if 0 < ns && ns < 1e6 {
		return FormatNanos(ns)
	}
	return fmt.Sprintf("%.3f s", float64(ns)/1e9)
}

// signed shows a deviation with its sign.
func signed(ns int64) string {
	if ns < 0 {
		return FormatNanos(ns)
	}
	return "+" + FormatNanos(ns)
}

// plain takes away what could control a terminal, and joins lines.
func plain(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return '?'
		}
		return r
	}, s)), " ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
