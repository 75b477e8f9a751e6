package report

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
)

// staleTotal is the row of all reads; nil if no read of a register was answered.
func staleTotal(v *results.Verdict) *checkers.StaleReads {
	if i := slices.IndexFunc(v.Staleness, func(r checkers.StaleReads) bool { return r.Node == "" && r.When == "" }); i >= 0 {
		return &v.Staleness[i]
	}
	return nil
}

// staleRows are the rows of a table of staleness; none if no read was stale. A
// node's moments are left out where they tell no more than its whole row does.
func staleRows(v *results.Verdict) []checkers.StaleReads {
	if total := staleTotal(v); total == nil || total.Stale == 0 {
		return nil
	}
	var rows []checkers.StaleReads
	whole := checkers.StaleReads{}
	for _, r := range v.Staleness {
		if r.When == "" {
			whole = r
		} else if whole.Stale == 0 || r.Reads == whole.Reads {
			continue
		}
		rows = append(rows, r)
	}
	return rows
}

// staleWords sums up the staleness of reads; empty if no read of a register was
// answered.
func staleWords(v *results.Verdict) string {
	total := staleTotal(v)
	switch {
	case total == nil:
		return ""
	case total.Stale > 0:
		return fmt.Sprintf("%d of %s returned a value that had certainly been superseded before the read began.",
			total.Stale, units.Plural(total.Reads, "read", "reads"))
	case v.History.Torn:
		return fmt.Sprintf("No read was seen to be stale, of %s in a torn history.", units.Plural(total.Reads, "read", "reads"))
	}
	return fmt.Sprintf("No read was stale, of %s.", units.Plural(total.Reads, "read", "reads"))
}
