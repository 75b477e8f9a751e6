package checkers

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Ordering is a log as the checkers get it that judge by the order of operations: where
// several drivers made it, each operation lasts there as long as it may have lasted (see
// history.Log.Widened), so that nothing is out of order that may have been in it.
type Ordering struct {
	Log    *history.Log
	origin []int32 // by index of Log.Ops, that of the log
}

// OrderingOf widens what of the log is in memory.
func OrderingOf(log *history.Log) *Ordering {
	o := &Ordering{}
	o.Log, o.origin = log.Widened()
	return o
}

// Restore has a result name the log's own operations.
func (o *Ordering) Restore(r *Result) {
	if o.origin == nil {
		return
	}
	for i := range r.Stale {
		if op := r.Stale[i].Op; int(op) < len(o.origin) {
			r.Stale[i].Op = o.origin[op]
		}
	}
	slices.SortFunc(r.Stale, func(a, b StaleSample) int { return cmp.Compare(a.Op, b.Op) })
}

// Times between what one driver did and what another did, or an event of the harness,
// are known as well as the drivers' clocks are. All that begin so, and are durations.
var across = []string{"reads.", "set.", "queue.", "availability.", "failover.", "rto.", "rpo.", "redundancy."}

// byEvents are those of them that rest on events of the harness alone.
func byEvents(name string) bool {
	return strings.HasPrefix(name, "rto.") && (strings.HasSuffix(name, ".role") || strings.Contains(name, ".role."))
}

// shrunk are the counts and shares of what is seen by its length in time: what is shorter
// than the clocks are apart may not be seen, so that there may be more. How stale a read
// is rests on the order of writes besides: where that is not known a read may be much
// staler than it shows.
func shrunk(name string) bool {
	rest, reads := strings.CutPrefix(name, "reads.")
	switch {
	case reads:
		return rest == "stale" || rest == "stale_ratio" || rest == "delta_atomicity" || strings.HasSuffix(rest, ".stale") ||
			strings.HasPrefix(rest, "version_lag.") || strings.Contains(rest, "staleness.")
	case strings.HasPrefix(name, "set."):
		return strings.HasSuffix(name, ".stale")
	}
	return false
}

// apart tells of a result, of a log that several clocks made, what these leave open.
func apart(r *Result, c *Checker, log *history.Log) {
	span := log.Span()
	if span == 0 {
		return
	}
	why := fmt.Sprintf("the drivers' clocks are known to within %s", units.Nanos(span))
	least, most := 2*span, 2*span
	if c.Order { // it saw the operations longer by a span on either side
		most = 4 * span
	}
	unseen(r, why)
	for i := range r.Values {
		v := &r.Values[i]
		switch {
		case !v.Known:
		case v.Name == "append.anomalies" && v.N > 1: // cycles share transactions: how many are told apart depends on who came first
			v.N, v.AtLeast, v.AtMost, v.Why = 1, true, 0, cmp.Or(v.Why, "at least; "+why)
		case shrunk(v.Name):
			reason := cmp.Or(v.Why, "at least; "+why+", and what is shorter is not seen")
			v.AtLeast, v.AtMost, v.Why = true, 0, reason
		case timed(c.Facts, v.Name) && acrossDrivers(v.Name):
			between(v, float64(least), float64(most), why)
		}
	}
}

func acrossDrivers(name string) bool {
	return !byEvents(name) && slices.ContainsFunc(across, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// between makes an interval of a duration that is known to within bounds.
func between(v *Value, less, more float64, why string) {
	_, most := v.Bounds()
	n := max(v.N-less, 0)
	open := v.AtLeast && v.AtMost == 0
	v.N, v.AtLeast, v.AtMost = n, true, 0
	if !open {
		v.AtMost = most + more
	}
	if v.Why == "" {
		v.Why = why
	} else if !strings.Contains(v.Why, why) {
		v.Why += "; " + why
	}
}

// unseen takes back what is said of elements that no later read is known to have had:
// one that was made at about the time of the acknowledgement may have been later. Then it
// is not known either of which elements stable latency is to be told.
func unseen(r *Result, why string) {
	never := slices.IndexFunc(r.Values, func(v Value) bool { return v.Name == "set.never_seen" })
	if never < 0 {
		return
	}
	v := &r.Values[never]
	_, most := v.Bounds()
	if !v.Known || most <= 0 {
		return
	}
	v.N, v.AtLeast, v.AtMost, v.Why = 0, true, most, cmp.Or(v.Why, why)
	if math.IsInf(most, 1) {
		*v = Value{Name: v.Name, Why: v.Why}
	}
	for i := range r.Values {
		if strings.HasPrefix(r.Values[i].Name, "set.stable_latency.") {
			r.Values[i] = Value{Name: r.Values[i].Name, Why: why + ", so that it is not known which elements a later read had"}
		}
	}
}
