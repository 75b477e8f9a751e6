package faults

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// maxPlanned bounds a schedule, whatever the specs say.
const maxPlanned = 10_000

// minGap keeps a nonsensical repeated fault from filling the schedule at once.
const minGap = time.Millisecond

// Schedule plans the faults of a measured phase of the given length. A
// scheduled fault is planned as it is. A repeated one (Every) is planned for
// random instants from its At on, each time another of its Pick by equal
// chance, as often as it fits whole: the first within the mean distance of the
// start, and from each start to the next the fault's own length L plus a
// uniform part of [0, 2·(Every−L)], which makes Every the mean and lets an
// entry never overlap itself. It is pure: the same arguments give the same
// schedule, and an entry's instants do not depend on the other entries but for
// their number before it. At most 10,000 faults are planned.
func Schedule(specs []Spec, duration time.Duration, seed uint64) []Planned {
	var all []Planned
	for i, spec := range specs {
		rng := rand.New(rand.NewPCG(seed, uint64(i)+1))
		if spec.Every <= 0 {
			all = append(all, Planned{At: spec.At, For: spec.For, Spec: spec, Seed: rng.Uint64()})
			continue
		}
		all = append(all, repeat(spec, duration, rng, maxPlanned-len(all))...)
	}
	slices.SortStableFunc(all, func(a, b Planned) int { return cmp.Compare(a.At, b.At) })
	all = all[:min(len(all), maxPlanned)]
	for i := range all {
		all[i].ID = fmt.Sprintf("f%d", i+1)
	}
	return all
}

// repeat plans one repeated entry, at most limit times.
func repeat(spec Spec, duration time.Duration, rng *rand.Rand, limit int) []Planned {
	var all []Planned
	at := spec.At
	for len(spec.Pick) > 0 && len(all) < limit {
		p := picked(spec, rng)
		window := duration - p.For
		if len(all) == 0 {
			at += uniform(rng, min(spec.Every, window-at))
		}
		if at > window {
			break
		}
		p.At, p.Spec.At = at, at
		all = append(all, p)
		at += max(p.For+uniform(rng, 2*(spec.Every-p.For)), minGap)
	}
	return all
}

// picked draws one of spec's Pick; it inherits For and the line.
func picked(spec Spec, rng *rand.Rand) Planned {
	one := spec.Pick[rng.IntN(len(spec.Pick))]
	if one.For == 0 {
		one.For = spec.For
	}
	if one.Line == 0 {
		one.Line = spec.Line
	}
	return Planned{For: one.For, Spec: one, Seed: rng.Uint64()}
}

// uniform is a random duration in [0, d), 0 if there is none.
func uniform(rng *rand.Rand, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(rng.Int64N(int64(d)))
}
