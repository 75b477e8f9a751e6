// Package numerals reads the numbers of EDN and JSON so that those of one value
// have one text, however they are written:
//
//   - an integer is one in any base and with N behind it: 17, 0x11, 17N;
//   - a number with a point or an exponent is a double: 1.50 is 1.5, 1e3 is 1000.0;
//   - EDN's decimals (1.5M) are equal to each other only, and so are its ratios.
//
// EDN has integers and doubles as distinct types, as Clojure has, where 1 is not
// equal to 1.0. JSON has one type of number: there 1.0 and 1e0 are 1.
package numerals

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Number is a number: N if it is an integer of 64 bits. Numbers are equal if
// their texts are.
type Number struct {
	Text  string
	N     int64
	Whole bool
}

// maxDigits bounds the numbers that are converted; longer ones are equal by text.
const maxDigits = 400

// EDN reads a number of EDN; ok is false for a text that is none, or too long.
func EDN(text string) (n Number, ok bool) {
	if !begins(text) {
		return n, false
	}
	return ednNumber(text)
}

// JSON is EDN for JSON.
func JSON(text string) (n Number, ok bool) {
	if !begins(text) {
		return n, false
	}
	return jsonNumber(text)
}

// begins tells whether a text begins as a number does.
func begins(text string) bool {
	first := strings.TrimLeft(text, "+-")
	return len(text)-len(first) <= 1 && first != "" && first[0] >= '0' && first[0] <= '9' && len(text) <= maxDigits
}

func ednNumber(text string) (v Number, ok bool) {
	if n, ok := wholeNumber(text); ok {
		return integerOf(n), true
	}
	if top, bottom, found := strings.Cut(text, "/"); found {
		a, okA := new(big.Int).SetString(strings.TrimPrefix(top, "+"), 10)
		b, okB := new(big.Int).SetString(bottom, 10)
		if !okA || !okB || b.Sign() <= 0 {
			return v, false
		}
		ratio := new(big.Rat).SetFrac(a, b)
		if ratio.IsInt() {
			return integerOf(ratio.Num()), true
		}
		return numberOf(ratio.String()), true
	}
	if exact, found := strings.CutSuffix(text, "M"); found {
		d, ok := decimalOf(exact)
		return numberOf(d.String() + "M"), ok
	}
	if !strings.ContainsAny(text, ".eE") {
		return v, false
	}
	return doubleOf(text)
}

func jsonNumber(text string) (v Number, ok bool) {
	d, ok := decimalOf(text)
	switch {
	case !ok:
		return v, false
	case d.digits == "":
		return integerOf(new(big.Int)), true
	case d.exponent >= 0 && d.exponent+len(d.digits) <= maxDigits: // no fraction
		n, _ := new(big.Int).SetString(d.sign+d.digits+strings.Repeat("0", d.exponent), 10)
		return integerOf(n), true
	}
	return doubleOf(text)
}

// numberOf is a number that is no integer of 64 bits.
func numberOf(text string) Number { return Number{Text: text} }

func integerOf(n *big.Int) Number {
	if n.IsInt64() {
		return Number{Text: n.String(), N: n.Int64(), Whole: true}
	}
	return numberOf(n.String())
}

// doubleOf is a number of 64 bits with a fraction; one that these do not hold
// is equal by its decimal digits.
func doubleOf(text string) (Number, bool) {
	d, ok := decimalOf(text)
	if !ok {
		return Number{}, false
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsInf(f, 0) || f == 0 && d.digits != "":
		return numberOf(d.String()), true
	case f == 0:
		return numberOf("0.0"), true // there is one zero
	}
	short := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(short, ".e") {
		short += ".0"
	}
	return numberOf(short), true
}

// wholeNumber reads an integer as Clojure writes one: 17, 017 (octal), 0x11,
// 2r101, each perhaps with N behind it.
func wholeNumber(text string) (*big.Int, bool) {
	sign, rest := "", text
	switch text[0] {
	case '-', '+':
		sign, rest = strings.TrimPrefix(text[:1], "+"), text[1:]
	}
	base := 10
	lower := strings.ToLower(rest)
	radix, digits, hasRadix := strings.Cut(lower, "r")
	switch {
	case strings.HasPrefix(lower, "0x"):
		base, rest = 16, rest[2:]
	case hasRadix:
		b, err := strconv.Atoi(radix)
		if err != nil || b < 2 || b > 36 {
			return nil, false
		}
		base, rest = b, digits
	case len(rest) > 1 && rest[0] == '0' && rest[1] >= '0' && rest[1] <= '9':
		base, rest = 8, rest[1:]
	}
	if !hasRadix {
		rest = strings.TrimSuffix(rest, "N")
	}
	if rest == "" || strings.ContainsAny(rest, "_+-") {
		return nil, false
	}
	return new(big.Int).SetString(sign+rest, base)
}

// decimal is digits, neither beginning nor ending with 0, times a power of 10.
type decimal struct {
	sign     string
	digits   string // empty: zero
	exponent int
}

func decimalOf(text string) (d decimal, ok bool) {
	mantissa := text
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		e, err := strconv.ParseInt(text[at+1:], 10, 32)
		if err != nil {
			return d, false
		}
		mantissa, d.exponent = text[:at], int(e)
	}
	switch {
	case strings.HasPrefix(mantissa, "-"):
		d.sign, mantissa = "-", mantissa[1:]
	case strings.HasPrefix(mantissa, "+"):
		mantissa = mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	d.digits = whole + fraction
	if whole == "" || strings.Trim(d.digits, "0123456789") != "" {
		return d, false
	}
	d.exponent -= len(fraction)
	d.digits = strings.TrimLeft(d.digits, "0")
	short := strings.TrimRight(d.digits, "0")
	d.exponent += len(d.digits) - len(short)
	if d.digits = short; short == "" {
		d = decimal{}
	}
	return d, true
}

// String is the decimal without an exponent where that is short.
func (d decimal) String() string {
	switch at := len(d.digits) + d.exponent; {
	case d.digits == "":
		return "0"
	case d.exponent >= 0 && at <= 20:
		return d.sign + d.digits + strings.Repeat("0", d.exponent)
	case d.exponent < 0 && at > 0:
		return d.sign + d.digits[:at] + "." + d.digits[at:]
	case d.exponent < 0 && at > -6:
		return d.sign + "0." + strings.Repeat("0", -at) + d.digits
	}
	return d.sign + d.digits + "E" + strconv.Itoa(d.exponent)
}
