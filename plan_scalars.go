package aftershock

import (
	"github.com/aftershock-chaos/aftershock/internal/spelling"

	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// bounds are the range of values that a field may have, both ends included.
type bounds[T cmp.Ordered] struct{ min, max T }

func (s bounds[T]) holds(v T) bool { return v >= s.min && v <= s.max }

// String is a remedy for a value that is not in the range.
func (s bounds[T]) String() string {
	return fmt.Sprintf("it can be %s to %s", spell(s.min), spell(s.max))
}

// spell writes a value as a plan would.
func spell(v any) string {
	if d, ok := v.(time.Duration); ok {
		return spellDuration(d)
	}
	return fmt.Sprint(v)
}

// spellDuration is Go's spelling without the zeros at the end: 1h for 1h0m0s.
func spellDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// The ranges of a plan's fields.
var (
	replicasSpan = bounds[int]{0, 15}
	keysSpan     = bounds[int]{1, 1 << 20}
	clientsSpan  = bounds[int]{1, 4096}
	weightSpan   = bounds[int]{0, 1 << 20}
	minOpsSpan   = bounds[int]{0, 1 << 40}
	lengthSpan   = bounds[time.Duration]{time.Millisecond, 24 * time.Hour}
	pauseSpan    = bounds[time.Duration]{0, 24 * time.Hour}
	rateSpan     = bounds[float64]{0.001, 1e8}
)

// reader reads the value of one key.
type reader func(n *treeNode, path string)

// lastPart is the key that a path ends with, for messages; an entry of a list
// keeps the list's key before its number.
func lastPart(path string) string {
	dot := strings.LastIndexByte(path, '.')
	if dot >= 0 && isWhole(path[dot+1:]) {
		dot = strings.LastIndexByte(path[:dot], '.')
	}
	return path[dot+1:]
}

// scalar checks that a node is a single value.
func (d *decoder) scalar(n *treeNode, path, wants, example string) (string, bool) {
	key := lastPart(path)
	switch n.kind {
	case treeScalar:
		return n.text, true
	case treeFailed:
	case treeNull:
		d.wrong(n, path, key+" has no value", fmt.Sprintf("give it one, e.g. %s, or take it away", example))
	default:
		d.wrong(n, path, fmt.Sprintf("%s wants %s, not %s", key, wants, n.kind), "e.g. "+example)
	}
	return "", false
}

func (d *decoder) text(into *string, example string) reader {
	return func(n *treeNode, path string) {
		if text, ok := d.scalar(n, path, "a text", example); ok {
			*into = text
		}
	}
}

// word reads one of a few words; without any words, any text.
func (d *decoder) word(into *string, words []string) reader {
	if len(words) == 0 {
		return d.text(into, "a word")
	}
	return func(n *treeNode, path string) {
		text, ok := d.scalar(n, path, "one word", words[0])
		if !ok {
			return
		}
		for _, w := range words {
			if text == w {
				*into = text
				return
			}
		}
		d.wrong(n, path, fmt.Sprintf("%s cannot be %q", lastPart(path), shorten(text)), spelling.DidYouMean(text, words))
	}
}

// number reads a whole number in a range.
func (d *decoder) number(into *int, in bounds[int], example string) reader {
	return func(n *treeNode, path string) {
		text, ok := d.whole(n, path, example)
		if !ok {
			return
		}
		v, err := strconv.ParseInt(text, 10, 0)
		if err != nil || !in.holds(int(v)) {
			d.wrong(n, path, fmt.Sprintf("%s is %s", lastPart(path), shorten(text)), in.String())
			return
		}
		*into = int(v)
	}
}

func (d *decoder) seed(into *uint64) reader {
	return func(n *treeNode, path string) {
		text, ok := d.whole(n, path, "7")
		if !ok {
			return
		}
		v, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			d.wrong(n, path, fmt.Sprintf("%s is %s", lastPart(path), shorten(text)), fmt.Sprintf("it can be 0 to %d; 0 means choose one", uint64(math.MaxUint64)))
			return
		}
		*into = v
	}
}

// whole checks the spelling of a whole number.
func (d *decoder) whole(n *treeNode, path, example string) (string, bool) {
	text, ok := d.scalar(n, path, "a whole number", example)
	if !ok {
		return "", false
	}
	spelt := isWhole(text)
	switch {
	case spelt && !n.quoted:
		return text, true
	case spelt:
		d.wrong(n, path, fmt.Sprintf("%s wants a whole number, not the text %q", lastPart(path), text), "take the quotes away")
	default:
		d.wrong(n, path, fmt.Sprintf("%s wants a whole number, not %q", lastPart(path), shorten(text)), "e.g. "+example)
	}
	return "", false
}

func isWhole(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && strings.Trim(s, "+-.0123456789") == ""
}

// duration reads a duration in Go's spelling, in a range.
func (d *decoder) duration(into *time.Duration, in bounds[time.Duration]) reader {
	return func(n *treeNode, path string) {
		key := lastPart(path)
		text, ok := d.scalar(n, path, "a duration", "10s")
		if !ok {
			return
		}
		v, err := time.ParseDuration(text)
		switch {
		case isNumber(text) && text != "0":
			d.wrong(n, path, fmt.Sprintf("%s is %s, which has no unit", key, shorten(text)), fmt.Sprintf("write %ss, %sms or %sm", text, text, text))
		case err != nil:
			d.wrong(n, path, fmt.Sprintf("%s wants a duration, not %q", key, shorten(text)), "write it like 10ms, 1.5s or 1h")
		case !in.holds(v):
			d.wrong(n, path, fmt.Sprintf("%s is %s", key, shorten(text)), in.String())
		default:
			*into = v
		}
	}
}

// rate reads operations per second: 2000, 2000/s or 120/m.
func (d *decoder) rate(into *float64) reader {
	return func(n *treeNode, path string) {
		text, ok := d.scalar(n, path, "a rate", "2000/s")
		if !ok {
			return
		}
		count, unit, hasUnit := strings.Cut(text, "/")
		per := map[string]float64{"s": 1, "m": 60}[strings.TrimSpace(unit)]
		if !hasUnit {
			per = 1
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(count), 64)
		switch {
		case err != nil || per == 0:
			d.wrong(n, path, fmt.Sprintf("%s wants operations per second, not %q", lastPart(path), shorten(text)), "write it like 2000/s or 120/m")
		case !rateSpan.holds(v / per):
			d.wrong(n, path, fmt.Sprintf("%s is %s", lastPart(path), shorten(text)),
				"it can be 0.001/s to 100000000/s; leave it out to go as fast as answers come")
		default:
			*into = v / per
		}
	}
}
