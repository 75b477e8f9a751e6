package page

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/say"
)

// firstScreen is what everybody sees first.
type firstScreen struct {
	Headline string
	Tone     string // holds, violated, unknown, measured
	Verdict  string // of the claims, in words
	Tiles    []tile
	Again    string
}

// tile is one of the four numbers.
type tile struct {
	Name, Value, About string
	Bad                bool
}

func firstOf(v *results.Verdict) firstScreen {
	f := firstScreen{Headline: say.Headline(v), Tone: string(v.Verdict), Again: say.Again(v)}
	count := map[results.Answer]int{}
	for _, c := range v.Claims {
		count[c.Answer]++
	}
	n := len(v.Claims)
	switch {
	case n == 0 && v.Verdict == results.Holds:
		f.Tone, f.Verdict = "measured", "Measured: the plan claims nothing"
	case n == 0:
		f.Verdict = "Measured, with doubts: the plan claims nothing"
	case v.Verdict == results.Holds:
		f.Verdict = claimed(n, "The claim holds", "All %d claims hold")
	case v.Verdict == results.Violated:
		f.Verdict = fmt.Sprintf("%d of %d claims violated", count[results.Violated], n)
		if n == 1 {
			f.Verdict = "The claim is violated"
		}
	default:
		f.Verdict = claimed(n, "Unknown whether the claim holds", "Unknown whether all %d claims hold")
	}
	f.Tiles = []tile{lostTile(v), staleTile(v), gapTile(v), lagTile(v)}
	return f
}

func claimed(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// none is the value of a tile that the run has no number for.
const none = "–"

func lostTile(v *results.Verdict) tile {
	t := tile{Name: "Lost", Value: none, About: "acknowledged writes: not looked for"}
	lost, ok := say.Lost(v)
	if !ok {
		return t
	}
	t.Value, t.Bad = say.Counted(lost), lost.Known && lost.N > 0
	t.About = cmp.Or(ofAcked(v), "acknowledged writes that are gone")
	if !lost.Known {
		t.About = cmp.Or(lost.Why, "not known")
	}
	return t
}

func ofAcked(v *results.Verdict) string {
	if acked, ok := v.Fact("writes.acked"); ok && acked.Known {
		return "acknowledged writes gone, of " + say.Number(acked.N)
	}
	return ""
}

func staleTile(v *results.Verdict) tile {
	t := tile{Name: "Stale", Value: none, About: "reads of old values: not looked for"}
	for _, name := range [...]string{"reads.stale", "set.stale"} {
		stale, ok := v.Fact(name)
		if !ok {
			continue
		}
		t.Value, t.Bad, t.About = say.Counted(stale), stale.Known && stale.N > 0, "reads of old values"
		if all, ok := v.Fact("reads.ok"); ok && all.Known && name == "reads.stale" {
			t.About = "reads of old values, of " + say.Number(all.N)
		}
		if most, ok := v.Fact("reads.staleness.max"); ok && most.Known && most.N > 0 && name == "reads.stale" {
			t.About += ", by up to " + say.Span(cmp.Or(most.AtMost, most.N))
		}
		if !stale.Known {
			t.About = cmp.Or(stale.Why, "not known")
		}
		return t
	}
	return t
}

func gapTile(v *results.Verdict) tile {
	t := tile{Name: "Unavailable", Value: none, About: "longest time without a write taken: not measured"}
	gap, ok := v.Fact("availability.write_gap.max")
	if !ok {
		return t
	}
	t.Value, t.About = say.Spanned(gap), "longest time without a write taken"
	t.Bad = gap.Known && gap.N >= 1e9
	if !gap.Known {
		t.About = cmp.Or(gap.Why, "not known")
	}
	return t
}

func lagTile(v *results.Verdict) tile {
	t := tile{Name: "Lag", Value: none, About: "of replicas: no workload looked for it"}
	most, ok := v.Fact("lag.max")
	if !ok {
		return t
	}
	t.Value, t.About = say.Spanned(most), "furthest behind that a replica was"
	t.Bad = most.Known && most.N >= 1e9
	if at := slices.IndexFunc(v.Lag, func(r results.LagRow) bool { return r.Node == "" }); at >= 0 && v.Lag[at].Before != nil && len(v.Faults) > 0 {
		t.About += "; before faults " + say.Span(float64(*v.Lag[at].Before))
	}
	if !most.Known {
		t.About = cmp.Or(most.Why, "not known")
	}
	return t
}

func sortedKeys(m map[string]uint64) []string { return slices.Sorted(maps.Keys(m)) }
