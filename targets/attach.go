package targets

import (
	"context"
	"crypto/tls"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Attacher is implemented by Targets whose servers can be driven where somebody
// else runs them.
type Attacher interface {
	// Attach makes a System of servers that run already. It does no I/O; its errors
	// name the plan's key and the remedy.
	Attach(AttachConfig) (Attached, error)
}

// AttachConfig is what a plan says of servers that somebody else runs.
type AttachConfig struct {
	Config
	Access Access
	// Objects is what everything that the run makes is called or begins with:
	// "aftershock_<run>", of a-z, 0-9 and _, at most 40 letters.
	Objects string
}

// Access is how clients and the harness come in.
type Access struct {
	User, Password, Database string      // empty: the target's defaults
	TLS                      *tls.Config // nil: in the clear
	Doors                    []Door      // none: clients go straight to the nodes, by their roles
}

// Door is a way in that is no node: a proxy, a service's address, a set of
// sentinels that tell the primary.
type Door struct {
	Role  Role     // Primary: of the operations that want the primary; Replica: of those that want another
	Kind  string   // a URL's scheme: "postgres", "redis", "sentinel"
	Addrs []string // host:port; several are tried in turn
	Name  string   // what comes behind the address, without /: a database, a sentinel's name of the primary
}

// Attached is a System whose servers run already, formed, promoted and configured
// by somebody else. Server is never called, and Form does not form: it makes the
// run's own objects through the primary, and waits until every node that is there
// shows them. Status, ClientStatus and Connect go straight to a node, by its At and
// Port; an operator's way of their own they have where Node.DialServer works.
type Attached interface {
	System
	// Port is the servers' own, where a plan names none.
	Port() int
	// Remove takes away all that is called Objects, or begins with it. What is not
	// there is no error.
	Remove(ctx context.Context, nodes []*cluster.Node) error
	// Left lists the objects of other runs whose names begin with aftershock_ that
	// are there still.
	Left(ctx context.Context, nodes []*cluster.Node) ([]string, error)
	// Settings tells what of a node's configuration matters to durability, and what
	// one would warn a colleague of.
	Settings(ctx context.Context, n *cluster.Node) ([]Setting, error)
	// Enter opens one connection through a door, and says to which node it leads: an
	// index of nodes, -1 if that cannot be known.
	Enter(ctx context.Context, d Door, nodes []*cluster.Node, o ClientOptions) (c Client, node int, err error)
}

// Setting is a piece of a server's configuration.
type Setting struct {
	Name, Value string
	Warning     string // empty: nothing speaks against it
}
