package kit

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// TooLarge says of things that are not judged that they do not fit.
func TooLarge(in checkers.Input, what string) string {
	return fmt.Sprintf("%s do not fit in %s; %s", what, BytesText(in.Memory), MoreMemory)
}

// MoreMemory is what to do about it.
const MoreMemory = "give --memory or check it on a larger machine"

// OpsText is a number of operations: "1.2 billion operations".
func OpsText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f billion operations", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f million operations", float64(n)/1e6)
	}
	return units.Plural(int(n), "operation", "operations")
}

// BytesText is an amount of memory: "1.5 GiB".
func BytesText(n uint64) string {
	size, unit := float64(n)/(1<<10), " KiB"
	for _, larger := range []string{" MiB", " GiB", " TiB"} {
		if size >= 1<<10 {
			size, unit = size/(1<<10), larger
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", size), ".0") + unit
}
