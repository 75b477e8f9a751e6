package targets

import (
	"context"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/version"
)

// Membership is a living cluster at the moment at which one node comes, goes or
// changes. Who is a member is known by the harness's book, not by asking: a system
// may know it otherwise, or only later.
type Membership struct {
	Nodes   []*cluster.Node // all that were launched, in the cluster's order
	Members []int           // those that belong to the cluster, in order, without Node
	Node    int             // the one that the change is about
}

// Others are the members besides the node.
func (m Membership) Others() []*cluster.Node {
	var others []*cluster.Node
	for _, i := range m.Members {
		others = append(others, m.Nodes[i])
	}
	return others
}

// The contracts below are optional for Systems that are launched. Their methods talk
// to nodes by the operator's way, start and end the node's own server through its
// Control, and return within ctx, while clients are at work, nodes fail and the
// system, or the harness's operator, fails over: what another member has to do is
// asked of whoever can do it, again and again. Changes come one at a time. A node
// that is no member is asked nothing; of a System whose cluster has spares, Server
// and Form get the nodes that are members from the start, which come first.

// Joiner is implemented by Systems to which a node can be added.
type Joiner interface {
	// Join makes a node a member, as the system's documentation says. Its data
	// directory is empty and no server runs on it. It returns when the node serves
	// clients and has caught up with what was written before.
	Join(ctx context.Context, m Membership) error
}

// Leaver is implemented by Systems from which a member can be taken away.
type Leaver interface {
	// Leave takes a node out of the cluster for good, as the system's documentation
	// says, and ends its server. The node may be healthy, or the primary, or down, or
	// have lost its disk, and may come back by a Join under the same name.
	Leave(ctx context.Context, m Membership) error
}

// Upgrader is implemented by Systems whose servers can be of several versions at a
// time.
type Upgrader interface {
	// Mixes tells whether servers of two versions may make one cluster for as long as
	// a rolling upgrade from one to the other takes: nil, or why not, in the
	// documentation's words. back is the way back, of a cluster that has been
	// upgraded in part or as a whole.
	Mixes(from, to version.Version, back bool) error
	// Upgrade ends the node's server, whatever its role, and starts it again on the
	// same data as spec, which is Server's with the programs of another version. It
	// returns when the node has taken its place again.
	Upgrade(ctx context.Context, m Membership, spec func(cluster.ServerSpec) cluster.ServerSpec) error
}
