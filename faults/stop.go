package faults

import (
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// stopGrace is how long a server may take to shut down before it is killed.
const stopGrace = 5 * time.Second

// stopKind: the server is asked to shut down and started again at the end. A
// paused server cannot shut down and is killed after the grace.
func stopKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "stop", Victims: anyVictim(),
			About: "graceful shutdown, SIGKILL after 5s; its end starts the server again"},
		Done:   "stopped",
		Outage: true,
		Hold:   Down,
		Enter:  cluster.Action{Kind: cluster.Stop, Grace: stopGrace},
	}
}

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
