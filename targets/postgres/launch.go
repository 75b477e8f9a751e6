package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// launch is what a node does before it becomes the server, as JSON in its
// command. It is done again whenever the server is started again, and finds
// what was done.
type launch struct {
	Data     string   // the node's directory
	Name     string   // the node's, by which its primary knows it
	Primary  string   // host to clone and to follow; empty: the first primary
	Standbys string   // first primary: synchronous_standby_names
	Settings []string // parameters, name=value
	Rejoin   string   // names an order to become a standby again; empty: none
	Clone    bool     // the order is to clone, not to rewind
}

// What lies in the node's directory.
const (
	dataName     = "pgdata"
	hbaFile      = "pg_hba.conf"
	rejoinedFile = "rejoined"  // holds the last order that was carried out
	rewindFile   = "rewinding" // is there while pgdata is neither old nor new
)

// Bounds of the wait for a primary to clone.
const (
	launchTimeout  = 90 * time.Second
	attemptTimeout = 5 * time.Second
	attemptEvery   = 50 * time.Millisecond
)

// Launch makes the data directory where it is not there and becomes the server.
func (Target) Launch(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("postgres: one argument was expected, got %d", len(args))
	}
	var l launch
	if err := json.Unmarshal([]byte(args[0]), &l); err != nil {
		return fmt.Errorf("postgres: what to launch: %w", err)
	}
	server, err := kit.Find(program())
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(server); err == nil {
		server = real // its tools lie beside it
	}
	t := tools{dir: filepath.Dir(server), run: kit.Tool, answers: answers, checkpoint: checkpoint}
	if err := l.prepare(ctx, t); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return kit.Exec(server, l.arguments()...)
}

// arguments of the server.
func (l launch) arguments() []string {
	args := []string{"-D", l.path(dataName), "-c", "hba_file=" + l.path(hbaFile)}
	for _, s := range l.Settings {
		args = append(args, "-c", s)
	}
	return args
}

func (l launch) path(name string) string { return filepath.Join(l.Data, name) }

// tools are the server's programs and what is asked of a primary; tests have
// their own.
type tools struct {
	dir        string
	run        func(path string, args ...string) error
	answers    func(ctx context.Context, host string) error
	checkpoint func(ctx context.Context, host string) error
}

func (t tools) call(name string, args ...string) error {
	args = append(args, "--no-sync") // see kit.Settle
	return t.run(filepath.Join(t.dir, name), args...)
}

// prepare makes the data directory what it has to be. A directory is made
// under another name and renamed, so that one that is there is whole.
func (l launch) prepare(ctx context.Context, t tools) error {
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	there, err := exists(l.path(dataName))
	if err != nil {
		return err
	}
	switch {
	case l.Rejoin != "":
		return l.rejoin(ctx, t, there)
	case there:
		return nil
	case l.Primary == "":
		return l.initialise(t)
	}
	return l.clone(ctx, t)
}

// initialise makes the first primary's data directory.
func (l launch) initialise(t tools) error {
	fresh := l.path(dataName + ".new")
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove what is left of an earlier initdb: %w", err)
	}
	err := t.call("initdb", "-D", fresh, "-U", operatorRole, "-A", "trust", "-E", "UTF8", "--no-locale",
		fmt.Sprintf("--wal-segsize=%d", walSegment>>20))
	if err != nil {
		return err
	}
	if l.Standbys != "" {
		if err := writeAuto(fresh, "synchronous_standby_names", l.Standbys); err != nil {
			return err
		}
	}
	if err := os.Rename(fresh, l.path(dataName)); err != nil {
		return err
	}
	return kit.Settle(l.Data)
}

