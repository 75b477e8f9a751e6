package faults

import "github.com/aftershock-chaos/aftershock/cluster"

// CountStarted is how many servers a restart has started that had ended by themselves.
const CountStarted = "started that had ended"

// restartKind: a graceful shutdown and a start, each victim for itself. With
// For the server stays down until that time after the planned instant. It is
// no Outage: who restarts a primary does not ask for a failover.
func restartKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "restart", Victims: anyVictim(),
			About: "graceful shutdown and start; down for no longer than that takes, or for the time given with `for`; a server that had ended by itself is started"},
		Done:    "restarted",
		Hold:    Down,
		Enter:   cluster.Action{Kind: cluster.Stop, Grace: stopGrace},
		Instant: true,
		Starts:  true,
	}
}
