package series

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// reasons why a rate does not hold in a run.
type reasons struct {
	why     []string
	certain bool // one of them is; otherwise the run could not tell
}

func (r *reasons) add(certain bool, format string, args ...any) {
	r.why = append(r.why, fmt.Sprintf(format, args...))
	r.certain = r.certain || certain
}

// broken says what does not hold in a run at its rate: a claim, a gate, that lag
// does not grow, or that nothing waits. What is unknown does not hold, for a rate
// is never taken on trust, but it is not certain either. Where there is no replica,
// none lags, and what claims ask of lag is not asked.
func broken(v *results.Verdict) (why []string, certain bool) {
	var r reasons
	for _, c := range v.Claims {
		if c.Answer != results.Holds && !(alone(v) && onlyOfLag(c)) {
			r.add(c.Answer == results.Violated, "%s is %s: %s", c.Claim, c.Answer, c.Detail)
		}
	}
	for _, gate := range v.Gates {
		if !gate.Met {
			r.add(false, "%s: %s", gate.Name, gate.Detail)
		}
	}
	if !alone(v) {
		r.lag(v)
	}
	r.backlog(v)
	return r.why, r.certain
}

// alone tells whether a run had no replica.
func alone(v *results.Verdict) bool { return len(v.Nodes) == 1 }

// onlyOfLag tells whether a claim could not be decided and is about replicas' lag
// alone.
func onlyOfLag(c results.ClaimResult) bool {
	claim, err := claims.ParseClaim(c.Claim)
	if err != nil || c.Answer != results.Unproven {
		return false
	}
	return !slices.ContainsFunc(claim.Facts(), func(fact string) bool { return !strings.HasPrefix(fact, "lag.") })
}

// boundsOf are those of a fact; false where the run does not have it.
func boundsOf(v *results.Verdict, fact string) (least, most float64, measured bool) {
	at := slices.IndexFunc(v.Values, func(f results.FactValue) bool { return f.Name == fact })
	if at < 0 {
		return 0, 0, false
	}
	least, most = v.Values[at].Bounds()
	return least, most, true
}

// lag may not grow.
func (r *reasons) lag(v *results.Verdict) {
	least, _, measured := boundsOf(v, "lag.slope")
	switch {
	case !measured:
	case math.IsInf(least, -1):
		r.add(false, "it is not known whether lag grows: the run is too short, or the lag workload's every too long")
	case least > 0 && least*float64(v.Measured) >= leastGrowth:
		r.add(true, "lag grows by at least %.3gs a second: replicas do not keep up", least)
	}
}

// backlog: what is asked for has to be sent in time.
func (r *reasons) backlog(v *results.Verdict) {
	for _, fact := range []string{"load.unsent", "load.dropped"} {
		if least, most, measured := boundsOf(v, fact); measured && most > 0 {
			r.add(least > 0, "%s is not known to be 0: operations waited until the load was over", fact)
		}
	}
	asked, _, isAsked := boundsOf(v, "load.asked")
	sent, most, isSent := boundsOf(v, "load.rate")
	seconds := time.Duration(v.Measured).Seconds()
	if !isAsked || !isSent || seconds <= 0 {
		return
	}
	if need := asked*(1-backlog) - fewSends/seconds; sent < need {
		r.add(most < need, "operations wait: %.0f/s of %.0f/s were sent in time", max(sent, 0), asked)
	}
}
