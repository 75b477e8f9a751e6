package faults

import "github.com/aftershock-chaos/aftershock/cluster"

// pauseKind: the processes stand still but keep their connections and memory,
// as in a long garbage collection or a stalled virtual machine.
func pauseKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "pause", Victims: anyVictim(),
			About: "SIGSTOP to every process of the node; its end lets them run on"},
		Process: true,
		Done:    "paused",
		Outage:  true,
		Hold:    Paused,
		Enter:   cluster.Action{Kind: cluster.Pause},
	}
}
