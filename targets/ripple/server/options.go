// Package server is ripple: a small primary/replica key-value store that
// speaks RESP2. One Server is one node. It logs every write to a write-ahead
// log, streams the log to its replicas and acknowledges as its replication
// mode promises; epochs fence an old primary.
package server

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"
)

// DefaultPort is the port of ripple's clients, replicas and operator alike.
const DefaultPort = 6399

// Replication says when the primary acknowledges a write.
type Replication string

const (
	Async    Replication = "async"    // logged on the primary
	SemiSync Replication = "semisync" // and logged on one replica
	Sync     Replication = "sync"     // and logged on every in-sync replica
)

// Fsync says when the log is synced to disk.
type Fsync string

const (
	FsyncAlways   Fsync = "always"   // before a record counts as logged
	FsyncInterval Fsync = "interval" // in the background, every FsyncInterval
	FsyncNever    Fsync = "never"    // when the operating system likes
)

// Apply says how a replica replays.
type Apply string

const (
	Serial   Apply = "serial"   // one goroutine, in log order
	Parallel Apply = "parallel" // by key, as many goroutines as processors
)

// Words of the enumerated options, for validation and help.
var (
	Replications = []string{string(Async), string(SemiSync), string(Sync)}
	Fsyncs       = []string{string(FsyncAlways), string(FsyncInterval), string(FsyncNever)}
	Applies      = []string{string(Serial), string(Parallel)}
)

// Defaults of Options.
const (
	DefaultFsyncInterval = 100 * time.Millisecond
	DefaultReadLease     = 500 * time.Millisecond
	DefaultBugN          = 100
)

// Options configure one node. All nodes of a cluster need the same modes.
type Options struct {
	Name          string            // this node's name, e.g. "n1"
	Listen        string            // TCP address, e.g. ":6399"
	Data          string            // data directory; made if it is not there
	Peers         map[string]string // all other nodes: name to host:port
	Replication   Replication       // default Async
	Fsync         Fsync             // default FsyncInterval
	FsyncInterval time.Duration     // default DefaultFsyncInterval
	Apply         Apply             // default Serial
	ReplayCost    time.Duration     // CPU time spent per applied record
	ReadLease     time.Duration     // sync mode; default DefaultReadLease
	Bugs          []string          // names of deliberate defects
	BugN          int               // a random defect strikes 1 in BugN times; default DefaultBugN
	Seed          uint64            // of the defects' random choices
	Protocol      int               // the node's version, one of Protocols; default the newest
	Capacity      float64           // clients' commands that the node answers in a second; 0: as many as it can
	Slow          float64           // share by which every client's command takes longer: 0.2 is a fifth
	Logger        *slog.Logger      // default: discard
}

// prepare applies the defaults and validates. Errors name the option.
func (o *Options) prepare() error {
	setDefault(&o.Replication, Async)
	setDefault(&o.Fsync, FsyncInterval)
	setDefault(&o.FsyncInterval, DefaultFsyncInterval)
	setDefault(&o.Apply, Serial)
	setDefault(&o.ReadLease, DefaultReadLease)
	setDefault(&o.BugN, DefaultBugN)
	setDefault(&o.Protocol, protocolNewest)
	setDefault(&o.Listen, fmt.Sprintf(":%d", DefaultPort))
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, f := range []struct {
		name, value string
		known       []string
	}{
		{"--replication", string(o.Replication), Replications},
		{"--fsync", string(o.Fsync), Fsyncs},
		{"--apply", string(o.Apply), Applies},
	} {
		if !slices.Contains(f.known, f.value) {
			return fmt.Errorf("%s %q is not known: choose %s", f.name, f.value, strings.Join(f.known, ", "))
		}
	}
	switch {
	case o.Name == "":
		return fmt.Errorf("--name is missing: give the node a name that its peers know it by")
	case o.Data == "":
		return fmt.Errorf("--data is missing: name the directory that holds the log")
	case o.FsyncInterval < 0 || o.ReplayCost < 0 || o.ReadLease < 0:
		return fmt.Errorf("--fsync-interval, --replay-cost and --read-lease must not be negative")
	case o.Capacity < 0 || o.Slow < 0:
		return fmt.Errorf("--capacity and --slow must not be negative")
	case !slices.Contains(Protocols, o.Protocol):
		return fmt.Errorf("--protocol %d is not known: choose of %v", o.Protocol, Protocols)
	case o.BugN < 0:
		return fmt.Errorf("--bug-n %d must not be negative", o.BugN)
	}
	for name, addr := range o.Peers {
		if _, _, err := net.SplitHostPort(addr); name == "" || err != nil {
			return fmt.Errorf("--peer %s=%s: want name=host:port", name, addr)
		}
		if name == o.Name {
			return fmt.Errorf("--peer %s=%s is this node itself: list the other nodes only", name, addr)
		}
	}
	return nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
