package faults

import "github.com/aftershock-chaos/aftershock/cluster"

// restartKind: a graceful shutdown and a start, each victim for itself. With
// For the server stays down until that time after the planned instant.
func restartKind() kind {
	return kind{
		info: KindInfo{Name: "restart", Victims: anyVictim(),
			About: "graceful shutdown and start; down for no longer than that takes, or for the time given with `for`"},
		action:  cluster.Stop,
		instant: true,
	}
}
