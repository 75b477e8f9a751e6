package mariadb

import (
	"fmt"
	"strings"
)

// Where things are in a node; all state is below its data directory, as nodes
// of the local host share the machine's other directories.
const (
	port       = 3306
	dataDir    = "db"         // of {data}: the server's own data directory
	tmpDir     = "tmp"        // of {data}
	configFile = "my.cnf"     // of {data}
	schemaFile = "schema.sql" // of {data}
	initFile   = "init.sql"   // of {data}
	serverUser = "mysql"
)

// Accounts. They are open to whoever reaches the node: it holds test data only.
const (
	database  = "aftershock"
	password  = "aftershock"
	clients   = "aftershock" // unprivileged, so that read_only binds it
	operators = "operator"
	replicas  = "replica"
)

// setting is one line of the server's configuration.
type setting struct{ name, value string }

// common are the settings of every server. The small memory and log suit data
// of a few megabytes and many nodes on one machine; no setting weakens what a
// commit promises.
var common = []setting{
	{"datadir", "{data}/" + dataDir},
	{"tmpdir", "{data}/" + tmpDir},
	{"socket", "mysqld.sock"}, // below datadir; a whole path may exceed what a socket's address holds
	{"pid_file", "{data}/mysqld.pid"},
	{"port", fmt.Sprint(port)},
	{"bind_address", "*"},
	{"skip_name_resolve", on},
	{"performance_schema", off},
	{"default_storage_engine", "InnoDB"},
	{"innodb_buffer_pool_size", "64M"},
	{"innodb_log_file_size", redoLogSize},
	{"innodb_buffer_pool_dump_at_shutdown", off},
	{"innodb_buffer_pool_load_at_startup", off},
	{"max_connections", "1000"},
	{"max_connect_errors", "4294967295"}, // agents probe the port without logging in
	{"log_warnings", "1"},                // and are not worth a line each
	{"table_open_cache", "200"},
	{"binlog_format", "ROW"},
}

// redoLogSize is given when the data directory is made, too.
const redoLogSize = "48M"

// config makes an option file of settings; a later one wins.
func config(settings ...[]setting) string {
	var b strings.Builder
	b.WriteString("[mysqld]\n")
	for _, list := range settings {
		for _, s := range list {
			fmt.Fprintf(&b, "%s=%s\n", s.name, s.value)
		}
	}
	return b.String()
}

// replication are the settings of a server of the target mariadb.
//
// gtid_strict_mode keeps the binary logs of all servers in one order, and makes
// a primary refuse a replica that has transactions of its own. STOP SLAVE with
// semi-sync connects to the primary to end the dump there, and waits for a dead
// one up to rpl_semi_sync_slave_kill_conn_timeout seconds, by default 5, which
// hold the failover up.
func replication(id int) []setting {
	return []setting{
		{"server_id", fmt.Sprint(id)},
		{"log_bin", "binlog"},
		{"relay_log", "relay"},
		{"log_slave_updates", on},
		{"gtid_strict_mode", on},
		{"read_only", on}, // until init_file has run
		{"init_file", "{data}/" + initFile},
		{"rpl_semi_sync_slave_kill_conn_timeout", "1"},
		{"slave_net_timeout", "10"},
	}
}

// firstStatements are run once when a data directory is made, before there is any
// binary log. The row of epoch is replicated like all data: it tells the newest
// promotion that a server knows of, and who was promoted.
func firstStatements() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+";\n", args...) }
	line("FLUSH PRIVILEGES")
	line("CREATE DATABASE %s", database)
	line("USE %s", database)
	const key = "w TINYINT UNSIGNED NOT NULL, k INT UNSIGNED NOT NULL, v BIGINT NOT NULL, PRIMARY KEY"
	line("CREATE TABLE registers (%s (w, k)) ENGINE=InnoDB", key)
	line("CREATE TABLE markers (%s (w, k)) ENGINE=InnoDB", key)
	line("CREATE TABLE elements (%s (w, k, v)) ENGINE=InnoDB", key)
	const long = "w TINYINT UNSIGNED NOT NULL, k INT UNSIGNED NOT NULL, n BIGINT NOT NULL, v LONGBLOB NOT NULL, PRIMARY KEY"
	line("CREATE TABLE records (%s (w, k)) ENGINE=InnoDB", long)
	line("CREATE TABLE members (%s (w, k, n)) ENGINE=InnoDB", long)
	line("CREATE TABLE accounts (%s (w, k)) ENGINE=InnoDB", key)
	line("CREATE TABLE lists (w BIGINT NOT NULL, k BIGINT NOT NULL, v LONGTEXT NOT NULL, PRIMARY KEY (w, k)) ENGINE=InnoDB")
	line("CREATE TABLE epoch (id TINYINT NOT NULL PRIMARY KEY, epoch BIGINT UNSIGNED NOT NULL, server INT UNSIGNED NOT NULL) ENGINE=InnoDB")
	line("INSERT INTO epoch VALUES (1, 0, 0)")
	line("CREATE USER %s@'%%' IDENTIFIED BY '%s'", clients, password)
	line("GRANT SELECT, INSERT, UPDATE, DELETE ON %s.* TO %s@'%%'", database, clients)
	line("CREATE USER %s@'%%' IDENTIFIED BY '%s'", operators, password)
	line("GRANT ALL PRIVILEGES ON *.* TO %s@'%%' WITH GRANT OPTION", operators)
	line("CREATE USER %s@'%%' IDENTIFIED BY '%s'", replicas, password)
	line("GRANT REPLICATION SLAVE ON *.* TO %s@'%%'", replicas)
	return b.String()
}

// resume is run at every start, before the first connection: a server that was
// promoted last, as far as it knows, is the primary again; any other is not.
// That is how a MariaDB server without an operator beside it comes back.
func (s *System) resume() string {
	mine := fmt.Sprintf("(SELECT server = @@server_id FROM %s.epoch WHERE id = 1)", database)
	text := fmt.Sprintf("SET GLOBAL read_only = NOT %s;\n", mine)
	if s.semiSync {
		text += fmt.Sprintf("SET GLOBAL rpl_semi_sync_master_enabled = %s;\n", mine)
	}
	return text
}
