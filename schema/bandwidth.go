package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// Bits is how much a link carries, in bits per second.
type Bits int64

// bandwidthUnits are those in which a bandwidth is spelt, the largest first.
var bandwidthUnits = []struct {
	name string
	bits Bits
}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}

// String is the bandwidth in the largest unit of which it is a whole number.
func (b Bits) String() string {
	for _, unit := range bandwidthUnits {
		if b != 0 && b%unit.bits == 0 {
			return fmt.Sprint(int64(b/unit.bits), unit.name)
		}
	}
	return fmt.Sprint(int64(b), "bit")
}

// readBandwidth reads a bandwidth with its unit: 10mbit, 1.5 gbit.
func (s Slot) readBandwidth(name, text string, to *Bits) *Mistake {
	lower := strings.ToLower(strings.TrimSpace(text))
	if isNumber(text) {
		return mistake(fmt.Sprintf("write %smbit or %[1]skbit", text), "%s is %s, which has no unit", name, spelling.Short(text))
	}
	for _, unit := range bandwidthUnits {
		number, ok := strings.CutSuffix(lower, unit.name)
		if !ok || !isNumber(strings.TrimSpace(number)) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if v *= float64(unit.bits); err != nil || v > math.MaxInt64 || !s.holds(v) {
			return mistake(s.span(), "%s is %s", name, spelling.Short(text))
		}
		*to = Bits(math.Round(v))
		return nil
	}
	return mistake("write it like 10mbit or 1gbit", "%s wants a bandwidth, not %q", name, spelling.Short(text))
}
