package faults

import (
	"errors"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Here as the victim of an exec is the machine of the harness.
const Here = "here"

// execKind: a planned event, such as a switchover by the system's own tool. What it
// does to the system only the command knows, so that writes may be lost by it and a
// failover is measured from it.
func execKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "exec", Victims: append([]string{Here}, anyVictim()...),
			About: "a command on a node, or with `on: here` on this machine; it lasts until the command ends, 2m at most, and fails if that does"},
		Done:      "told to run a command",
		Outage:    true,
		Anywhere:  true,
		Instant:   true,
		VictimKey: "on",
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "command", Type: schema.List, Of: schema.Text, Max: 64, Required: true, Example: "[patronictl, switchover, --force]",
				Meaning: "the program and its arguments; no shell reads them"},
				At: func(s *Spec) any { return &s.Command }},
		},
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			begin := cluster.Action{Kind: cluster.Exec, Command: slices.Clone(p.Spec.Command)}
			if len(victims) == 0 {
				begin.Here = true
				victims = []int{0} // it stands for the harness
			}
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: begin})
			}
			return steps, strings.Join(p.Spec.Command, " ")
		},
		validate: func(spec Spec, nodes []string) error {
			if len(spec.Command) == 0 || spec.Command[0] == "" {
				return errors.New("it has no command; use e.g. command: [patronictl, switchover, --force]")
			}
			return validateVictim(spec.Victim, append([]string{Here}, anyVictim()...), nodes)
		},
		choose: func(p Planned, _ View, c chooser) ([]int, error) {
			if p.Spec.Victim == Here {
				return nil, nil
			}
			return c(p.Spec.Victim)
		},
	}
}