// clone makes the data directory a copy of the primary's, and a standby's.
func (l launch) clone(ctx context.Context, t tools) error {
	fresh := l.path(dataName + ".new")
	err := kit.Retry(ctx, attemptEvery, "clone "+l.Primary, func() error {
		if err := t.answers(ctx, l.Primary); err != nil {
			return err
		}
		if err := os.RemoveAll(fresh); err != nil {
			return fmt.Errorf("remove what is left of an earlier copy: %w", err)
		}
		return t.call("pg_basebackup", "-D", fresh, "-d", conninfo(l.Primary, "clone of "+l.Name), "-X", "stream", "-c", "fast")
	})
	if err != nil {
		return err
	}
	if err := l.makeStandby(fresh); err != nil {
		return err
	}
	if err := os.RemoveAll(l.path(dataName)); err != nil {
		return fmt.Errorf("remove the old data directory: %w", err)
	}
	if err := os.Rename(fresh, l.path(dataName)); err != nil {
		return err
	}
	return kit.Settle(l.Data)
}

// rejoin carries an order out once: the data directory is rewound to the fork
// of the primary's timeline, or cloned where that does not work.
func (l launch) rejoin(ctx context.Context, t tools, there bool) error {
	if done, err := os.ReadFile(l.path(rejoinedFile)); err == nil && string(done) == l.Rejoin && there {
		return nil
	}
	broken, err := exists(l.path(rewindFile))
	if err != nil {
		return err
	}
	if there && !broken && !l.Clone {
		if err = l.rewind(ctx, t); err != nil {
			fmt.Fprintf(os.Stderr, "postgres: %v; cloning %s instead\n", err, l.Primary)
		}
	}
	if !there || broken || l.Clone || err != nil {
		if err := l.clone(ctx, t); err != nil {
			return err
		}
	}
	if err := os.WriteFile(l.path(rejoinedFile), []byte(l.Rejoin), 0o600); err != nil {
		return fmt.Errorf("note that the node has rejoined: %w", err)
	}
	if err := os.Remove(l.path(rewindFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note that the node has rejoined: %w", err)
	}
	return nil
}

// rewind undoes what the log has past the fork.
func (l launch) rewind(ctx context.Context, t tools) error {
	err := kit.Retry(ctx, attemptEvery, "reach "+l.Primary+" to rewind", func() error { return t.checkpoint(ctx, l.Primary) })
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.path(rewindFile), nil, 0o600); err != nil {
		return fmt.Errorf("note the begin of rewinding: %w", err)
	}
	err = t.call("pg_rewind", "-D", l.path(dataName), "--source-server="+conninfo(l.Primary, "rewind of "+l.Name)+" dbname=postgres")
	if err != nil {
		return err
	}
	return l.makeStandby(l.path(dataName))
}

// makeStandby makes a copy of a primary's data directory a standby's.
func (l launch) makeStandby(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "standby.signal"), nil, 0o600); err != nil {
		return fmt.Errorf("make a standby: %w", err)
	}
	return writeAuto(dir, "primary_conninfo", conninfo(l.Primary, l.Name))
}

// writeAuto replaces what ALTER SYSTEM has set by one parameter.
func writeAuto(dir, name, value string) error {
	text := name + " = " + literal(value) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "postgresql.auto.conf"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

// literal quotes a value for SQL and for the configuration file; the values
// here have no backslashes.
func literal(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

// conninfo is how a node connects to its primary. A primary that is gone is
// given up after 2 s.
func conninfo(host, as string) string {
	return fmt.Sprintf("host=%s port=%d user=%s application_name='%s' connect_timeout=2 sslmode=disable gssencmode=disable", host, port, operatorRole, as)
}

// answers tells why a server takes no connection.
func answers(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	c, err := dial(ctx, new(net.Dialer).DialContext, host, operatorRole)
	if err != nil {
		return err
	}
	return c.Close()
}

// checkpoint makes a primary's control file tell its timeline, by which
// pg_rewind finds the fork; after a promotion that can take minutes.
func checkpoint(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	c, err := dial(ctx, new(net.Dialer).DialContext, host, operatorRole)
	if err != nil {
		return err
	}
	defer c.Close()
	standby, err := c.value(ctx, "SELECT pg_is_in_recovery()")
	if err != nil {
		return err
	}
	if standby == "t" {
		return fmt.Errorf("%s is a standby itself", host)
	}
	told, err := c.value(ctx, "SELECT timeline_id = ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int FROM pg_control_checkpoint()")
	if err != nil || told == "t" {
		return err
	}
	return c.exec(ctx, "CHECKPOINT")
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
