// Package load drives the workloads of a run: workers, each with its generator, its
// pace, its connections and its part of the history, and the final reads.
package load

import (
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/members"
	"github.com/aftershock-chaos/aftershock/harness/watchdog"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// Clients are what the workers of a run share.
type Clients struct {
	System   targets.System
	Doors    *attached.Doors // nil: straight to the nodes
	Nodes    []*cluster.Node
	Members  *members.Members // of them; nil: all
	Clock    history.Clock
	Watchdog *watchdog.Watchdog  // nil: nobody watches
	Primary  func() int          // the clients' belief, asked only when connecting
	Changes  *atomic.Uint64      // of roles; nil: none are seen
	Replica  func(node int) bool // what the node says, asked only after a change
	Options  targets.ClientOptions
}
