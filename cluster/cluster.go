// Package cluster launches nodes and gives the harness control of each: a node
// is a container or a set of Linux namespaces whose PID 1 is the aftershock
// agent, which supervises the target's server and puts faults into effect.
package cluster

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// ControlPort is the agents' port; no network fault touches it.
const ControlPort = 7399

// DefaultLease is how long an agent lives without hearing from the harness.
const DefaultLease = 5 * time.Second

// DataDir in a ServerSpec's Command, Env and Files stands for the node's own
// data directory; the agent replaces it.
const DataDir = "{data}"

// ErrUnavailable is wrapped by a Host's errors when the host cannot work on
// this machine at all; the message says what is missing and the remedy.
var ErrUnavailable = errors.New("host unavailable")

// ErrRefused is wrapped by Probe's error where the other machine refused the connection.
var ErrRefused = errors.New("connection refused")

// ErrImage is wrapped by a Host's errors for an image that it does not have and cannot
// get.
var ErrImage = errors.New("image not available")

// ServerSpec is what an agent runs as its child. Zero values mean the image's
// own settings.
type ServerSpec struct {
	Command []string          `json:"command"` // argv; "{self}" as argv[0] is the aftershock binary itself
	Env     map[string]string `json:"env,omitempty"`
	Files   map[string]string `json:"files,omitempty"` // path (may start with {data}) to contents, written before the start
	User    string            `json:"user,omitempty"`  // name or uid[:gid]; empty: the agent's own
	Dir     string            `json:"dir,omitempty"`   // working directory; empty: the data directory
	// StopSignal is the graceful stop's signal, SIGTERM if empty ("SIGINT").
	StopSignal string `json:"stop_signal,omitempty"`
	// Root names one of the node's NodeSpec.Others, in whose file system the server runs;
	// empty: the node's own. What is written to the data directory is the same in all.
	Root string `json:"root,omitempty"`
}

// Self as argv[0] of a command stands for the aftershock binary in the node.
const Self = "{self}"

// NodeSpec is one node to launch.
type NodeSpec struct {
	Name  string // "n1"; unique in the cluster, a valid host name
	Image string // docker and kubernetes only; "" is the image that holds nothing but the aftershock binary
	// Bare says that the node has none of the Spec's Limits of memory and time and no Needs: nothing of
	// the target runs on it, and no fault hits it.
	Bare bool
	// Others are further images, docker only, by a name of letters, digits and points for each:
	// servers can be started in their file systems as well, see ServerSpec.Root.
	Others map[string]string
}

// DefaultProcesses is how many processes and threads a node may have where its
// Limits say nothing.
const DefaultProcesses = 4096

// Limits bound what one node may take of its machine.
type Limits struct {
	Processes int     // and threads; 0: DefaultProcesses
	Memory    int64   // bytes, without swap; 0: no limit but the machine's
	CPUs      float64 // processors' worth of time, such as 0.25; 0: no limit but the machine's. See Limiter
}

// Limiter is implemented by Clusters whose Limits.CPUs hold only after Limit: launching
// servers and making them a cluster is not what is to be slow. Of other Clusters they
// hold from the launch on.
type Limiter interface {
	// Limit has the nodes' CPUs hold until the end. The same again is no error.
	Limit(ctx context.Context) error
}

// The kernel's bounds of a quota: the shortest time that a group gets in a period.
const (
	leastQuota  = time.Millisecond
	leastPeriod = 10 * time.Millisecond
)

// Quota is how long a node may run, on all processors together, in every period of the
// kernel's scheduler (CFS bandwidth control). The period is as short as the kernel lets it
// be, so that a node that has used up its time stands still for milliseconds, as where
// a processor is shared, and not for a tenth of a second. Both are 0 without a limit.
func (l Limits) Quota() (quota, period time.Duration) {
	if l.CPUs <= 0 {
		return 0, 0
	}
	period = max(leastPeriod, time.Duration(math.Ceil(float64(leastQuota)/l.CPUs)).Round(time.Microsecond))
	return max(leastQuota, time.Duration(float64(period)*l.CPUs).Round(time.Microsecond)), period
}

