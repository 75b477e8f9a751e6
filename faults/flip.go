package faults

import (
	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/schema"
)

// flipKind: bits of files at rest are not what they were, as when a disk rots.
func flipKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "flip", Victims: anyVictim(),
			About: "bits of files at rest flip, where something is written; a running server sees them when it reads again"},
		Done:    "given flipped bits",
		Instant: true,
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "path", Type: schema.Text, Required: true, Example: `"**/*.blk"`,
				Meaning: "the files, by a pattern below the data directory: * is a part of a name, ** any number of folders"},
				At: func(s *Spec) any { return &s.Bits.Path }},
			{Field: schema.Field{Name: "bits", Type: schema.Whole, Min: 1, Max: 1 << 20, Default: "1",
				Meaning: "how many, spread over what matches by the plan's seed"},
				At: func(s *Spec) any { return &s.Bits.Count }},
		},
		Does:  []cluster.ActionKind{cluster.Flip},
		Needs: needVolume,
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			bits := p.Spec.Bits
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Flip, Bits: &bits}})
			}
			return steps, ""
		},
		verify: func(e Evidence) (string, bool) {
			if n := e.Counts[cluster.BitsFlipped]; n > 0 {
				return "flipped " + units.Plural(int(min(n, 1<<53)), "bit", "bits"), true
			}
			return "it flipped no bit: the files that match its path held nothing; have it come later, or correct path", false
		},
	}
}
