package postgres

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// statusQuery asks a server what Status tells. The timeline of a standby's log
// is that of the newest file of its log: what it receives from is known only
// while it is connected.
const statusQuery = `SELECT standby,
 CASE WHEN standby THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_insert_lsn() END,
 CASE WHEN standby THEN pg_last_wal_replay_lsn() END,
 CASE WHEN standby THEN (SELECT max(substr(name, 1, 8)) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$')
  ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
 (SELECT status FROM pg_stat_wal_receiver)
FROM (SELECT pg_is_in_recovery() AS standby) AS node`

// clientStatusQuery is the part of it that a client needs, forty times a second.
const clientStatusQuery = `SELECT standby, NULL, NULL,
 CASE WHEN standby THEN to_hex((SELECT received_tli FROM pg_stat_wal_receiver)) ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
 NULL FROM (SELECT pg_is_in_recovery() AS standby) AS node`

// report is what one server said of itself.
type report struct {
	standby  bool
	position uint64 // end of its log
	replayed uint64 // standby: what readers see
	timeline uint64 // 0: it did not tell
	receiver string // standby: "streaming" while it is connected
}

// parseReport reads the only row of statusQuery; segment is the size of the log's.
func parseReport(rows [][]string, segment uint64) (report, error) {
	if len(rows) != 1 || len(rows[0]) != 5 {
		return report{}, fmt.Errorf("one row of 5 columns was expected, got %d rows", len(rows))
	}
	row := rows[0]
	r := report{standby: row[0] == "t", receiver: row[4]}
	var err error
	for _, f := range []struct {
		text string
		to   *uint64
	}{{row[1], &r.position}, {row[2], &r.replayed}} {
		if f.text == "" {
			continue
		}
		if *f.to, err = parseLSN(f.text); err != nil {
			return report{}, err
		}
	}
	if row[3] != "" {
		if r.timeline, err = strconv.ParseUint(row[3], 16, 32); err != nil {
			return report{}, fmt.Errorf("%q is no timeline", row[3])
		}
	}
	if !r.standby {
		r.position = logEnd(r.position, segment)
	}
	return r, nil
}

// caughtUp tells whether a standby streams and shows all that it has received.
func (r report) caughtUp() bool {
	return (r.receiver == "streaming" || r.receiver == isConnected) && r.replayed >= r.position
}

// status is what the report says by itself. The epoch is the timeline.
func (r report) status() targets.Status {
	st := targets.Status{Role: targets.Primary, Epoch: r.timeline, LogEpoch: r.timeline, Position: r.position,
		Eligible: true, Healthy: true,
		Detail: fmt.Sprintf("timeline=%d position=%X/%X", r.timeline, r.position>>32, uint32(r.position))}
	if r.standby {
		st.Role, st.Healthy = targets.Replica, r.caughtUp()
		st.Detail += fmt.Sprintf(" replayed=%X/%X receiver=%s", r.replayed>>32, uint32(r.replayed), r.receiver)
	}
	return st
}

// status makes the report a Status of a launched node. A standby on which the
// primary does not count yet, though it is to wait for standbys, is an epoch
// behind, so that the operator goes on making it follow.
func (s *System) status(n *cluster.Node, r report) targets.Status {
	st := r.status()
	if r.timeline > 0 {
		st.Epoch += s.members.ahead()
	}
	if r.standby && s.waits() && !s.members.has(n.Index) && st.Epoch > 0 {
		st.Epoch--
		st.Detail += " not counted on yet"
	}
	return st
}

// Status asks a node by the operator's way.
func (s *System) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	r, err := ask(ctx, &s.operators, n, func(*session) string { return statusQuery })
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	return s.status(n, r), nil
}

// ClientStatus asks a node over the clients' network for its role, and as a
// primary for its epoch.
func (s *System) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	r, err := ask(ctx, &s.clients, n, func(*session) string { return clientStatusQuery })
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its role: %w", n.Name, err)
	}
	return s.status(n, r), nil
}

// ask asks a node for its report.
func ask(ctx context.Context, by *kit.Kept[*session], n *cluster.Node, sql func(*session) string) (r report, err error) {
	err = by.Use(ctx, n, func(c *session) error {
		rows, err := c.query(ctx, sql(c))
		if err == nil {
			r, err = parseReport(rows, c.segment)
		}
		return err
	})
	return r, err
}

// dialOperator connects to a server over the control channel.
func dialOperator(ctx context.Context, n *cluster.Node) (*session, error) {
	return dial(ctx, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return n.DialServer(ctx, port)
	}, n.Addr.String(), operatorRole)
}

// dialClient connects over the clients' network, in a superuser's slot.
func dialClient(ctx context.Context, n *cluster.Node) (*session, error) {
	return dial(ctx, new(net.Dialer).DialContext, n.Addr.String(), operatorRole)
}

// operate runs f with a connection of its own to a node, by the operator's way.
func operate(ctx context.Context, n *cluster.Node, f func(*session) error) error {
	c, err := dialOperator(ctx, n)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", n.Name, err)
	}
	defer c.Close()
	return f(c)
}
