// Package redis is two targets: redis, whose failover the harness's operator
// does, and redis-sentinel, where a Sentinel beside every server does it. Valkey,
// which was made of Redis 7.2, is the same two targets with servers of its own.
package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	// Name and SentinelName are the targets' names in plans.
	Name         = "redis"
	SentinelName = "redis-sentinel"

	serverPort   = 6379
	sentinelPort = 26379
)

// brand is a project whose servers speak as Redis does.
type brand struct {
	name     string // of the target, of the server's program less "-server", of its user, and of its package
	title    string
	install  string // how to install the server
	versions []targets.Version
}

var (
	redisBrand  = &brand{Name, "Redis", "apt-get install redis-server", kit.Versions(Name, "redis:", "8.0", "7.0")}
	valkeyBrand = &brand{"valkey", "Valkey", "apt-get install valkey-server, from Debian 13 on", kit.Versions("valkey", "valkey/valkey:", "8.1")}
)

// program is the program of both targets of a brand: a Sentinel is the server
// with an option.
func (b *brand) program() targets.Server {
	return targets.Server{Program: b.name + "-server", Install: b.install}
}

func (b *brand) sentinelName() string { return b.name + "-sentinel" }

// Names of the options: the servers' own, and the clients' wait.
const (
	optAppendOnly      = "appendonly"
	optAppendFsync     = "appendfsync"
	optMinReplicas     = "min-replicas-to-write"
	optMaxLag          = "min-replicas-max-lag"
	optServeStale      = "replica-serve-stale-data"
	optWait            = "wait"
	optWaitTimeout     = "wait-timeout"
	optExpire          = "expire"
	optDownAfter       = "down-after-milliseconds"
	optQuorum          = "quorum"
	optFailoverTimeout = "failover-timeout"
)

// Target is replication whose failover the operator does; the zero value is
// Redis.
type Target struct{ of *brand }

// Sentinel is replication that a Sentinel on every node watches; the zero value
// is Redis.
type Sentinel struct{ of *brand }

// Valkey is Target with Valkey's servers.
func Valkey() Target { return Target{valkeyBrand} }

// ValkeySentinel is Sentinel with Valkey's servers.
func ValkeySentinel() Sentinel { return Sentinel{valkeyBrand} }

func (t Target) brand() *brand   { return cmp.Or(t.of, redisBrand) }
func (t Sentinel) brand() *brand { return cmp.Or(t.of, redisBrand) }

var (
	_ targets.Target   = Target{}
	_ targets.Launcher = Target{}
	_ targets.Target   = Sentinel{}
	_ targets.Launcher = Sentinel{}
)

// Info describes the target.
func (t Target) Info() targets.Info {
	on := func(options ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(options); i += 2 {
			m[options[i]] = options[i+1]
		}
		return m
	}
	info := t.brand().info()
	info.Name = t.brand().name
	info.About = t.brand().title + " with asynchronous replication; the harness's operator promotes with REPLICAOF NO ONE"
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
func (t Sentinel) Info() targets.Info {
	info := t.brand().info()
	info.Name = t.brand().sentinelName()
	info.About = t.brand().title + " with asynchronous replication and a Sentinel beside every server, which promote by themselves"
	info.Options = append(info.Options,
		schema.Field{Name: optDownAfter, Default: "1000", Meaning: "how long, in ms, a server does not answer before a Sentinel takes it for down"},
		schema.Field{Name: optQuorum, Default: "majority", Meaning: "how many Sentinels must take the master for down; a number or majority"},
		schema.Field{Name: optFailoverTimeout, Default: "6000", Meaning: "in ms; a failed failover is tried again after twice this time"})
	info.Modes = []targets.Mode{{Name: "sentinel", About: "three Sentinels, quorum 2", Replicas: 2}}
	return info
}

func (b *brand) info() targets.Info {
	yesNo := []string{"yes", "no"}
	return targets.Info{
		Tasks: tasksTold(),
		Options: []schema.Field{
			{Name: optAppendOnly, Default: "yes", Words: yesNo, Meaning: "keep an append-only file; no: nothing at all is kept on disk"},
			{Name: optAppendFsync, Default: "everysec", Words: []string{"always", "everysec", "no"}, Meaning: "when the append-only file is synced to disk"},
			{Name: optMinReplicas, Default: "0", Meaning: "the primary refuses writes with fewer replicas than that; 0: never"},
			{Name: optMaxLag, Default: "10", Meaning: "seconds since a replica was last heard of for which it counts for " + optMinReplicas},
			{Name: optServeStale, Default: "yes", Words: yesNo, Meaning: "a replica without its primary answers reads"},
			{Name: optWait, Default: "0", Meaning: "how many replicas a client WAITs for after every write; a write that fewer confirmed is unknown"},
			{Name: optWaitTimeout, Default: "500ms", Meaning: "how long a client WAITs"},
			{Name: optExpire, Default: wordNever, Meaning: "clients have the value of a register expire so long after it was written (SET … PX): one that is gone before is a lost write; never, or a duration that is longer than the run"},
		},
		Pipelined: pipelined,
		Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Mark, history.Poll,
			history.Enqueue, history.Dequeue, history.Drain,
			history.Txn, history.Transfer, history.Balances, history.Increment, history.Generate},
		Servers:  []targets.Server{b.program()},
		Versions: b.versions,
	}
}

// settings are the options that both targets have.
type settings struct {
	appendOnly, appendFsync, serveStale string
	minReplicas, maxLag                 int // maxLag in seconds
	wait                                int
	waitTimeout                         time.Duration
	expire                              []byte // milliseconds, as they are sent; nil: values stay
}

// maxExpire is the longest optExpire.
const maxExpire = 1000 * time.Hour

// wordNever is the value of optExpire by which values stay.
const wordNever = "never"

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
	if s.waitTimeout, err = o.Duration(optWaitTimeout, time.Millisecond, time.Minute); err != nil {
		return s, err
	}
	if o[optExpire] != wordNever {
		expire, err := o.Duration(optExpire, time.Second, maxExpire)
		if err != nil {
			return s, fmt.Errorf("%w, or %s", err, wordNever)
		}
		s.expire = strconv.AppendInt(nil, expire.Milliseconds(), 10)
	}
	return s, nil
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
	return newSystem(t.brand(), set), nil
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
	return newSentinelSystem(t.brand(), set, w), nil
}

// Launch becomes the server.
func (t Target) Launch(_ context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("launch %s: give the server's configuration file", t.brand().name)
	}
	path, err := kit.Find(t.brand().program())
	if err != nil {
		return err
	}
	return kit.Exec(path, args[0])
}
