// Package nats is NATS JetStream as a target: a key-value bucket for registers,
// sets and markers, and a work queue, on one server or on a Raft group of
// three or five. It fails over by itself.
package nats

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// name is the target's name in plans.
const name = "nats"

// Target is NATS JetStream as a target of plans.
type Target struct{}

var (
	_ targets.Target   = Target{}
	_ targets.Launcher = Target{}
	_ targets.Attacher = Target{}
)

// Names of the options; the server's own where it has one.
const (
	optReplicas     = "num_replicas"
	optSyncInterval = "sync_interval"
	optStorage      = "storage"
	optAllowDirect  = "allow_direct"
	optAckWait      = "ack_wait"
	optLeaderOf     = "leader_of"
)

// Words of the options.
const (
	wordAuto    = "auto"
	wordDefault = "default"
	wordAlways  = "always"
	wordFile    = "file"
	wordMemory  = "memory"
	wordTrue    = "true"
	wordFalse   = "false"
	wordBucket  = "kv"
	wordQueue   = "queue"
)

// program is the server; it listens on no other than these ports.
var program = targets.Server{Program: "nats-server", Search: []string{"/nats-server", "/usr/local/bin/nats-server"},
	Install: "run `make servers`, or see https://docs.nats.io/running-a-nats-service/introduction/installation"}

// Info describes the target.
func (Target) Info() targets.Info {
	return targets.Info{
		Name:  name,
		Tasks: tasksTold(),
		About: "NATS JetStream: a key-value bucket and a work queue in Raft groups; fails over by itself",
		Options: []schema.Field{
			{Name: optReplicas, Default: wordAuto, Words: []string{wordAuto, "1", "3", "5"},
				Meaning: "copies of the bucket and of the queue; auto: one on every node; 1 puts them on the first node alone"},
			{Name: optSyncInterval, Default: wordDefault,
				Meaning: "when files are synced to disk: default (every 2m), always (before a message is acknowledged), or a duration"},
			{Name: optStorage, Default: wordFile, Words: []string{wordFile, wordMemory},
				Meaning: "where messages are kept"},
			{Name: optAllowDirect, Default: wordTrue, Words: []string{wordTrue, wordFalse},
				Meaning: "a read is answered by any of the replicas, whichever server the client is connected to, as buckets allow unless told otherwise (sets before 2.11: by the leader, for want of batches); false: by the leader"},
			{Name: optAckWait, Default: "2s",
				Meaning: "how long a message that was delivered may go without an acknowledgement before it is delivered again"},
			{Name: optLeaderOf, Default: wordBucket, Words: []string{wordBucket, wordQueue},
				Meaning: "whose leader counts as the primary, for clients and faults: the bucket's or the queue's"},
		},
		MaxValue:  1_000_000, // max_payload is 1 MiB
		Pipelined: pipelined,
		Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Mark, history.Poll,
			history.Enqueue, history.Dequeue, history.Drain},
		Modes:    modes(),
		Servers:  []targets.Server{program},
		Versions: kit.Versions(name, "nats:", "2.14.9", "2.10"),
	}
}

func modes() []targets.Mode {
	return []targets.Mode{
		{Name: "r1", About: "one server alone", Replicas: 0, Options: map[string]string{optAllowDirect: wordFalse}},
		{Name: "r1-of-3", About: "one copy on the first of three servers: nothing to fail over to", Replicas: 2,
			Options: map[string]string{optReplicas: "1", optAllowDirect: wordFalse}},
		{Name: "r3", About: "three replicas, reads from the leader", Replicas: 2, Options: map[string]string{optAllowDirect: wordFalse}},
		{Name: "r3-direct", About: "three replicas, reads from any of them (the default of a bucket)", Replicas: 2},
		{Name: "r3-sync-always", About: "three replicas that sync before they acknowledge", Replicas: 2,
			Options: map[string]string{optAllowDirect: wordFalse, optSyncInterval: wordAlways, optLeaderOf: wordQueue}},
	}
}

// Bounds of the options.
const (
	minSync, maxSync       = time.Millisecond, time.Hour
	minAckWait, maxAckWait = 100 * time.Millisecond, time.Minute
)

// Configure validates the options. Errors name the option and the remedy.
func (t Target) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(t.Info(), c)
	if err != nil {
		return nil, err
	}
	nodes := 1 + c.Replicas
	if !slices.Contains([]int{1, 3, 5}, nodes) {
		return nil, fmt.Errorf("target.replicas: %d besides the primary make %d servers, and a Raft group needs an odd number: give 0, 2 or 4", c.Replicas, nodes)
	}
	copies := nodes
	if o[optReplicas] != wordAuto {
		if copies, err = o.Int(optReplicas, 1, 5); err != nil {
			return nil, err
		}
	}
	if copies != 1 && copies != nodes {
		return nil, fmt.Errorf("target.options.%s: %d copies on %d servers are not supported: give 1 or auto", optReplicas, copies, nodes)
	}
	if sync := o[optSyncInterval]; sync != wordDefault && sync != wordAlways {
		if _, err := o.Duration(optSyncInterval, minSync, maxSync); err != nil {
			return nil, fmt.Errorf("%w, or default, or always", err)
		}
	}
	ackWait, err := o.Duration(optAckWait, minAckWait, maxAckWait)
	if err != nil {
		return nil, err
	}
	return newSystem(setting{copies: copies, sync: o[optSyncInterval], memory: o[optStorage] == wordMemory,
		direct: o[optAllowDirect] == wordTrue, ackWait: ackWait, queueLeads: o[optLeaderOf] == wordQueue}), nil
}

// Launch becomes the server with the given configuration file.
func (Target) Launch(_ context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("start %s: give the configuration file, not %d arguments", name, len(args))
	}
	path, err := kit.Find(program)
	if err != nil {
		return err
	}
	return kit.Exec(path, "--config", args[0])
}
