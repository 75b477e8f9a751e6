package schema

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// MaxText bounds the free texts of a plan, in bytes.
const MaxText = 4096

// MaxName bounds the names of plans and workloads, which become names of files
// and parts of facts.
const MaxName = 64

// NamePattern is what a Name looks like.
const NamePattern = `^[a-z0-9]+(-[a-z0-9]+)*$`

var goodName = regexp.MustCompile(NamePattern)

// IsName tells whether a text is a Name.
func IsName(s string) bool { return len(s) <= MaxName && goodName.MatchString(s) }

// Mistake is what is wrong with a value, and what to do about it.
type Mistake struct{ Message, Remedy string }

func mistake(remedy, format string, args ...any) *Mistake {
	return &Mistake{fmt.Sprintf(format, args...), remedy}
}

// Wants says what a single value of the type is, for messages.
func (t Type) Wants() string {
	switch t {
	case Word:
		return "one word"
	case Whole:
		return "a whole number"
	case Duration:
		return "a duration"
	case Rate:
		return "a rate"
	case Flag:
		return "true or false"
	case Size:
		return "a size"
	case Bandwidth:
		return "a bandwidth"
	case Number:
		return "a number"
	case Percent:
		return "a percentage"
	}
	return "a text"
}

// Read takes a single value as a plan writes it. name is how messages call the
// key; quoted is a value in quotes, which is no number.
func (s Slot) Read(name, text string, quoted bool) *Mistake {
	switch to := s.At.(type) {
	case *string:
		if s.Type == Word && len(s.Words) > 0 && !slices.Contains(s.Words, text) {
			return s.unknownWord(name, text)
		}
		*to = text
	case *int:
		return s.readWhole(name, text, quoted, func() bool {
			v, err := strconv.ParseInt(text, 10, 0)
			ok := err == nil && s.holds(float64(v))
			if ok {
				*to = int(v)
			}
			return ok
		})
	case *uint64:
		return s.readWhole(name, text, quoted, func() bool {
			v, err := strconv.ParseUint(text, 10, 64)
			if err == nil {
				*to = v
			}
			return err == nil
		})
	case *time.Duration:
		return s.readDuration(name, text, to)
	case *float64:
		switch s.Type {
		case Number:
			return s.readNumber(name, text, to)
		case Percent:
			return s.readPercent(name, text, to)
		}
		return s.readRate(name, text, to)
	case *Bytes:
		return s.readSize(name, text, to)
	case *Bits:
		return s.readBandwidth(name, text, to)
	case *bool:
		if text != "true" && text != "false" {
			return mistake("write true or false", "%s wants true or false, not %q", name, spelling.Short(text))
		}
		*to = text == "true"
	default:
		panic(fmt.Sprintf("schema: the key %s has no single value but a %T", s.Name, s.At))
	}
	return nil
}

func (s Slot) unknownWord(name, text string) *Mistake {
	return mistake(spelling.DidYouMean(text, s.Words), "%s cannot be %q", name, spelling.Short(text))
}

// readWhole checks the spelling of a whole number before it is parsed.
func (s Slot) readWhole(name, text string, quoted bool, parse func() bool) *Mistake {
	spelt := IsWhole(text)
	switch {
	case spelt && quoted:
		return mistake("take the quotes away", "%s wants a whole number, not the text %q", name, text)
	case !spelt:
		return mistake("e.g. "+s.Sample(), "%s wants a whole number, not %q", name, spelling.Short(text))
	case !parse():
		return mistake(s.span(), "%s is %s", name, spelling.Short(text))
	}
	return nil
}

func (s Slot) readDuration(name, text string, to *time.Duration) *Mistake {
	v, err := time.ParseDuration(text)
	switch {
	case isNumber(text) && text != "0":
		return mistake(fmt.Sprintf("write %ss, %sms or %sm", text, text, text), "%s is %s, which has no unit", name, spelling.Short(text))
	case err != nil:
		return mistake("write it like 10ms, 1.5s or 1h", "%s wants a duration, not %q", name, spelling.Short(text))
	case !s.holds(float64(v)):
		return mistake(s.span(), "%s is %s", name, spelling.Short(text))
	}
	*to = v
	return nil
}

// readRate reads operations per second: 2000, 2000/s or 120/m. A word, where there
// is one, stands for no limit.
func (s Slot) readRate(name, text string, to *float64) *Mistake {
	if slices.Contains(s.Words, text) {
		*to = math.Inf(1)
		return nil
	}
	count, unit, hasUnit := strings.Cut(text, "/")
	per := map[string]float64{"s": 1, "m": 60}[strings.TrimSpace(unit)]
	if !hasUnit {
		per = 1
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(count), 64)
	switch {
	case err != nil || per == 0:
		return mistake("write it like 2000/s or 120/m", "%s wants operations per second, not %q", name, spelling.Short(text))
	case !s.holds(v / per):
		return mistake(s.span(), "%s is %s", name, spelling.Short(text))
	}
	*to = v / per
	return nil
}

