package faults

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/schema"
)

// The agents' words for what they count of a press.
const (
	countStops   = "stops"
	countLimited = "processes limited"
	countKilled  = "processes killed for memory"
)

// pressKind: the victims' programs have less of something than they need, and go on.
func pressKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "press", Victims: anyVictim(),
			About: "the node's programs get a share of their time (`cpu`), or few descriptors (`files`); for memory see oom"},
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "cpu", Type: schema.Percent, Min: 1, Max: 99, Absent: "all", Example: "10%",
				Meaning: "the share of the time for which they may run, in slices of 10ms; they stand still for the rest, all at once"},
				At: func(s *Spec) any { return &s.CPU }},
			{Field: schema.Field{Name: "files", Type: schema.Whole, Min: 3, Max: 1 << 20, Absent: "as many as before", Example: "12",
				Meaning: "how many descriptors each process may have; those that it has stay open"},
				At: func(s *Spec) any { return &s.Files }},
		},
		Done: "pressed",
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			squeeze := &cluster.Squeeze{CPU: p.Spec.CPU / 100, Files: p.Spec.Files}
			return onVictims(victims, cluster.Action{Kind: cluster.Press, Squeeze: squeeze}, cluster.Action{Kind: cluster.Unpress}), describePress(p.Spec)
		},
		Does: []cluster.ActionKind{cluster.Press, cluster.Unpress},
		validate: func(s Spec, nodes []string) error {
			if s.CPU == 0 && s.Files == 0 {
				return errors.New("it does not say what is taken: use e.g. cpu: 10%, or files: 12")
			}
			return validateVictim(s.Victim, anyVictim(), nodes)
		},
		verify: verifyPress,
	}
}

func describePress(s Spec) string {
	var words []string
	if s.CPU > 0 {
		words = append(words, fmt.Sprintf("%g%% of the time", s.CPU))
	}
	if s.Files > 0 {
		words = append(words, units.Plural(s.Files, "descriptor", "descriptors"))
	}
	return strings.Join(words, ", ")
}

// verifyPress wants programs to have been stopped or limited.
func verifyPress(e Evidence) (string, bool) {
	var words []string
	if n := e.Counts[countStops]; n > 0 {
		words = append(words, "stopped the processes "+units.Plural(int(n), "time", "times"))
	}
	if n := e.Counts[countLimited]; n > 0 {
		words = append(words, "limited "+units.Plural(int(n), "process", "processes"))
	}
	switch {
	case len(words) > 0:
		return strings.Join(words, " and "), true
	case e.Healed:
		return "it hit no process: none ran on its victims meanwhile; choose another instant (at) or victim", false
	}
	return "it was not seen to hit a process: its end was not recorded; see harness.log in the run's folder", false
}

// oomKind: the kernel kills the server as the node's memory is used up, by the agent, which
// gives it back at once. It is a kill that the system could have seen coming.
func oomKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "oom", Victims: anyVictim(),
			About: "the node's memory (target.memory) is filled until the kernel kills the server for it; its end starts the server again"},
		Done:   "killed for want of memory",
		Outage: true,
		Hold:   Down,
		Enter:  cluster.Action{Kind: cluster.Press, Squeeze: &cluster.Squeeze{Memory: true}},
		Needs:  func(_ Spec, n *cluster.Needs) { n.Memory = true },
		verify: func(e Evidence) (string, bool) {
			if n := e.Counts[countKilled]; n > 0 {
				return "the kernel killed " + units.Plural(int(n), "process", "processes"), true
			}
			return "the kernel killed no process for want of memory; see harness.log in the run's folder", false
		},
	}
}
