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
