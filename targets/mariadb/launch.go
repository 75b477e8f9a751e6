package mariadb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// installTimeout bounds the making of a data directory.
const installTimeout = time.Minute

// errUsage is for a serve command that the harness did not make.
var errUsage = errors.New("give the node's data directory")

// Launch makes the data directory if there is none, and becomes the server.
// args are the node's data directory.
func (Target) Launch(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("serve mariadb: %w", errUsage)
	}
	server, err := kit.Find(program)
	if err != nil {
		return err
	}
	if _, err := install(ctx, server, args[0], nil); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return kit.Exec(server, "--defaults-file="+filepath.Join(args[0], configFile))
}

// install makes the server's data directory with the schema, unless it is
// there, and tells whether it made it. It is made beside its place and then
// moved, with more of add, so that one that is there is always whole. The
// result is the same on every node: nodes need no copy to begin alike.
func install(ctx context.Context, server, data string, add func(dir string) error) (bool, error) {
	place := filepath.Join(data, dataDir)
	if _, err := os.Stat(place); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(filepath.Join(data, tmpDir), 0o700); err != nil {
		return false, err
	}
	fresh := place + ".new"
	if err := os.RemoveAll(fresh); err != nil { // of a start that was killed
		return false, err
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	script, err := systemTables(ctx, fresh)
	if err != nil {
		return false, err
	}
	own, err := os.ReadFile(filepath.Join(data, schemaFile))
	if err != nil {
		return false, err
	}
	if err := bootstrap(ctx, server, data, fresh, append(script, own...)); err != nil {
		return false, err
	}
	if add != nil {
		if err := add(fresh); err != nil {
			return false, err
		}
	}
	if err := os.Rename(fresh, place); err != nil {
		return true, err
	}
	return true, kit.Settle(data)
}

// scripts are the server's own statements that make the system tables, by the
// names of MariaDB up to 10 and from 11; mariadb-install-db runs the same and
// then fills in help texts, time zones and the sys schema, which take most of
// its time.
var scripts = [][2]string{
	{"mysql_system_tables.sql", "mysql_system_tables_data.sql"},
	{"mariadb_system_tables.sql", "mariadb_system_tables_data.sql"},
}

// shares are where packages put these scripts.
var shares = []string{"/usr/share/mysql", "/usr/share/mariadb", "/usr/local/mysql/share", "/usr/share/mysql/mariadb"}

// systemTables are the statements that make the system tables in dir; nothing
// when the installer had to make them because the scripts are elsewhere.
func systemTables(ctx context.Context, dir string) ([]byte, error) {
	for _, share := range shares {
		for _, names := range scripts {
			tables, err := os.ReadFile(filepath.Join(share, names[0]))
			if err != nil {
				continue
			}
			rows, err := os.ReadFile(filepath.Join(share, names[1]))
			if err != nil {
				return nil, err
			}
			head := []byte("CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n")
			return bytes.Join([][]byte{head, tables, rows, nil}, []byte("\n")), nil
		}
	}
	installer, err := kit.Find(targets.Server{Program: "mariadb-install-db", Search: []string{"/usr/bin/mysql_install_db"}, Install: program.Install})
	if err != nil {
		return nil, err
	}
	return nil, run(ctx, installer, nil, "--no-defaults", "--datadir="+dir, "--skip-name-resolve", "--skip-test-db",
		"--auth-root-authentication-method=normal", "--innodb-log-file-size="+redoLogSize)
}

// bootstrap runs statements with a server that nobody can connect to. Nothing
// needs to be synced: a node that dies now begins anew.
func bootstrap(ctx context.Context, server, data, dir string, statements []byte) error {
	return run(ctx, server, statements, "--no-defaults", "--bootstrap", "--datadir="+dir, "--tmpdir="+filepath.Join(data, tmpDir),
		"--enforce-storage-engine=", "--max-allowed-packet=8M", "--log-warnings=0", "--skip-name-resolve", "--performance-schema=0",
		"--innodb-log-file-size="+redoLogSize, "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0", "--loose-innodb-doublewrite=0", "--loose-sync-frm=0")
}

// run runs a program to its end, its output going to the node's log.
func run(ctx context.Context, path string, stdin []byte, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w: the lines above say why", filepath.Base(path), err)
	}
	return nil
}
