package schema

import (
	"math"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

func spellNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// readNumber reads a number: 1, 0.99.
func (s Slot) readNumber(name, text string, to *float64) *Mistake {
	v, err := parseNumber(text)
	switch {
	case err != nil:
		return mistake("e.g. "+s.Sample(), "%s wants a number, not %q", name, spelling.Short(text))
	case !s.holds(v):
		return mistake(s.span(), "%s is %s", name, spelling.Short(text))
	}
	*to = v
	return nil
}

// parseNumber takes decimals only: no infinity, no hexadecimal, no underscores.
func parseNumber(text string) (float64, error) {
	if strings.Trim(text, "+-.0123456789eE") != "" {
		return math.NaN(), strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}
