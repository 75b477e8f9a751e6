package faults

import (
	"cmp"
	"errors"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/schema"
)

// CountReplaced is how many servers an upgrade has replaced.
const CountReplaced = "servers replaced"

// upgradeKind: the server is replaced by that of another version, an older one too. It
// is an Outage: what a primary's upgrade takes is what its failover takes.
func upgradeKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "upgrade", Victims: anyVictim(),
			About: "the server is shut down, and that of another version started on the same data, as the documentation says; of several nodes one after the other, the primary last; over when they have caught up"},
		Done:     "given a server of another version",
		Outage:   true,
		Instant:  true,
		Replaces: true,
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "to", Type: schema.Text, Required: true, Example: `"3.6"`,
				Meaning: "the version that its victims run from then on; an older one where the documentation allows the way back"},
				At: func(s *Spec) any { return &s.To }},
		},
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Upgrade, To: p.Spec.To, Among: victims}})
			}
			return steps, ""
		},
		validate: func(s Spec, nodes []string) error {
			if s.For != 0 {
				return errors.New("it lasts until its victims have caught up: leave for out, and write the way back as an upgrade of its own")
			}
			return validateVictim(s.Victim, anyVictim(), nodes)
		},
		verify: func(e Evidence) (string, bool) {
			n := e.Counts[CountReplaced]
			if n == 0 {
				return "no server was replaced: its victims ran that version already, or could not be stopped", false
			}
			return "replaced " + units.Plural(int(min(n, 1<<20)), "server", "servers"), true
		},
	}
}

// Upgrades are a plan's upgrades, also those that are picked by chance, in the order of
// their instants; those at random instants come last.
func Upgrades(specs []Spec) []Spec {
	var found []Spec
	for _, s := range specs {
		for _, one := range append(slices.Clone(s.Pick), s) {
			if k, _ := Lookup(one.Kind); k.Replaces {
				one.At, one.Every = s.At, s.Every
				found = append(found, one)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Spec) int {
		return cmp.Or(cmp.Compare(min(a.Every, 1), min(b.Every, 1)), cmp.Compare(a.At, b.At))
	})
	return found
}