// readPercent reads hundredths: 5%, 0.5 %.
func (s Slot) readPercent(name, text string, to *float64) *Mistake {
	number, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	switch {
	case isNumber(text):
		return mistake("write "+text+"%", "%s is %s, which has no unit", name, spelling.Short(text))
	case err != nil || !ok:
		return mistake("write it like 5%", "%s wants a percentage, not %q", name, spelling.Short(text))
	case !s.holds(v):
		return mistake(s.span(), "%s is %s", name, spelling.Short(text))
	}
	*to = v
	return nil
}

// IsWhole tells whether a text is spelt as a whole number.
func IsWhole(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && strings.Trim(s, "+-.0123456789") == ""
}

func (f Field) holds(v float64) bool { return v >= f.Min && v <= f.Max }

// Span is the range of values in words: "1ms to 24h"; empty where the type has none.
func (f Field) Span() string {
	switch f.Type {
	case Whole:
		if f.Max == 0 {
			return fmt.Sprintf("0 to %d", uint64(math.MaxUint64))
		}
		return fmt.Sprintf("%.0f to %.0f", f.Min, f.Max)
	case Duration:
		return SpellDuration(time.Duration(f.Min)) + " to " + SpellDuration(time.Duration(f.Max))
	case Rate:
		return spellRate(f.Min) + " to " + spellRate(f.Max)
	case Percent:
		return spellPercent(f.Min) + " to " + spellPercent(f.Max)
	case Size:
		return Bytes(f.Min).String() + " to " + Bytes(f.Max).String()
	case Bandwidth:
		return Bits(f.Min).String() + " to " + Bits(f.Max).String()
	case Number:
		return spellNumber(f.Min) + " to " + spellNumber(f.Max)
	}
	return ""
}

// span is the remedy for a value that is out of bounds.
func (f Field) span() string {
	if f.Note != "" {
		return "it can be " + f.Span() + "; " + f.Note
	}
	return "it can be " + f.Span()
}

// Check is Read's check of a value that is there already: that of a plan made
// in Go. A Name is only checked for being one.
func (s Slot) Check(name string) *Mistake {
	out := func(v float64) *Mistake {
		if s.holds(v) {
			return nil
		}
		return mistake(s.span(), "%s is %s", name, s.Spell())
	}
	switch to := s.At.(type) {
	case *string:
		if s.Type == Word && len(s.Words) > 0 {
			if slices.Contains(s.Words, *to) {
				return nil
			}
			return s.unknownWord(name, *to)
		}
		return CheckText(name, *to)
	case *int:
		if *to != 0 || s.Absent == "" { // else left out
			return out(float64(*to))
		}
	case *time.Duration:
		return out(float64(*to))
	case *float64:
		if len(s.Words) > 0 && math.IsInf(*to, 1) {
			return nil
		}
		if *to != 0 || s.Absent == "" {
			return out(*to)
		}
	case *Bytes:
		if *to != 0 { // left out
			return out(float64(*to))
		}
	case *Bits:
		if *to != 0 { // likewise
			return out(float64(*to))
		}
	}
	return nil
}

// CheckText holds a free text to what a file can say.
func CheckText(name, s string) *Mistake {
	switch {
	case len(s) > MaxText:
		return mistake("shorten it", "%s is longer than %d bytes", spelling.Short(name), MaxText)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }):
		return mistake("use plain text", "%s holds something that cannot be printed", spelling.Short(name))
	}
	return nil
}

// Empty tells whether the value is its type's zero, or an empty list or map.
func (s Slot) Empty() bool {
	v := reflect.ValueOf(s.At)
	if v.Kind() == reflect.Slice { // the slots of a map
		return false
	}
	v = v.Elem()
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

// Spell writes a single value as a plan would.
func (s Slot) Spell() string {
	switch to := s.At.(type) {
	case *string:
		return *to
	case *time.Duration:
		return SpellDuration(*to)
	case *float64:
		if s.Type == Number {
			return spellNumber(*to)
		}
		if len(s.Words) > 0 && math.IsInf(*to, 1) {
			return s.Words[0]
		}
		if s.Type == Percent {
			return spellPercent(*to)
		}
		return spellRate(*to)
	case *Bytes:
		return to.String()
	case *Bits:
		return to.String()
	default:
		return fmt.Sprint(reflect.ValueOf(s.At).Elem())
	}
}

func spellPercent(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + "%" }

func spellRate(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + "/s" }

// SpellDuration is Go's spelling without the zeros at the end: 1h for 1h0m0s.
func SpellDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
