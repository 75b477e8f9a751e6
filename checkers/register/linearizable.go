package register

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

func linearizableFacts() []checkers.Fact {
	return []checkers.Fact{
		{Name: "linearizable", Unit: checkers.Boolean, Meaning: "every register behaved as a single copy: one order explains all its operations (final reads aside)"},
		{Name: "linearizable.keys_checked", Unit: checkers.Number, Better: checkers.Higher, Meaning: "registers whose linearizability was decided"},
		{Name: "linearizable.keys_undecided", Unit: checkers.Number, Meaning: "registers for which time or memory did not suffice"},
		{Name: "reads.delta_atomicity", Unit: checkers.Nanos, Meaning: "least time by which all reads must be taken to begin earlier for every register to behave as a single copy"},
		{Name: "reads.order_flips", Unit: checkers.Number, Meaning: "registers whose readers disagree on the order of two concurrent writes, though none of these reads is stale"},
	}
}

// linearity is what is known of one register.
type linearity struct {
	Truth   checkers.Truth
	why     string // it is unknown
	ops     int    // that have a place in the order
	ignored int    // failed compare-and-sets that did not tell the current value
	finding *checkers.Finding

	delta        int64 // see values.delta, or a greater one's of another register
	deltaUnknown bool
	flip         *checkers.Finding // see values.orderFlip
}

// linearizability tells whether all registers are linearizable. Each is decided
// on its own, for a system is linearizable exactly if each of its objects is
// (Herlihy and Wing, 1990).
// All clients' operations count, to whichever node they were sent; final reads
// do not, as they are sent to replicas on purpose. A register with unique
// values is decided by a watch in one pass, and, if that finds a contradiction,
// again by contradict, which tells the evidence; one with a value written
// twice, if the watch does not clear it, by epochs, see part, and only where
// these do not decide it by porcupine, within the limits.
func linearizability(in checkers.Input, found []judged) checkers.Result {
	log, limits := in.Log, in.Limits
	var r checkers.Result
	checked, undecided, violated, ops, ignored := 0, 0, 0, 0, 0
	flipped, flips := 0, kit.NewTopFindings(limits.Findings)
	why := ""
	for i := range found {
		l := &found[i].linear
		ops, ignored = ops+l.ops, ignored+l.ignored
		switch l.Truth {
		case checkers.False:
			violated++
			checked++
		case checkers.True:
			checked++
		default:
			undecided++
			if why == "" {
				why = fmt.Sprintf("register %d: %s", found[i].group.Key, l.why)
			}
		}
		if f := l.finding; f != nil && len(r.Findings) < limits.Findings {
			r.Findings = append(r.Findings, *f)
		}
		if f := l.flip; f != nil {
			flipped++
			flips.Class(checkers.OrderFlip).Offer(-f.At, func() checkers.Finding { return *f })
		}
	}
	v := checkers.Value{Name: "linearizable"}
	switch {
	case violated > 0:
		v.Known = true
	case undecided > 0:
		v.Why = why
	case ops == 0:
		v.Why = "no operation was acknowledged"
	case log.Torn:
		v.Why = kit.TornWhy
	default:
		v.N, v.Known = 1, true
		if ignored > 0 {
			v.Why = fmt.Sprintf("%d failed compare-and-sets did not tell the current value and were left out", ignored)
		}
	}
	r.Findings = append(r.Findings, flips.Findings(checkers.OrderFlip)...)
	r.Values = []checkers.Value{v, kit.Counted("linearizable.keys_checked", checked), kit.Counted("linearizable.keys_undecided", undecided),
		deltaValue(found, log.Torn), kit.Anomalies("reads.order_flips", flipped, log.Torn)}
	return r
}

// Decide decides one register by its analysis without final reads.
func Decide(ctx, search context.Context, w *kit.Words, g *kit.Group, limits checkers.Limits, k *values) linearity {
	var counts registerCounts
	for p := range k.ops {
		counts.count(k.op(int32(p)))
	}
	l := linearity{ops: counts.placed, ignored: counts.ignored}
	if k.Twice {
		return k.decideTwice(ctx, search, w, g, limits, l)
	}
	c, found := k.contradict(w.Log.Torn)
	if !found {
		l.Truth = checkers.True
		return l
	}
	ops, agreed := k.proof(ctx, c)
	if !agreed {
		l.why = "two methods disagree on whether it is linearizable; please report this"
		return l
	}
	l.Truth, l.finding = checkers.False, notLinear(w, g, ops, c.flaw)
	return l
}

// decideTwice decides a register on which some value was written twice.
func (k *values) decideTwice(ctx, search context.Context, w *kit.Words, g *kit.Group, limits checkers.Limits, l linearity) linearity {
	if c, found := k.impossible(k.log.Torn); found {
		l.Truth, l.finding = checkers.False, notLinear(w, g, k.logged(k.withSightings(c.positions)), c.flaw)
		return l
	}
	epochs := Analyse(k.log, k.ops, false)
	if certain, parted := epochs.part(); parted {
		switch c, found := epochs.contradict(k.log.Torn); {
		case !found:
			l.Truth = checkers.True
			return l
		case certain:
			l.Truth, l.finding = checkers.False, epochs.partedProof(ctx, w, g, c)
			return l
		}
	}
	l.Truth = general(search, k, k.log.Torn, limits.Time, limits.Memory/uint64(limits.Workers))
	switch l.Truth {
	case checkers.False:
		l.finding = notLinear(w, g, k.proofByGeneral(ctx), watch.Flawless)
	case checkers.Unknown:
		l.why = fmt.Sprintf("a value was written twice, and the general search for that case ended at its limit of %s or %d MiB", limits.Time, limits.Memory>>20)
	}
	return l
}

// shownOps is how many operations a text tells.
const shownOps = 8

func notLinear(w *kit.Words, g *kit.Group, ops []int32, f watch.Flaw) *checkers.Finding {
	log := w.Log
	finding := &checkers.Finding{Class: checkers.NotLinear, Workload: w.Workload(g.Workload), Key: g.Key, Evidence: kit.Evidence(log, ops...)}
	if len(ops) == 0 {
		finding.Text = fmt.Sprintf("key %d: no single order explains its %d operations, and they are too many to say which few contradict each other", g.Key, len(g.Ops))
		return finding
	}
	texts := make([]string, 0, shownOps+1)
	for i := range finding.Evidence {
		op := &finding.Evidence[i]
		finding.At = max(finding.At, kit.From(op))
		if i < shownOps {
			texts = append(texts, w.Op(op))
		}
	}
	if n := len(finding.Evidence); n > shownOps {
		texts = append(texts, fmt.Sprintf("and %d more", n-shownOps))
	}
	what := watch.FlawTexts[f]
	replaces := slices.ContainsFunc(finding.Evidence, func(op history.Op) bool { return op.Kind == history.CAS })
	if f == watch.FlawOrder && !replaces && !hasStaleRead(log, ops) {
		what = "an order flip: readers disagree on the order of concurrent writes"
	}
	finding.Text = fmt.Sprintf("key %d: %s: %s%s", g.Key, what, strings.Join(texts, "; "), w.During(finding.At))
	return finding
}

func hasStaleRead(log *history.Log, ops []int32) bool {
	k := Analyse(log, ops, false)
	k.supersede()
	for p := range k.ops {
		if i := k.read[p]; i != kit.None && k.staleness(int32(p)) > 0 {
			return true
		}
	}
	return false
}
