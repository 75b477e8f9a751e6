// Package redis is two targets: redis, whose failover the harness's operator
// does, and redis-sentinel, where a Sentinel beside every server does it.
package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	// Name and SentinelName are the targets' names in plans.
	Name         = "redis"
	SentinelName = "redis-sentinel"

	serverPort   = 6379
	sentinelPort = 26379
	serverUser   = "redis"
)

// Names of the options: the servers' own, and the clients' wait.
const (
	optAppendOnly      = "appendonly"
	optAppendFsync     = "appendfsync"
	optMinReplicas     = "min-replicas-to-write"
	optMaxLag          = "min-replicas-max-lag"
	optServeStale      = "replica-serve-stale-data"
	optWait            = "wait"
	optWaitTimeout     = "wait-timeout"
	optDownAfter       = "down-after-milliseconds"
	optQuorum          = "quorum"
	optFailoverTimeout = "failover-timeout"
)

// Target is Redis replication whose failover the operator does.
type Target struct{}

// Sentinel is Redis replication that a Sentinel on every node watches.
type Sentinel struct{}

var (
	_ targets.Target   = Target{}
	_ targets.Launcher = Target{}
	_ targets.Target   = Sentinel{}
	_ targets.Launcher = Sentinel{}
)

// Info describes the target.
func (Target) Info() targets.Info {
	on := func(options ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(options); i += 2 {
			m[options[i]] = options[i+1]
		}
		return m
	}
	info := common()
	info.Name = Name
	info.About = "Redis with asynchronous replication; the harness's operator promotes with REPLICAOF NO ONE"
	info.Modes = []targets.Mode{
		{Name: "single", About: "one server that fsyncs its append-only file once a second"},
		{Name: "replicas", About: "asynchronous replication", Replicas: 2},
		{Name: "wait-1", About: "clients WAIT for one replica after every write", Replicas: 2, Options: on(optWait, "1")},
		{Name: "min-replicas", About: "the primary refuses writes without a replica that was heard of lately", Replicas: 2,
			Options: on(optMinReplicas, "1", optMaxLag, "2")},
		{Name: "appendfsync-always", About: "one server that fsyncs before it answers", Options: on(optAppendFsync, "always")},
		{Name: "appendfsync-no", About: "one server that leaves fsync to the kernel", Options: on(optAppendFsync, "no")},
	}
	return info
}

// Info describes the target.
func (Sentinel) Info() targets.Info {
	info := common()
	info.Name = SentinelName
	info.About = "Redis with asynchronous replication and a Sentinel beside every server, which promote by themselves"
	info.Options = append(info.Options,
		targets.Option{Name: optDownAfter, Default: "1000", About: "how long, in ms, a server does not answer before a Sentinel takes it for down"},
		targets.Option{Name: optQuorum, Default: "majority", About: "how many Sentinels must take the master for down; a number or majority"},
		targets.Option{Name: optFailoverTimeout, Default: "6000", About: "in ms; a failed failover is tried again after twice this time"})
	info.Modes = []targets.Mode{{Name: "sentinel", About: "three Sentinels, quorum 2", Replicas: 2}}
	return info
}

func common() targets.Info {
	yesNo := []string{"yes", "no"}
	return targets.Info{
		Options: []targets.Option{
			{Name: optAppendOnly, Default: "yes", Values: yesNo, About: "keep an append-only file; no: nothing at all is kept on disk"},
			{Name: optAppendFsync, Default: "everysec", Values: []string{"always", "everysec", "no"}, About: "when the append-only file is synced to disk"},
			{Name: optMinReplicas, Default: "0", About: "the primary refuses writes with fewer replicas than that; 0: never"},
			{Name: optMaxLag, Default: "10", About: "seconds since a replica was last heard of for which it counts for " + optMinReplicas},
			{Name: optServeStale, Default: "yes", Values: yesNo, About: "a replica without its primary answers reads"},
			{Name: optWait, Default: "0", About: "how many replicas a client WAITs for after every write; a write that fewer confirmed is unknown"},
			{Name: optWaitTimeout, Default: "500ms", About: "how long a client WAITs"},
		},
		Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Mark, history.Poll,
			history.Enqueue, history.Dequeue, history.Drain,
			history.Txn, history.Transfer, history.Balances, history.Increment, history.Generate},
		Servers: []targets.Server{program()},
		Image:   targets.Image{Official: "redis:8", Built: "aftershock/redis:7.0"},
	}
}

// program is the program of both targets: a Sentinel is a redis-server with an
// option.
func program() targets.Server {
	return targets.Server{Program: "redis-server", Install: "apt-get install redis-server"}
}

// settings are the options that both targets have.
type settings struct {
	appendOnly, appendFsync, serveStale string
	minReplicas, maxLag                 int // maxLag in seconds
	wait                                int
	waitTimeout                         time.Duration
}

func newSettings(o kit.Options, replicas int) (s settings, err error) {
	s.appendOnly, s.appendFsync, s.serveStale = o[optAppendOnly], o[optAppendFsync], o[optServeStale]
	if s.minReplicas, err = o.Int(optMinReplicas, 0, replicas); err != nil {
		return s, err
	}
	if s.maxLag, err = o.Int(optMaxLag, 1, 3600); err != nil {
		return s, err
	}
	if s.wait, err = o.Int(optWait, 0, replicas); err != nil {
		return s, err
	}
	s.waitTimeout, err = o.Duration(optWaitTimeout, time.Millisecond, time.Minute)
	return s, err
}

// Configure validates the options.
func (t Target) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(t.Info(), c)
	if err != nil {
		return nil, err
	}
	set, err := newSettings(o, c.Replicas)
	if err != nil {
		return nil, err
	}
	return newSystem(set), nil
}

// Configure validates the options.
func (t Sentinel) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(t.Info(), c)
	if err != nil {
		return nil, err
	}
	set, err := newSettings(o, c.Replicas)
	if err != nil {
		return nil, err
	}
	w := watch{quorum: (c.Replicas+1)/2 + 1}
	if o[optQuorum] != "majority" {
		if w.quorum, err = o.Int(optQuorum, 1, c.Replicas+1); err != nil {
			return nil, fmt.Errorf("%w, or majority", err)
		}
	}
	if w.downAfter, err = o.Int(optDownAfter, 100, 3_600_000); err != nil {
		return nil, err
	}
	if w.failoverTimeout, err = o.Int(optFailoverTimeout, 1000, 3_600_000); err != nil {
		return nil, err
	}
	return newSentinelSystem(set, w), nil
}

// Launch becomes the server.
func (Target) Launch(_ context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("launch %s: give the server's configuration file", Name)
	}
	path, err := kit.Find(program())
	if err != nil {
		return err
	}
	return kit.Exec(path, args[0])
}
