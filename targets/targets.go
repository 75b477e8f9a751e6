// Package targets is the contract between the harness and a system under
// test. Each system has a folder below this one, and its drivers are imported
// there only.
package targets

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Info describes a target for `aftershock list targets` and for validation.
type Info struct {
	Name      string
	About     string         // one line
	Options   []schema.Field // what `target.options` may hold; no type is text, or a word where there are words
	Kinds     []history.Kind // operations that its clients can do
	Pipelined []history.Kind // of them those of which a connection can have several under way (Pipeliner)
	MaxValue  schema.Bytes   // the longest value that a client can write; 0: payload.Most
	MaxCAS    schema.Bytes   // the same where values are compared and set; 0: MaxValue
	Bugs      []Bug          // deliberate defects, for `list bugs`
	Tasks     []Task         // that its nodes can do (Tasked)
	Modes     []Mode         // the ways to run it that are tested on every host
	Servers   []Server       // programs that a node needs; none: the aftershock binary alone
	Versions  []Version      // that are tested, the newest first; none, or without images: the aftershock binary's own
}

// BuiltIn tells whether all of its versions are in the aftershock binary itself.
func (i Info) BuiltIn() bool { return len(i.Versions) == 0 || i.Versions[0].Built == "" }

// Mode is one named setting of a target's options.
type Mode struct {
	Name     string
	About    string // one line
	Replicas int    // besides the primary, in tests
	Options  map[string]string
	Kinds    []history.Kind // what its clients can do, where that is less than Info.Kinds
}

// Server is a program that has to be in a node: in the image on the docker
// host, on the machine on the local host. It is looked for in the PATH, beside
// the aftershock binary and then in Search (see kit.Find).
type Server struct {
	Program string   // "postgres"
	Search  []string // file patterns outside the PATH, "/usr/lib/postgresql/*/bin/postgres"
	Install string   // how to install it, "apt-get install postgresql"
	Library bool     // it is loaded, not executed
}

// Version is a version of a target that is tested, and where the docker host
// finds its servers.
type Version struct {
	Number   string // "17" for all of 17, "3.10", "3.6.16"
	Official string // image of a public registry, pinned to what is tested: "postgres:17"
	Built    string // what `make images` makes: "aftershock/postgres:17"; without both it is in the aftershock binary
}

// ErrVersion is wrapped by the errors for what a version of a target cannot do;
// the message names the version and the remedy.
var ErrVersion = errors.New("not in this version")

// Bug is one deliberate defect of a target.
type Bug struct {
	Name  string
	About string // what goes wrong
	Shows string // the facts that show it
}

// Config is the plan's `target` part.
type Config struct {
	Replicas int               // besides the primary
	Options  map[string]string // scalar values in their YAML spelling
	Version  version.Version   // that will run; none: it is not known yet
	Seed     uint64
}

// Target makes Systems of a configuration. Configure does no I/O; its errors
// name the option and the remedy, and wrap ErrVersion where another version
// could do it.
type Target interface {
	Info() Info
	Configure(Config) (System, error)
}

// Role is what a node says it is.
type Role string

const (
	Primary Role = "primary"
	Replica Role = "replica"
	// Peer is a node that serves in a system without a primary. Clients take
	// the first peer that answers where they want the primary.
	Peer Role = "peer"
)

// ErrGone is wrapped by the error of a status when the node answers, and says
// that what holds the data does not exist on it: no such stream or table.
var ErrGone = errors.New("what holds the data is gone")

// Status is what one node says of itself.
type Status struct {
	Role     Role
	Epoch    uint64 // promotion epoch, which does not go back on a node; 0 where the system has none
	LogEpoch uint64 // epoch of its last log record; 0 where the system has none
	Position uint64 // how much of the log it has; comparable among nodes of one LogEpoch
	Eligible bool   // may be promoted without losing what the mode promises
	Healthy  bool   // a replica: connected to its primary and caught up; a primary: serving
	Detail   string // free text for logs
}

