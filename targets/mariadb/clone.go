package mariadb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// tables are what a copy consists of.
var tables = []string{"registers", "markers", "elements", "records", "members", "lists", "accounts", "epoch"}

// batch is how many rows one statement of a copy writes, and batchBytes after how
// many bytes it ends: the longest value fits behind them into a packet.
const (
	batch      = 2000
	batchBytes = 1 << 20
)

// clone replaces the data of the server at c by a copy of the primary's, and
// returns the position in the primary's log to go on from. It does what
// mariadb-dump --single-transaction --gtid into the server would do, in one
// transaction, so that its readers see the old state or the new one, and one
// that is interrupted changed nothing. The server's own log is deleted: it has
// transactions that never were, for the cluster. The server must be read only
// and replicate nothing.
func clone(ctx context.Context, primary *cluster.Node, c *session) (position string, err error) {
	source, err := operate(ctx, primary)
	if err != nil {
		return "", err
	}
	defer source.Close()
	if position, err = snapshot(ctx, source); err != nil {
		return "", fmt.Errorf("take a snapshot of %s: %w", primary.Name, err)
	}
	if err := c.exec(ctx, stopSlaves, "RESET SLAVE ALL", "SET SESSION sql_log_bin = OFF", "START TRANSACTION"); err != nil {
		return "", err
	}
	for _, table := range tables {
		if err := c.exec(ctx, "DELETE FROM "+table); err != nil {
			return "", err
		}
		if err := copyRows(ctx, source, c, table); err != nil {
			return "", err
		}
	}
	// Whoever is stopped between these begins anew: the old position is refused again. The
	// new log says what it does not have: who asks it for more is refused, and given a copy.
	return position, c.exec(ctx, "COMMIT", "RESET MASTER", fmt.Sprintf("SET GLOBAL gtid_binlog_state = '%s'", position), "SET SESSION sql_log_bin = ON")
}

// snapshot begins a transaction that sees the state at a position of the log,
// and returns that.
func snapshot(ctx context.Context, source *session) (string, error) {
	if err := source.exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
		return "", err
	}
	at, err := source.pairs(ctx, "SHOW STATUS LIKE 'binlog_snapshot_%'")
	if err != nil {
		return "", err
	}
	lower := make(map[string]string, len(at))
	for name, value := range at {
		lower[strings.ToLower(name)] = value
	}
	row, err := source.row(ctx, fmt.Sprintf("SELECT BINLOG_GTID_POS('%s', %s) AS position",
		lower["binlog_snapshot_file"], lower["binlog_snapshot_position"]))
	if err != nil {
		return "", err
	}
	if row["position"] == "" {
		return "", fmt.Errorf("the log has no position for %v", lower)
	}
	return row["position"], nil
}

// copyRows copies the rows of a table of numbers, lists of numbers and payloads,
// none of which needs to be escaped.
func copyRows(ctx context.Context, source, c *session, table string) error {
	var b strings.Builder
	rows := 0
	flush := func() error {
		if rows == 0 {
			return nil
		}
		err := c.exec(ctx, b.String())
		b.Reset()
		rows = 0
		return err
	}
	err := source.each(ctx, "SELECT * FROM "+table, func(_ []string, values []driver.Value) error {
		if rows == 0 {
			b.WriteString("INSERT INTO " + table + " VALUES ")
		} else {
			b.WriteByte(',')
		}
		for i, v := range values {
			b.WriteByte("(,"[min(i, 1)])
			b.WriteString("'" + text(v) + "'")
		}
		b.WriteByte(')')
		if rows++; rows < batch && b.Len() < batchBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
