package faults

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// MaxPlanned bounds a schedule, whatever the specs say.
const MaxPlanned = 10_000

// minGap keeps a nonsensical repeated fault from filling the schedule at once.
const minGap = time.Millisecond

// Schedule plans the faults of a measured phase of the given length. A
// scheduled fault is planned as it is, and one that repeats itself as often as it
// fits whole, each time after Every. A repeated one of Pick is planned for
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
		if spec.cycles() {
			for _, p := range cycle(spec, duration, rng, MaxPlanned-len(all)) {
				p.Entry = i + 1
				all = append(all, p)
			}
			continue
		}
		for _, p := range repeat(spec, duration, rng, MaxPlanned-len(all)) {
			p.Entry = i + 1
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b Planned) int { return cmp.Compare(a.At, b.At) })
	all = all[:min(len(all), MaxPlanned)]
	for i := range all {
		all[i].ID = fmt.Sprintf("f%d", i+1)
	}
	return all
}

// CheckSchedule refuses a schedule that does not fit a cluster of these nodes:
// one may come from another run, to be replayed.
func CheckSchedule(schedule []Planned, nodes []string) error {
	seen := map[string]bool{}
	for _, p := range schedule {
		if p.ID == "" || seen[p.ID] {
			return fmt.Errorf("schedule: the fault at %s has the id %q, which is empty or used twice", p.At, p.ID)
		}
		seen[p.ID] = true
		if err := checkKnown(p.Spec); err != nil {
			return fmt.Errorf("schedule: fault %s: %w", p.ID, err)
		}
		for _, victim := range p.Victims {
			if !slices.Contains(nodes, victim) {
				return fmt.Errorf("schedule: fault %s names the victim %q, which this cluster does not have: replay it on as many nodes as it was made for", p.ID, victim)
			}
		}
	}
	return nil
}

// CheckTimes refuses a schedule that no plan of this duration can have made: a
// forged or damaged one would hold up whoever executes or judges it.
func CheckTimes(schedule []Planned, duration time.Duration) error {
	if len(schedule) > MaxPlanned {
		return fmt.Errorf("schedule: %d faults are more than the %d that a plan can have", len(schedule), MaxPlanned)
	}
	for _, p := range schedule {
		if p.At < 0 || p.At > duration || p.For < 0 || p.For > duration-p.At {
			return fmt.Errorf("schedule: fault %s at %s for %s lies outside of the plan's duration of %s: lengthen duration, or take the fault out", p.ID, p.At, p.For, duration)
		}
	}
	return nil
}

// first is when a fault that repeats itself begins: it needs some time to be
// compared with, unless the plan says otherwise.
func (s Spec) first() time.Duration {
	if s.At > 0 {
		return s.At
	}
	return s.Every
}

// cycles tells whether a fault repeats itself.
func (s Spec) cycles() bool { return s.Every > 0 && len(s.Pick) == 0 && s.Kind != "" }

// cycle plans one entry that repeats itself, at most limit times.
func cycle(spec Spec, duration time.Duration, rng *rand.Rand, limit int) []Planned {
	var all []Planned
	distance := max(spec.Every, minGap)
	for at := spec.first(); at < duration && spec.For <= duration-at && len(all) < limit; at += distance {
		one := spec
		one.At, one.Every = at, 0
		all = append(all, Planned{At: at, For: one.For, Spec: one, Seed: rng.Uint64()})
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

// picked draws one of spec's Pick; it inherits For.
func picked(spec Spec, rng *rand.Rand) Planned {
	one := spec.Pick[rng.IntN(len(spec.Pick))]
	if one.For == 0 {
		one.For = spec.For
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