// System is one configured cluster. Its methods take the launched nodes; node
// indexes are those of the cluster. Methods that talk to a node do so through
// Node.DialServer (operator's way), Connect through Node.Addr (clients' way).
type System interface {
	// Server is what node i runs. nodes have their names and addresses.
	Server(nodes []*cluster.Node, i int) cluster.ServerSpec
	// Form waits until the servers answer and makes them a replica set with
	// node 0 the primary.
	Form(ctx context.Context, nodes []*cluster.Node) error
	// Status asks one node. It returns within ctx's deadline.
	Status(ctx context.Context, n *cluster.Node) (Status, error)
	// Connect opens one connection for one worker, bounded by o.ConnectTimeout.
	Connect(ctx context.Context, n *cluster.Node, o ClientOptions) (Client, error)
	// ClientStatus asks for the node's role over the clients' network.
	ClientStatus(ctx context.Context, n *cluster.Node) (Status, error)
}

// Launcher is implemented by Targets whose nodes have something to do before
// the server runs (make a data directory, clone the primary). The command that
// kit.Serve makes runs in the node, as the server's user, and calls Launch with
// its arguments. Launch ends by becoming the server (kit.Exec), or runs it.
type Launcher interface {
	Launch(ctx context.Context, args []string) error
}

// Lag is one replica's lag as the system itself tells it.
type Lag struct {
	Node   int           // the replica, an index of the nodes
	Source string        // the system's own name of the figure: "pg_stat_replication.replay_lag"
	Time   time.Duration // <0: the system does not tell
	Bytes  int64         // <0: the system does not tell
}

// LagTeller is implemented by Systems that tell replication lag themselves. It
// is recorded beside the lag that clients see. Of several figures that one
// answer has for a replica, the greatest time and the greatest number of bytes
// count.
type LagTeller interface {
	// ServerLag asks node n, by the operator's way, for the lag that it knows
	// of: its own, or its replicas'. It returns within ctx's deadline.
	ServerLag(ctx context.Context, nodes []*cluster.Node, n int) ([]Lag, error)
}

// SyncTeller is implemented by Systems whose servers count how often they made
// sure of what they had written (fsync and its like): the kernel does not.
type SyncTeller interface {
	// Syncs asks a node, by the operator's way, how often its server has since it
	// started, or since its own statistics began. It returns within ctx's deadline.
	Syncs(ctx context.Context, n *cluster.Node) (int64, error)
}

// Elsewhere is implemented by Systems whose clients need something of a System that has
// formed the cluster, or may not meet those of another process.
type Elsewhere interface {
	// Elsewhere is called before the first Connect in a process that forms nothing: the
	// cluster of these nodes has been formed by another. process, above 0, tells apart
	// those that have clients.
	Elsewhere(nodes []*cluster.Node, process int)
}

// Versioned is implemented by Systems of targets that have Versions.
type Versioned interface {
	// Version asks a node, by the operator's way, which version its server says
	// it is, in the server's own words ("10.11.14-MariaDB"). It returns within
	// ctx's deadline.
	Version(ctx context.Context, n *cluster.Node) (string, error)
}

// A System that holds connections also implements io.Closer; Close is called
// once, after its last use.

// Operated is implemented by systems that need the harness's failover operator.
type Operated interface {
	// Promote makes node p the primary in a new epoch above every epoch that
	// the statuses tell; others are the nodes that will follow it.
	Promote(ctx context.Context, nodes []*cluster.Node, p int, others []int, epoch uint64) error
	// Follow re-points node i to the primary p of the epoch, and makes an old
	// primary re-join.
	Follow(ctx context.Context, nodes []*cluster.Node, i, p int, epoch uint64) error
}

// ClientOptions bound a connection.
type ClientOptions struct {
	ConnectTimeout time.Duration
	OpTimeout      time.Duration
	Dialer         func(ctx context.Context, network, addr string) (net.Conn, error) // nil: net.Dialer
	Values         payload.Table                                                     // how values look, by workload
}

// Client is one connection's view of the target, used by one goroutine.
type Client interface {
	// Do makes the call that op describes and sets op.Outcome, op.Error and
	// the results (Value, Elements, Observed and the Seen flag). It returns
	// within the connection's OpTimeout. It sets Fail only for errors that
	// prove that nothing happened; everything else is Unknown. Broken reports
	// afterwards whether the connection can be used again. Elements may be
	// appended to op.Elements[:0]; Do must not keep op.
	Do(ctx context.Context, op *history.Op)
	Broken() bool
	Close() error
}
