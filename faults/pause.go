package faults

import "github.com/aftershock-chaos/aftershock/cluster"

// pauseKind: the processes stand still but keep their connections and memory,
// as in a long garbage collection or a stalled virtual machine.
func pauseKind() kind {
	return kind{
		info: KindInfo{Name: "pause", Victims: anyVictim(),
			About: "SIGSTOP to every process of the node; its end lets them run on"},
		action: cluster.Pause,
	}
}
