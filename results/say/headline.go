// Package say tells in words of people what a verdict has in numbers: a run in one
// sentence, values by who wrote them, and how to make the run again. It is pure.
package say

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
)

type lossName struct{ fact, one, many string }

// losses are the facts of what was acknowledged and is gone, with the words for one and
// several of it.
var losses = [...]lossName{
	{"writes.lost", "acknowledged write", "acknowledged writes"},
	{"set.lost", "acknowledged element", "acknowledged elements"},
	{"queue.lost", "confirmed message", "confirmed messages"},
	{"append.lost", "acknowledged append", "acknowledged appends"},
}

// Headline is what a run showed in one sentence that needs no knowledge of the plan:
// "69 acknowledged writes vanished when n1 was killed at 4.0 s; no write was taken for
// 1.3 s; replicas were at most 6 ms behind before." It says nothing of claims, and of
// what is unknown only that: a bound is told as one.
func Headline(v *results.Verdict) string {
	var parts []string
	add := func(part string) {
		if part != "" {
			parts = append(parts, part)
		}
	}
	loss, lost := lossWords(v)
	add(loss)
	if !lost {
		add(otherWords(v))
	}
	add(gapWords(v))
	add(lagWords(v))
	if len(parts) == 0 {
		return cmp.Or(loadWords(v), "Nothing was measured.")
	}
	text := strings.Join(parts, "; ") + "."
	return strings.ToUpper(text[:1]) + text[1:]
}

// Lost is how many acknowledged writes of all kinds are gone, as a fact; ok is false if
// nobody looked for any.
func Lost(v *results.Verdict) (sum results.FactValue, ok bool) {
	sum.Name, sum.Unit, sum.Known = "lost", checkers.Number, true
	least, most := 0.0, 0.0
	for _, l := range losses {
		f, has := v.Fact(l.fact)
		if !has {
			continue
		}
		ok = true
		if !f.Known {
			sum.Why = cmp.Or(sum.Why, f.Why)
			most = math.Inf(1)
			continue
		}
		a, b := f.Bounds()
		least, most = least+a, most+b
	}
	sum.N = least
	switch {
	case math.IsInf(most, 1) && least == 0:
		sum.Known = false
	case math.IsInf(most, 1):
		sum.AtLeast = true
	case most > least:
		sum.AtLeast, sum.AtMost = true, most
	}
	return sum, ok
}

// lossWords tells of lost writes, and whether there were any.
func lossWords(v *results.Verdict) (words string, lost bool) {
	sum, ok := Lost(v)
	if !ok {
		return "", false
	}
	named := lossNames(v)
	one, many := named.one, named.many
	if !sum.Known {
		return "whether " + many + " were lost is not known", false
	}
	if sum.N == 0 && sum.AtLeast {
		return fmt.Sprintf("no loss of %s is proven, but %s may be gone", many, Number(sum.AtMost)), false
	}
	if sum.N == 0 {
		return "no " + one + " was lost" + through(v), false
	}
	return Counted(sum) + " " + plural(sum, one, many) + " vanished" + when(v), true
}

// lossNames are the words for what is gone, or may be, or else for what was looked for:
// its own if that is of one kind.
func lossNames(v *results.Verdict) lossName {
	var asked, open []lossName
	for _, l := range losses {
		f, has := v.Fact(l.fact)
		if has {
			asked = append(asked, l)
		}
		if has && (!f.Known || f.N > 0 || f.AtLeast) {
			open = append(open, l)
		}
	}
	if len(open) == 0 {
		open = asked
	}
	if len(open) == 1 {
		return open[0]
	}
	return losses[0]
}

func plural(f results.FactValue, one, many string) string {
	if f.N == 1 && !f.AtLeast {
		return one
	}
	return many
}

// Counted is a count with its bounds: "3,970", "at least 12", "12 to 15".
func Counted(f results.FactValue) string {
	switch {
	case !f.Known:
		return "?"
	case !f.AtLeast:
		return Number(f.N)
	case f.AtMost == 0:
		return "at least " + Number(f.N)
	}
	return Number(f.N) + " to " + Number(f.AtMost)
}

// Number is a whole number with its thousands apart.
func Number(n float64) string {
	text := strconv.FormatFloat(math.Round(n), 'f', 0, 64)
	digits := strings.TrimPrefix(text, "-")
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	if digits != text {
		return "-" + b.String()
	}
	return b.String()
}

