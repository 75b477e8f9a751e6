// Package mariadb drives MariaDB in two ways: as a primary with asynchronous or
// semi-synchronous replicas, which the harness's operator fails over (the
// target mariadb), and as a Galera cluster, which needs no operator (the target
// galera).
package mariadb

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Target is MariaDB with replicas, as a target of plans.
type Target struct{}

var (
	_ targets.Target   = Target{}
	_ targets.Launcher = Target{}
)

// Names of the options: the server's own names of its variables.
const (
	optSemiSync     = "rpl_semi_sync_master_enabled"
	optWaitPoint    = "rpl_semi_sync_master_wait_point"
	optTimeout      = "rpl_semi_sync_master_timeout"
	optParallel     = "slave_parallel_threads"
	optParallelMode = "slave_parallel_mode"
	optSyncBinlog   = "sync_binlog"
	optFlushLog     = "innodb_flush_log_at_trx_commit"
	optWaitCount    = "binlog_commit_wait_count"
	optWaitTime     = "binlog_commit_wait_usec"
)

// Values of switches.
const (
	on  = "ON"
	off = "OFF"
)

// flushLog is shared by both targets.
var flushLog = schema.Field{Name: optFlushLog, Default: "1", Words: []string{"0", "1", "2", "3"},
	Meaning: "sync InnoDB's log once a second (0, 2) or at every commit (1, 3)"}

// versions are those of both targets that are tested.
var versions = kit.Versions("mariadb", "mariadb:", "11.8", "10.11")

// program is the server itself.
var program = targets.Server{Program: "mariadbd", Search: []string{"/usr/sbin/mysqld", "/usr/libexec/mariadbd", "/usr/sbin/mariadbd"},
	Install: "apt-get install mariadb-server"}

// kinds are what the clients of both targets can do.
var kinds = []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Mark, history.Poll, history.Scan,
	history.Txn, history.Transfer, history.Balances, history.Increment, history.Generate}

// Info describes the target.
func (Target) Info() targets.Info {
	return targets.Info{
		Tasks: tasksTold(),
		Name:  "mariadb",
		About: "MariaDB, a primary with asynchronous or semi-synchronous replicas (GTID, row format); the operator fails over",
		Options: []schema.Field{
			{Name: optSemiSync, Default: off, Words: []string{off, on},
				Meaning: "acknowledge a write after one replica has it in its relay log"},
			{Name: optWaitPoint, Default: "AFTER_COMMIT", Words: []string{"AFTER_COMMIT", "AFTER_SYNC"},
				Meaning: "semi-sync: wait for the replica after the commit in the engine, when others can see it already, or before"},
			{Name: optTimeout, Default: "10000",
				Meaning: "semi-sync: milliseconds to wait for a replica before going on asynchronously"},
			{Name: optParallel, Default: "0", Meaning: "threads that replay on a replica; 0: one, in order"},
			{Name: optParallelMode, Default: "optimistic",
				Words:   []string{"optimistic", "conservative", "aggressive", "minimal", "none"},
				Meaning: "which transactions a replica may replay at the same time"},
			{Name: optSyncBinlog, Default: "0", Meaning: "sync the binary log after so many groups of commits; 0: leave it to the operating system"},
			flushLog,
			isolation, snapshotIsolation,
			{Name: optWaitCount, Default: "0", Meaning: "commits that are to be synced together; 0: do not wait for them"},
			{Name: optWaitTime, Default: "100000", Meaning: "microseconds to wait for so many commits, at most"},
		},
		Kinds: kinds,
		Modes: []targets.Mode{
			{Name: "single", About: "one server"},
			{Name: "async", About: "asynchronous replication", Replicas: 2},
			{Name: "semi-sync-after-sync", About: "a replica has a write before anybody sees it", Replicas: 2,
				Options: map[string]string{optSemiSync: on, optWaitPoint: "AFTER_SYNC"}},
			{Name: "semi-sync-after-commit", About: "others see a write before a replica has it", Replicas: 2,
				Options: map[string]string{optSemiSync: on, optWaitPoint: "AFTER_COMMIT"}},
			{Name: "parallel", About: "replicas replay in several threads", Replicas: 2,
				Options: map[string]string{optParallel: "4"}},
		},
		Servers:  []targets.Server{program},
		Versions: versions,
	}
}

// Configure validates the options. Errors name the option and the remedy.
func (t Target) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(t.Info(), c)
	if err != nil {
		return nil, err
	}
	for _, number := range []struct {
		name string
		most int
	}{{optTimeout, 3600_000}, {optParallel, 64}, {optSyncBinlog, 1 << 30}, {optWaitCount, 1000}, {optWaitTime, 10_000_000}} {
		if _, err := o.Int(number.name, 0, number.most); err != nil {
			return nil, err
		}
	}
	if o[optSemiSync] == on && c.Replicas == 0 {
		return nil, fmt.Errorf("target.options.%s: semi-synchronous replication without a replica would wait for nobody: give target.replicas, or %s", optSemiSync, off)
	}
	s := &System{semiSync: o[optSemiSync] == on, isolation: o[isolation.Name]}
	for _, name := range []string{optWaitPoint, optTimeout, optParallel, optParallelMode, optSyncBinlog, optFlushLog, optWaitCount, optWaitTime} {
		s.settings = append(s.settings, setting{name, o[name]})
	}
	s.settings = append(s.settings, setting{"rpl_semi_sync_slave_enabled", o[optSemiSync]})
	s.settings = append(s.settings, snapshotSetting(o[snapshotIsolation.Name])...)
	s.open()
	return s, nil
}
