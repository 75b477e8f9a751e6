// Package etcd drives etcd 3: a key-value store that replicates by Raft and
// elects its leader by itself.
package etcd

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Target is etcd as a target of plans.
type Target struct{}

const name = "etcd"

// Names of the options; those after the first are the server's own flags.
const (
	optReads     = "reads"
	optHeartbeat = "heartbeat-interval"
	optElection  = "election-timeout"
	optNoFsync   = "unsafe-no-fsync"

	optCompact       = "auto-compaction-retention"
	optCompactBatch  = "experimental-compaction-batch-limit"
	optBatchInterval = "backend-batch-interval"

	optLease = "lease" // the clients'
)

// wordNone is the value of optLease by which there is none, and maxLease the longest.
const (
	wordNone = "none"
	maxLease = 1000 * time.Hour
)

// serializable is the value of optReads by which a node answers reads alone.
const serializable = "serializable"

// program is the server.
var program = targets.Server{
	Program: "etcd",
	Search:  []string{"/etcd"}, // an image with nothing but the server
	Install: "scripts/servers builds it; or see https://etcd.io/docs/v3.6/install",
}

var (
	_ targets.Target   = Target{}
	_ targets.Launcher = Target{}
)

// Info describes etcd.
func (Target) Info() targets.Info {
	return targets.Info{
		Name:  name,
		Tasks: tasksTold(),
		About: "etcd 3.6: Raft; an acknowledged write is on a majority of the members, and reads are linearizable by default",
		Options: []schema.Field{
			{Name: optReads, Default: "linearizable", Words: []string{"linearizable", serializable},
				Meaning: "reads are confirmed by a majority, or are the asked member's own view"},
			{Name: optHeartbeat, Default: "100", Meaning: "milliseconds between two heartbeats of the leader"},
			{Name: optElection, Default: "1000", Meaning: "milliseconds without a heartbeat after which a member calls an election"},
			{Name: optNoFsync, Default: "false", Words: []string{"false", "true"},
				Meaning: "true: never sync the log to disk"},
			{Name: optCompact, Default: "0",
				Meaning: "how long old revisions are kept, and how often they are compacted away (auto-compaction-mode is periodic), e.g. 1s; 0: for ever"},
			{Name: optCompactBatch, Default: "1000", Meaning: "the most revisions that a compaction deletes at once"},
			{Name: optLease, Default: wordNone,
				Meaning: "clients put the values of registers with a lease of so long, which is granted as the cluster forms and which nobody keeps alive: a value that is gone before is a lost write; none, or a duration that is longer than the run"},
			{Name: optBatchInterval, Default: "100ms", Meaning: "the longest time before what was applied is committed to the database file (the log has it before)"},
		},
		// A request has 1.5 MiB at most; a compare-and-set sends two values.
		MaxValue: 1_500_000, MaxCAS: 750_000,
		Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Mark, history.Poll,
			history.Txn, history.Transfer, history.Balances, history.Increment, history.Generate,
			history.Enqueue, history.Dequeue, history.Drain},
		Modes: []targets.Mode{
			{Name: "single", About: "one member"},
			{Name: "three", About: "three members: one may fail", Replicas: 2},
			{Name: "five", About: "five members: two may fail", Replicas: 4},
			{Name: serializable, About: "three members that answer reads alone", Replicas: 2, Options: map[string]string{optReads: serializable}},
		},
		Servers: []targets.Server{program},
		Versions: []targets.Version{
			{Number: "3.6.16", Official: "quay.io/coreos/etcd:v3.6.16", Built: "aftershock/etcd:3.6.16"},
			{Number: "3.5", Official: "quay.io/coreos/etcd:v3.5.16", Built: "aftershock/etcd:3.5"}, // reads that are stale after a pause: etcd#20418
		},
	}
}

// Configure validates the options. Errors name the option and the remedy.
func (t Target) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(t.Info(), c)
	if err != nil {
		return nil, err
	}
	heartbeat, err := o.Int(optHeartbeat, 1, 10_000)
	if err != nil {
		return nil, err
	}
	election, err := o.Int(optElection, 1, 50_000)
	if err != nil {
		return nil, err
	}
	if election < 5*heartbeat { // the server refuses it too, but only when it starts
		return nil, fmt.Errorf("target.options.%s: %d ms is less than five heartbeats of %d ms: raise it, or lower %s",
			optElection, election, heartbeat, optHeartbeat)
	}
	s := &System{serializable: o[optReads] == serializable}
	s.flags = []string{
		"--" + optHeartbeat + "=" + strconv.Itoa(heartbeat),
		"--" + optElection + "=" + strconv.Itoa(election),
		"--" + optNoFsync + "=" + o[optNoFsync],
	}
	more, err := backend(o)
	if err != nil {
		return nil, err
	}
	s.flags = append(s.flags, more...)
	s.election = time.Duration(election) * time.Millisecond
	if o[optLease] != wordNone {
		if s.lease, err = o.Duration(optLease, time.Second, maxLease); err != nil {
			return nil, fmt.Errorf("%w, or %s", err, wordNone)
		}
	}
	s.clients.Dial, s.operators.Dial = dialClients, dialOperators
	return s, nil
}

// backend are the flags of compaction and of the database file, those alone that
// the plan sets: some versions do not know them all.
func backend(o kit.Options) (flags []string, err error) {
	if o[optCompact] != "0" {
		if _, err := o.Duration(optCompact, time.Second, 24*time.Hour); err != nil {
			return nil, err
		}
		flags = append(flags, "--auto-compaction-mode=periodic", "--"+optCompact+"="+o[optCompact])
	}
	batch, err := o.Int(optCompactBatch, 1, 1_000_000)
	if err != nil {
		return nil, err
	}
	if batch != 1000 {
		flags = append(flags, "--"+optCompactBatch+"="+strconv.Itoa(batch))
	}
	interval, err := o.Duration(optBatchInterval, time.Millisecond, time.Minute)
	if err != nil {
		return nil, err
	}
	if interval != 100*time.Millisecond {
		flags = append(flags, "--"+optBatchInterval+"="+interval.String())
	}
	return flags, nil
}

// Launch becomes the server: where its program is depends on the node.
func (Target) Launch(_ context.Context, args []string) error {
	path, err := kit.Find(program)
	if err != nil {
		return err
	}
	return kit.Exec(path, args...)
}
