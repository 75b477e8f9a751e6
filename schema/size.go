package schema

import (
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// Bytes is an amount of memory.
type Bytes int64

// sizeUnits are those in which an amount is spelt, the largest first.
var sizeUnits = []struct {
	name  string
	bytes Bytes
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}}

// String is the amount in the largest unit of which it is a whole number.
func (b Bytes) String() string {
	for _, unit := range sizeUnits {
		if b != 0 && b%unit.bytes == 0 {
			return fmt.Sprint(int64(b/unit.bytes), unit.name)
		}
	}
	return fmt.Sprint(int64(b), "B")
}

// readSize reads an amount with its unit: 512MB, 1.5 GiB.
func (s Slot) readSize(name, text string, to *Bytes) *Mistake {
	v, err := humanize.ParseBytes(text)
	switch {
	case isNumber(text):
		return mistake(fmt.Sprintf("write %sMB or %[1]sGiB", text), "%s is %s, which has no unit", name, spelling.Short(text))
	case err != nil || strings.Contains(text, ","):
		return mistake("write it like 512MB or 2GiB", "%s wants a size, not %q", name, spelling.Short(text))
	case v > math.MaxInt64 || !s.holds(float64(v)):
		return mistake(s.span(), "%s is %s", name, spelling.Short(text))
	}
	*to = Bytes(v)
	return nil
}