// Spec is a cluster to launch.
type Spec struct {
	Run    string // the run's id, unique on this machine
	Nodes  []NodeSpec
	Lease  time.Duration // 0 is DefaultLease
	Binary string        // path of the static aftershock binary to be PID 1
	// Programs are the paths of what the nodes run, on this machine. Nodes that
	// have no image see of it the system's programs and these.
	Programs []string
	Limits   Limits // of each node
	Needs    Needs  // of each node
	Logger   *slog.Logger
	// Launch is this launch's own id, new each time (crypto/rand.Text); it is in
	// the names of what the launch makes. Empty: the host takes one by chance.
	Launch string
	// AgentImage is an image whose entrypoint is the aftershock binary, for hosts that
	// cannot make one themselves; empty: there is none.
	AgentImage string
	// LockFile is a file of owner.Lock that names Launch, in a folder called Run.
	// The harness holds it for as long as it lives: by it a later `clean` tells a
	// dead run's things from a living one's. The local host needs none.
	LockFile string
}

// Of is the spec for one of its nodes.
func (s Spec) Of(node int) Spec {
	if s.Nodes[node].Bare {
		s.Limits.Memory, s.Limits.CPUs, s.Needs = 0, 0, Needs{}
	}
	return s
}

// Host is a place where nodes live.
type Host interface {
	Name() string // "docker", "local", "kubernetes"
	// Launch starts every node's agent and returns when all of them answer.
	// On error nothing is left behind.
	Launch(ctx context.Context, spec Spec) (Cluster, error)
}

// Cluster is a set of launched nodes.
type Cluster interface {
	// Nodes in the order of Spec.Nodes.
	Nodes() []*Node
	// HarnessAddr is the address from which clients' packets reach the nodes.
	HarnessAddr() netip.Addr
	// Close removes everything that Launch made. It is bounded in time by ctx,
	// which must outlive the run's own, and may be called more than once.
	Close(ctx context.Context) error
}

// Node is one node, as the harness controls it. All its methods go over the
// control channel and work through any network fault.
type Node struct {
	Name  string
	Index int
	Addr  netip.Addr // the servers' address, reachable from the harness; of an attached node the first one, see At
	Port  int        // of an attached node, its server's; 0: the target's own
	// Away says in words what the host knows of a node whose control channel was
	// lost, such as that its container was removed. It may be nil.
	Away func(ctx context.Context) string
	Control

	moved atomic.Pointer[netip.Addr]
}

// At is the servers' address now: a node that somebody else runs can get another
// one when it is started again.
func (n *Node) At() netip.Addr {
	if moved := n.moved.Load(); moved != nil {
		return *moved
	}
	return n.Addr
}

// Move tells that the node's servers have another address from now on.
func (n *Node) Move(to netip.Addr) { n.moved.Store(&to) }

// Control is what an agent does for the harness; *agent.Client implements it.
type Control interface {
	// Start starts the server; it must not be running.
	Start(ctx context.Context, spec ServerSpec) error
	// Do puts an action into effect at its instant and returns what happened.
	// Send it ahead of time: it blocks until the action is done.
	Do(ctx context.Context, a Action) (Effect, error)
	// Probe tells whether a TCP connection from this node to addr can be made
	// within timeout, under the node's network rules. Its error is ErrRefused if
	// that machine answered, and nobody listens there.
	Probe(ctx context.Context, addr netip.AddrPort, timeout time.Duration) error
	// DialServer connects to a port of the node's own loopback address through
	// the control channel: no network fault touches it.
	DialServer(ctx context.Context, port int) (net.Conn, error)
	// Exits delivers the exits of the server, also those that a kill caused;
	// closed when the control channel is lost for good.
	Exits() <-chan Exit
	// CopyOutput copies the server's standard output and error to w until the
	// control channel closes or ctx ends.
	CopyOutput(ctx context.Context, w io.Writer) error
	// Run runs a command to its end in the node, as the given user, and
	// returns its combined output (bounded to 1 MiB).
	Run(ctx context.Context, spec ServerSpec) ([]byte, error)
	// Close ends the control channel: the agent kills its server and exits.
	Close() error
}

// Able is what a Control can tell besides: why its node cannot do an action here, with the
// remedy; nil: it can, as far as that can be tried without doing it.
type Able interface {
	Can(ctx context.Context, kind ActionKind) error
}

// Heard is what a Control can tell besides: when its agent last answered, on the
// harness's clock. Agents are asked several times a second.
type Heard interface{ Heard() time.Time }

// Exit is the end of a server process.
type Exit struct {
	At      time.Time // on the harness's clock; inside the agent, on the agent's
	Code    int       // exit code, -1 after a signal
	Signal  string    // "killed", "" if it exited by itself
	Planned bool      // the harness asked for it (Kill, Stop)
	By      string    // of a planned one, the ID of the action that asked for it; may be empty
	Memory  bool      // the kernel killed a process meanwhile as there was no memory left
}
