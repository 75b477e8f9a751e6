package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// Place is where a deployment lives that somebody else made: containers of a
// compose file, pods, hosts over ssh, or addresses alone. What is launched lives on a Host.
type Place interface {
	Name() string // "compose", "pods", "ssh", "addresses"
	// Find looks the deployment up. It changes nothing there. Errors name what was
	// not found, and the remedy.
	Find(ctx context.Context, spec AttachSpec) (Deployment, error)
}

// AttachSpec says which deployment is meant, and who asks.
type AttachSpec struct {
	Run    string // the run's id, unique on this machine
	Launch string // see Spec
	// Port is the servers' own, by which a node's address is completed where
	// the place knows none.
	Port     int
	Lease    time.Duration // 0 is DefaultLease
	Binary   string        // path of the static aftershock binary that guests are made of
	LockFile string        // see Spec
	// AgentImage is an image whose entrypoint is the binary, for places that guests
	// come to as containers of an image of the cluster's; see Spec.
	AgentImage string
	Logger     *slog.Logger
}

// Deployment is a Cluster of nodes that somebody else runs. Its nodes' Start is
// refused; what Do can do says Can. Close makes the guests go and heals what they
// hold: the nodes go on.
type Deployment interface {
	Cluster
	// Called is the deployment's name, which has to be typed out by whoever allows
	// that it is broken: the compose project, the first host.
	Called() string
	// Can says why an action cannot be done here, with the remedy; nil: it can. It
	// tries what it can without touching a node.
	Can(ctx context.Context, kind ActionKind) error
	// Invite brings a guest to every node, without which Do can do nothing. It may
	// be called once.
	Invite(ctx context.Context) error
	// Changes delivers what the place did to the nodes by itself, or somebody else
	// with it; closed by Close.
	Changes() <-chan Change
}

// Neighbours is what a Deployment can tell besides: the addresses now of what stands
// beside its nodes and is none, such as a service that they ask who leads.
type Neighbours interface {
	Lookup(ctx context.Context, name string) ([]netip.Addr, error)
}

// ErrCannot is wrapped by the errors for actions that a place cannot do; the
// message has the reason and the remedy.
var ErrCannot = errors.New("not possible here")

// ChangeKind names what can happen to a node that somebody else runs.
type ChangeKind string

const (
	Restarted ChangeKind = "restarted" // it was started again, by its platform or by somebody
	Moved     ChangeKind = "moved"     // it has another address now: Addr
	Gone      ChangeKind = "gone"      // it is not there any more: removed, or not reached
	Lapsed    ChangeKind = "lapsed"    // its rules or its pause ended by themselves: nobody was heard of for the lease
	Says      ChangeKind = "says"      // what stands beside the nodes takes them for something else
	Unguarded ChangeKind = "unguarded" // it served for a time without the rules in force: Until
)

// Change is something that happened to a node without the harness.
type Change struct {
	At     time.Time // on the harness's clock
	Until  time.Time // Unguarded: when the rules were in force again
	Node   int
	Kind   ChangeKind
	Addr   netip.Addr // Moved
	Detail string     // in the place's own words
}
