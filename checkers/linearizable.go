package checkers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

func linearizableChecker() Checker {
	return Checker{
		Name:  "linearizable",
		Types: []string{registerType},
		Facts: []Fact{
			{"linearizable", Boolean, "every register behaved as a single copy: one order explains all its operations (final reads aside)"},
			{"linearizable.keys_checked", Number, "registers whose linearizability was decided"},
			{"linearizable.keys_undecided", Number, "registers for which time or memory did not suffice"},
			{"reads.delta_atomicity", Nanos, "least time by which all reads must be taken to begin earlier for every register to behave as a single copy"},
			{"reads.order_flips", Number, "registers whose readers disagree on the order of two concurrent writes, though none of these reads is stale"},
		},
		Check: checkLinearizable,
	}
}

// linearity is what is known of one register.
type linearity struct {
	truth   Truth
	why     string // it is unknown
	ops     int    // that have a place in the order
	ignored int    // failed compare-and-sets that did not tell the current value
	finding *Finding

	delta        int64 // see values.delta, or a greater one's of another register
	deltaUnknown bool
	flip         *Finding // see values.orderFlip
}

// checkLinearizable decides each register on its own, for a system is
// linearizable exactly if each of its objects is (Herlihy and Wing, 1990).
// All clients' operations count, to whichever node they were sent; final reads
// do not, as they are sent to replicas on purpose. A register with unique
// values is decided by a watch in one pass, and, if that finds a contradiction,
// again by contradict, which tells the evidence; one with a value written
// twice, if the watch does not clear it, by epochs, see part, and only where
// these do not decide it by porcupine, within the limits.
func checkLinearizable(ctx context.Context, log *history.Log, limits Limits) Result {
	found := registers(ctx, log, limits)
	var r Result
	checked, undecided, violated, ops, ignored := 0, 0, 0, 0, 0
	flipped, flips := 0, newShelves(limits.Findings)
	why := ""
	for i := range found {
		l := &found[i].linear
		ops, ignored = ops+l.ops, ignored+l.ignored
		switch l.truth {
		case False:
			violated++
			checked++
		case True:
			checked++
		default:
			undecided++
			if why == "" {
				why = fmt.Sprintf("register %d: %s", found[i].group.key, l.why)
			}
		}
		if f := l.finding; f != nil && len(r.Findings) < limits.Findings {
			r.Findings = append(r.Findings, *f)
		}
		if f := l.flip; f != nil {
			flipped++
			flips.class(OrderFlip).offer(-f.At, func() Finding { return *f })
		}
	}
	v := Value{Name: "linearizable"}
	switch {
	case violated > 0:
		v.Known = true
	case undecided > 0:
		v.Why = why
	case ops == 0:
		v.Why = "no operation was acknowledged"
	case log.Torn:
		v.Why = tornWhy
	default:
		v.N, v.Known = 1, true
		if ignored > 0 {
			v.Why = fmt.Sprintf("%d failed compare-and-sets did not tell the current value and were left out", ignored)
		}
	}
	r.Findings = append(r.Findings, flips.findings(OrderFlip)...)
	r.Values = []Value{v, counted("linearizable.keys_checked", checked), counted("linearizable.keys_undecided", undecided),
		deltaValue(found, log.Torn), anomalies("reads.order_flips", flipped, log.Torn)}
	return r
}

// decide decides one register by its analysis without final reads.
func decide(ctx, search context.Context, w *words, g *group, limits Limits, k *values) linearity {
	var counts registerCounts
	for p := range k.ops {
		counts.count(k.op(int32(p)))
	}
	l := linearity{ops: counts.placed, ignored: counts.ignored}
	if k.twice {
		return k.decideTwice(ctx, search, w, g, limits, l)
	}
	c, found := k.contradict(w.log.Torn)
	if !found {
		l.truth = True
		return l
	}
	ops, agreed := k.proof(ctx, c)
	if !agreed {
		l.why = "two methods disagree on whether it is linearizable; please report this"
		return l
	}
	l.truth, l.finding = False, notLinear(w, g, ops, c.flaw)
	return l
}

// decideTwice decides a register on which some value was written twice.
func (k *values) decideTwice(ctx, search context.Context, w *words, g *group, limits Limits, l linearity) linearity {
	if c, found := k.impossible(k.log.Torn); found {
		l.truth, l.finding = False, notLinear(w, g, k.logged(k.withSightings(c.positions)), c.flaw)
		return l
	}
	epochs := analyse(k.log, k.ops, false)
	if certain, parted := epochs.part(); parted {
		switch c, found := epochs.contradict(k.log.Torn); {
		case !found:
			l.truth = True
			return l
		case certain:
			l.truth, l.finding = False, epochs.partedProof(ctx, w, g, c)
			return l
		}
	}
	l.truth = general(search, k, k.log.Torn, limits.Time, limits.Memory/uint64(limits.Workers))
	switch l.truth {
	case False:
		l.finding = notLinear(w, g, k.proofByGeneral(ctx), flawless)
	case Unknown:
		l.why = fmt.Sprintf("a value was written twice, and the general search for that case ended at its limit of %s or %d MiB", limits.Time, limits.Memory>>20)
	}
	return l
}

// flawTexts say in general terms what the evidence shows.
var flawTexts = map[flaw]string{
	flawless:    "no single order explains these operations",
	flawPhantom: "a value was read that nobody wrote",
	flawRefused: "a write that was reported failed took effect all the same",
	flawUpdate:  "two compare-and-sets both replaced the same value: one update is lost",
	flawCycle:   "compare-and-sets replaced each other's values in a circle",
	flawFuture:  "a value was seen, or replaced, before it was there, or after it had been replaced",
	flawOrder:   "no single order explains these operations: each of two values must have been there before the other",
}

// shownOps is how many operations a text tells.
const shownOps = 8

func notLinear(w *words, g *group, ops []int32, f flaw) *Finding {
	log := w.log
	finding := &Finding{Class: NotLinear, Workload: w.workload(g.workload), Key: g.key, Evidence: evidence(log, ops...)}
	if len(ops) == 0 {
		finding.Text = fmt.Sprintf("key %d: no single order explains its %d operations, and they are too many to say which few contradict each other", g.key, len(g.ops))
		return finding
	}
	told := make([]string, 0, shownOps+1)
	for i := range finding.Evidence {
		op := &finding.Evidence[i]
		finding.At = max(finding.At, from(op))
		if i < shownOps {
			told = append(told, w.op(op))
		}
	}
	if n := len(finding.Evidence); n > shownOps {
		told = append(told, fmt.Sprintf("and %d more", n-shownOps))
	}
	what := flawTexts[f]
	replaces := slices.ContainsFunc(finding.Evidence, func(op history.Op) bool { return op.Kind == history.CAS })
	if f == flawOrder && !replaces && !hasStaleRead(log, ops) {
		what = "an order flip: readers disagree on the order of concurrent writes"
	}
	finding.Text = fmt.Sprintf("key %d: %s: %s%s", g.key, what, strings.Join(told, "; "), w.during(finding.At))
	return finding
}

func hasStaleRead(log *history.Log, ops []int32) bool {
	k := analyse(log, ops, false)
	k.supersede()
	for p := range k.ops {
		if i := k.read[p]; i != none && k.staleness(int32(p)) > 0 {
			return true
		}
	}
	return false
}
