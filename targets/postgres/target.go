// Package postgres is PostgreSQL with streaming replication as a target: a
// primary, hot standbys cloned from it, and the operations with which the
// harness's operator fails over (pg_promote, primary_conninfo, pg_rewind).
package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Target is PostgreSQL as a target of plans.
type Target struct{}

var (
	_ targets.Target   = Target{}
	_ targets.Launcher = Target{}
)

// name is the target's name in plans.
const name = "postgres"

// Names of the options: the server's own parameters.
const (
	optCommit   = "synchronous_commit"
	optStandbys = "synchronous_standby_names"
	optFsync    = "fsync"
	optDelay    = "recovery_min_apply_delay"
	optLevel    = "default_transaction_isolation"
)

// maxDelay bounds recovery_min_apply_delay: a run is over before long.
const maxDelay = time.Minute

// program is what a node needs; initdb, pg_basebackup and pg_rewind lie beside it.
func program() targets.Server {
	return targets.Server{Program: "postgres", Search: []string{"/usr/lib/postgresql/*/bin/postgres", "/usr/local/pgsql/bin/postgres"},
		Install: "apt-get install postgresql"}
}

// Info describes PostgreSQL.
func (Target) Info() targets.Info {
	return targets.Info{
		Name:  name,
		Tasks: tasksTold(),
		About: "PostgreSQL with streaming replication; the harness promotes and re-points with pg_promote, primary_conninfo and pg_rewind",
		Options: []schema.Field{
			{Name: optCommit, Default: "on", Words: []string{"off", "local", "remote_write", "on", "remote_apply"},
				Meaning: "how far a commit has to be before it is acknowledged; the last three count only with " + optStandbys},
			{Name: optStandbys, Default: "",
				Meaning: "FIRST n or ANY n of the standbys, which the harness names; empty: none. After a failover with fewer followers, all of them, with none nobody"},
			{Name: optFsync, Default: "on", Words: []string{"on", "off"}, Meaning: "whether the server syncs to disk at all"},
			{Name: optLevel, Default: "serializable", Words: []string{"read committed", "repeatable read", "serializable"},
				Meaning: "isolation of transactions of several statements (append, bank); on standbys repeatable read"},
			{Name: optDelay, Default: "0s", Meaning: "time for which a standby holds back each commit that it has received"},
		},
		Pipelined: pipelined,
		Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Mark, history.Poll, history.Scan,
			history.Txn, history.Transfer, history.Balances, history.Increment, history.Generate},
		Modes: []targets.Mode{
			{Name: "single", About: "one server without a standby"},
			{Name: "async", About: "acknowledged by the primary's disk alone", Replicas: 2, Options: map[string]string{optCommit: "local"}},
			{Name: "off", About: "acknowledged before the primary's disk has it", Replicas: 2, Options: map[string]string{optCommit: "off"}},
			{Name: "remote-write", About: "a standby has written it to its operating system", Replicas: 2,
				Options: map[string]string{optCommit: "remote_write", optStandbys: "FIRST 1"}},
			{Name: "on-first-1", About: "the first standby has it on disk", Replicas: 2,
				Options: map[string]string{optCommit: "on", optStandbys: "FIRST 1"}},
			{Name: "remote-apply", About: "both standbys show it to readers", Replicas: 2,
				Options: map[string]string{optCommit: "remote_apply", optStandbys: "FIRST 2"}},
			{Name: "any-1-of-2", About: "one of two standbys, whichever, has it on disk", Replicas: 2,
				Options: map[string]string{optCommit: "on", optStandbys: "ANY 1"}},
		},
		Servers:  []targets.Server{program()},
		Versions: kit.Versions(name, "postgres:", "17", "15"),
	}
}

// Configure validates the options. Errors name the option and the remedy.
func (t Target) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(t.Info(), c)
	if err != nil {
		return nil, err
	}
	s := newSystem()
	s.commit, s.fsync, s.isolation, s.replicas = o[optCommit], o[optFsync], o[optLevel], c.Replicas
	if s.delay, err = o.Duration(optDelay, 0, maxDelay); err != nil {
		return nil, err
	}
	if s.quorum, err = parseQuorum(o[optStandbys], c.Replicas); err != nil {
		return nil, fmt.Errorf("target.options.%s: %w", optStandbys, err)
	}
	return s, nil
}

// quorum is how many standbys a commit waits for, and which; the zero value is none.
type quorum struct {
	method string // FIRST or ANY
	n      int
}

// parseQuorum reads "FIRST n", "ANY n", or nothing.
func parseQuorum(text string, replicas int) (quorum, error) {
	if text == "" {
		return quorum{}, nil
	}
	fields := strings.Fields(strings.ToUpper(text))
	if len(fields) != 2 || fields[0] != "FIRST" && fields[0] != "ANY" {
		return quorum{}, fmt.Errorf("%q is not known: write FIRST n or ANY n; the harness adds the names of the standbys", text)
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil || n < 1 {
		return quorum{}, fmt.Errorf("%q: %q is not a number of at least 1", text, fields[1])
	}
	if n > replicas {
		return quorum{}, fmt.Errorf("%q of %d standbys: no commit would ever be acknowledged: raise target.replicas or lower it", text, replicas)
	}
	return quorum{fields[0], n}, nil
}

// list is the value of synchronous_standby_names for these standbys.
func (q quorum) list(names []string) string {
	if q.n == 0 || len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = `"` + n + `"`
	}
	return fmt.Sprintf("%s %d (%s)", q.method, min(q.n, len(names)), strings.Join(quoted, ", "))
}

// survivors is how many of so many listed standbys have to be seen so that one
// of them surely has every acknowledged commit.
func (q quorum) survivors(listed int) int { return listed - min(q.n, listed) + 1 }
