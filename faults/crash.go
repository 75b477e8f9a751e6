package faults

import "github.com/aftershock-chaos/aftershock/cluster"

// crashKind: the server of a deployment that somebody else runs dies as if by
// itself, so that its own supervision starts it again: a restart policy, systemd. A
// kill takes that away and keeps it down.
func crashKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "crash", Victims: anyVictim(),
			About: "attached nodes: the server, or one `process` of the node, dies as if by itself; whoever supervises it there may start it again"},
		Done:     "crashed",
		Outage:   true,
		Attached: true,
		Process:  true,
		Instant:  true,
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Crash, Process: p.Spec.Process}})
			}
			return steps, ""
		},
	}
}
