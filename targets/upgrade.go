package targets

import (
	"context"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/version"
)

// Upgrader is implemented by Systems whose nodes may run servers of different versions,
// and whose servers can be replaced by those of another version while the cluster serves.
// Its errors give the documentation's reason, and the remedy. For every version there is
// a System of its own, by whose Server a node starts; the methods are those of the System
// that the cluster was formed by.
type Upgrader interface {
	// Mixed says why a replica of one version may not follow a primary of another; among
	// equals, why the two may not be in one cluster. nil: they may, and it is asked for
	// different versions alone. It does no I/O.
	Mixed(primary, replica version.Version) error
	// Step says why a server of one version may not go on from the data of another; nil: it
	// may. It does no I/O.
	Step(from, to version.Version) error
	// Prepare does what has to be done before a node's server is stopped for another one.
	// It returns within ctx. An error says why the server may not be replaced now.
	Prepare(ctx context.Context, u Upgrade) error
}

// Finisher is implemented by Upgraders that have something to do after a node's new server
// has its place in the cluster as well. It returns within ctx; its error fails the upgrade.
type Finisher interface {
	Finish(ctx context.Context, u Upgrade) error
}

// Upgrade is a living cluster at the moment at which the server of one node is replaced.
type Upgrade struct {
	Nodes    []*cluster.Node
	Members  []int // those that belong to the cluster, in order, Node among them
	Node     int
	From, To version.Version
	Runs     []version.Version // what each node runs, in the order of Nodes; none: nothing is known
}

// Others are the members besides the node.
func (u Upgrade) Others() []int {
	var others []int
	for _, i := range u.Members {
		if i != u.Node {
			others = append(others, i)
		}
	}
	return others
}