// through tells what a run went through without loss.
func through(v *results.Verdict) string {
	n := 0
	for i := range v.Faults {
		if v.Faults[i].Executed {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return " through " + units.Plural(n, "fault", "faults")
}

// when tells which faults lost acknowledged writes, as far as that is known.
func when(v *results.Verdict) string {
	type share struct {
		f *results.Fault
		n float64
	}
	var shares []share
	for i := range v.Faults {
		f := &v.Faults[i]
		if lost, ok := v.Fact("rpo." + f.ID + ".ops"); ok && lost.Known && lost.N > 0 && f.Executed {
			shares = append(shares, share{f, lost.N})
		}
	}
	switch len(shares) {
	case 0:
		return ""
	case 1:
		return " when " + FaultWords(shares[0].f)
	case 2:
		return " when " + FaultWords(shares[0].f) + " and when " + FaultWords(shares[1].f)
	}
	worst := slices.MaxFunc(shares, func(a, b share) int { return cmp.Compare(a.n, b.n) })
	return fmt.Sprintf(" in %d faults, most of them when %s", len(shares), FaultWords(worst.f))
}

// FaultWords is what a fault did, and when: "n1 was killed at 4.0 s".
func FaultWords(f *results.Fault) string {
	kind, _ := faults.Lookup(f.Kind())
	done := cmp.Or(kind.Done, "hit by "+cmp.Or(f.Name, "a fault"))
	if done == "partitioned" {
		done = "cut off"
	}
	at := " at " + Instant(f.At)
	switch n := len(f.Victims); {
	case n == 0:
		return cmp.Or(f.Title(), f.ID) + " began" + at
	case n == 1:
		return f.Victims[0] + " was " + done + at
	case n <= 3:
		return strings.Join(f.Victims[:n-1], ", ") + " and " + f.Victims[n-1] + " were " + done + at
	}
	return units.Plural(len(f.Victims), "node was ", "nodes were ") + done + at
}

// Instant is a reading of the run's clock as a sentence has it.
func Instant(ns int64) string { return fmt.Sprintf("%.1f s", float64(ns)/1e9) }

// Span is a length of time in two digits: "1.3 s", "6 ms".
func Span(ns float64) string {
	short := func(x float64, unit string) string {
		if x >= 10 {
			return strconv.FormatFloat(math.Round(x), 'f', 0, 64) + " " + unit
		}
		return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) + " " + unit
	}
	switch {
	case ns >= 119.5e9:
		return short(ns/60e9, "min")
	case ns >= 0.9995e9:
		return short(ns/1e9, "s")
	case ns >= 0.9995e6:
		return short(ns/1e6, "ms")
	case ns > 0:
		return short(max(ns/1e3, 0.1), "µs")
	}
	return "0 ms"
}

// Spanned is a measured length of time with its bounds.
func Spanned(f results.FactValue) string {
	if !f.Known {
		return "?"
	}
	least, most := f.Bounds()
	a, b := Span(least), Span(most)
	switch {
	case math.IsInf(most, 1):
		return "at least " + a
	case a == b:
		return a
	}
	return a + " to " + b
}

// shortGap is how long writes may pause without it being called an outage.
const shortGap = 100e6

// gapWords tells how long no write was taken.
func gapWords(v *results.Verdict) string {
	gap, ok := v.Fact("availability.write_gap.max")
	switch {
	case !ok || !gap.Known:
		return ""
	case gap.N >= shortGap || gap.AtLeast && gap.AtMost == 0:
		return "no write was taken for " + Spanned(gap)
	}
	return "writes never paused for more than " + Span(max(gap.N, gap.AtMost))
}

// lagWords tells how far behind replicas were: before the faults, where there were any.
func lagWords(v *results.Verdict) string {
	at := slices.IndexFunc(v.Lag, func(r results.LagRow) bool { return r.Node == "" })
	if at < 0 || v.Lag[at].Before == nil {
		return ""
	}
	replicas, before := "replicas were", ""
	if len(v.Lag) == 2 {
		replicas = "the replica was"
	}
	if slices.ContainsFunc(v.Faults, func(f results.Fault) bool { return f.Executed }) {
		before = " before"
	}
	return replicas + " at most " + Span(float64(*v.Lag[at].Before)) + " behind" + before
}

// loadWords is what is left to say of a run of which nothing else is known.
func loadWords(v *results.Verdict) string {
	rate, ok := v.Fact("ops.rate")
	if !ok || !rate.Known {
		return ""
	}
	return Number(rate.N) + " operations a second were answered."
}
