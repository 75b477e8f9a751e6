package results

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// The harness's own share of the latency that it measures, from where on a claim
// about latency would be about the harness.
const (
	mostOwnLate  = 0.01 // of the operations, late by the harness's doing
	ownOfLimit   = 10   // a claim's limit has to be so many times the 99th percentile of it
	ownShare     = "load.late.harness"
	ownShareP99  = "load.late.harness.p99"
	ownShareMost = "load.late.harness.max"
)

// ofLatency tells whether a fact is a latency from the intended start, which the
// harness's own lateness is part of.
func ofLatency(fact string) bool {
	return strings.HasPrefix(fact, "latency.") || strings.HasPrefix(fact, "load.") && strings.Contains(fact, ".latency.")
}

// withHarness takes out of the values what the harness itself may have added to
// the latencies that a claim is about, where that is enough to matter. What is left
// is a lower bound, so that a violation that does not rest on it stays one; so is the
// service time, as no operation takes less. There is no upper bound, as a load that
// is not sent as it was asked for shows no latency of it.
func withHarness(claim *claims.Claim, values map[string]checkers.Value) map[string]checkers.Value {
	facts := slices.DeleteFunc(claim.Facts(), func(name string) bool { return !ofLatency(name) || !values[name].Known })
	why := ownDoing(claim, values)
	if len(facts) == 0 || why == "" {
		return values
	}
	values = maps.Clone(values)
	most := values[ownShareMost].N
	for _, name := range facts {
		v := values[name]
		rest := v.N - most
		if service := values["service."+strings.TrimPrefix(name, "latency.")]; service.Known {
			rest = max(rest, service.N)
		}
		reason := why
		if known := strings.TrimPrefix(v.Why, "at least; "); known != "" {
			reason += "; " + known
		}
		values[name] = checkers.Value{Name: name, N: rest, Known: true, AtLeast: true, Why: reason}
		if rest <= 0 {
			values[name] = checkers.Value{Name: name, Why: reason}
		}
	}
	return values
}

// ownDoing says why a claim about latency would be about the harness; empty if it
// would not.
func ownDoing(claim *claims.Claim, values map[string]checkers.Value) string {
	share, p99, most := values[ownShare], values[ownShareP99], values[ownShareMost]
	if !share.Known || !p99.Known || !most.Known {
		return ""
	}
	if share.N > mostOwnLate {
		return fmt.Sprintf("the harness itself, not the system, sent %s of the operations more than %s late, by up to %s",
			percent(share.N), history.LateBound, units.FloatNanos(most.N))
	}
	for _, limit := range claim.Limits(ofLatency) {
		if limit > 0 && p99.N > limit/ownOfLimit {
			return fmt.Sprintf("the harness itself, not the system, sent operations late, by %s at the 99th percentile, which is over a tenth of the limit of %s",
				units.FloatNanos(p99.N), units.FloatNanos(limit))
		}
	}
	return ""
}

// percent writes a share: "1.5 %".
func percent(share float64) string { return units.Digits(share*100) + " %" }
