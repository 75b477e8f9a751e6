package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// lagSource is the server's own name of the time that ServerLag tells.
const lagSource = "pg_stat_replication.replay_lag"

// lagQuery tells for each standby how long its last commits took from the
// primary's disk to being visible there (NULL once it has been idle), and how
// many bytes of log it has not replayed. A standby has no rows.
const lagQuery = `SELECT application_name, round(extract(epoch FROM replay_lag) * 1e6)::int8,
 CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int8 END
FROM pg_stat_replication`

// ServerLag asks a primary for the lag of the standbys that are connected to
// it; a standby itself tells none.
func (s *System) ServerLag(ctx context.Context, nodes []*cluster.Node, n int) ([]targets.Lag, error) {
	var rows [][]string
	err := s.operators.Use(ctx, nodes[n], func(c *session) (err error) {
		rows, err = c.query(ctx, lagQuery)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for the replication lag: %w", nodes[n].Name, err)
	}
	return parseLag(nodes, rows, func(n *cluster.Node) string { return n.Name })
}

// attachedLagQuery is the same of standbys that somebody else has named: they are
// told apart by their addresses. To users without pg_monitor's rights it tells no
// rows with an address.
const attachedLagQuery = `SELECT host(client_addr), round(extract(epoch FROM replay_lag) * 1e6)::int8,
 CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int8 END
FROM pg_stat_replication WHERE state IN ('streaming', 'catchup') AND client_addr IS NOT NULL`

// ServerLag asks a primary for the lag of the standbys whose addresses are nodes'.
// Of two nodes with one address nothing is told.
func (s *Attached) ServerLag(ctx context.Context, nodes []*cluster.Node, n int) ([]targets.Lag, error) {
	var rows [][]string
	err := s.operators.Use(ctx, nodes[n], func(c *session) (err error) {
		rows, err = c.query(ctx, attachedLagQuery)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for the replication lag: %w", nodes[n].Name, err)
	}
	of := map[string]int{}
	for _, node := range nodes {
		of[node.At().Unmap().String()]++
	}
	rows = slices.DeleteFunc(rows, func(row []string) bool { return len(row) > 0 && of[row[0]] != 1 })
	return parseLag(nodes, rows, func(n *cluster.Node) string { return n.At().Unmap().String() })
}

// parseLag reads the rows of lagQuery, which say who is meant; those of no node (a
// base backup) are left out.
func parseLag(nodes []*cluster.Node, rows [][]string, who func(*cluster.Node) string) ([]targets.Lag, error) {
	var all []targets.Lag
	for _, row := range rows {
		if len(row) != 3 {
			return nil, fmt.Errorf("replication lag: a row of %d columns instead of 3", len(row))
		}
		i := slices.IndexFunc(nodes, func(n *cluster.Node) bool { return who(n) == row[0] })
		if i < 0 {
			continue
		}
		l := targets.Lag{Node: i, Source: lagSource, Time: -1, Bytes: -1}
		if row[1] != "" {
			us, err := strconv.ParseInt(row[1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("replication lag of %s: %w", row[0], err)
			}
			l.Time = time.Duration(us) * time.Microsecond
		}
		if row[2] != "" {
			bytes, err := strconv.ParseInt(row[2], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("replication lag of %s: %w", row[0], err)
			}
			l.Bytes = max(bytes, 0)
		}
		all = append(all, l)
	}
	return all, nil
}

// syncsQuery tells how often the server has synced its write-ahead log. Of data
// files, which checkpoints sync, and of methods that need no call (open_sync) it
// tells nothing.
const syncsQuery = `SELECT wal_sync FROM pg_stat_wal`

// Syncs tells how often a node's server synced its write-ahead log since its
// statistics began, which a crash does anew.
func (s *servers) Syncs(ctx context.Context, n *cluster.Node) (count int64, err error) {
	var rows [][]string
	err = s.operators.Use(ctx, n, func(c *session) (err error) {
		rows, err = c.query(ctx, syncsQuery)
		return err
	})
	if err == nil && (len(rows) != 1 || len(rows[0]) != 1) {
		err = fmt.Errorf("%d rows", len(rows))
	}
	if err == nil {
		count, err = strconv.ParseInt(rows[0][0], 10, 64)
	}
	if err != nil {
		return 0, fmt.Errorf("ask %s for its syncs: %w", n.Name, err)
	}
	return count, nil
}
