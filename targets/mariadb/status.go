package mariadb

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// roleQuery is what a server knows of itself.
const roleQuery = "SELECT @@server_id AS id, @@read_only AS read_only," +
	" (SELECT epoch FROM aftershock.epoch WHERE id = 1) AS epoch," +
	" (SELECT server FROM aftershock.epoch WHERE id = 1) AS promoted," +
	" @@gtid_binlog_pos AS logged, @@gtid_slave_pos AS applied"

// showSlave is the state of a server's replication.
const showSlave = "SHOW SLAVE STATUS"

// Status asks a node by the operator's way.
func (s *System) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	var st targets.Status
	err := s.operator.Use(ctx, n, func(c *session) error {
		self, err := c.row(ctx, roleQuery)
		if err != nil {
			return err
		}
		slave, err := c.row(ctx, showSlave)
		if err != nil {
			return err
		}
		st, err = status(self, slave)
		return err
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	return st, nil
}

// ClientStatus asks a node over the clients' network, with a client's rights:
// it tells the role and the epoch.
func (s *System) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	var st targets.Status
	err := s.client.Use(ctx, n, func(c *session) error {
		self, err := c.row(ctx, roleQuery)
		if err != nil {
			return err
		}
		st, err = status(self, nil)
		return err
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its role: %w", n.Name, err)
	}
	return st, nil
}

// status makes a Status of the answers to roleQuery and showSlave; the second
// is nil where there is no answer. A server is the primary if it was promoted
// last, as far as it knows, and takes writes.
func status(self, slave map[string]string) (targets.Status, error) {
	st := targets.Status{Role: targets.Replica}
	var err error
	if st.Epoch, err = strconv.ParseUint(self["epoch"], 10, 64); err != nil {
		return targets.Status{}, fmt.Errorf("epoch: %w", err)
	}
	if st.Position, err = sequence(self["logged"]); err != nil {
		return targets.Status{}, err
	}
	if self["promoted"] == self["id"] && self["read_only"] == "0" {
		st.Role, st.Healthy, st.Eligible = targets.Primary, true, true
		st.Detail = "log " + self["logged"]
		return st, nil
	}
	r, err := replicaOf(slave, self["applied"])
	if err != nil {
		return targets.Status{}, err
	}
	st.Position = max(st.Position, r.received)
	st.Healthy, st.Detail = r.fault == "" && r.applied >= r.received, r.String()
	st.Eligible = true // by its epoch and position the operator sees whether it knows the newest primary and has most of its log
	return st, nil
}

// replica is a server's replication.
type replica struct {
	received, applied uint64 // sequence numbers
	io, sql           string // states of the threads: "Yes", "No", "Connecting"
	fault             string // why it does not replicate; empty: it does
	ioError, sqlError string // numbers of the last errors; "0" or empty: none
	behind            time.Duration
}

// replicaOf reads an answer to showSlave; nil is a server that replicates
// nothing. applied is gtid_slave_pos.
func replicaOf(slave map[string]string, applied string) (replica, error) {
	r := replica{io: slave["Slave_IO_Running"], sql: slave["Slave_SQL_Running"], behind: -1,
		ioError: slave["Last_IO_Errno"], sqlError: slave["Last_SQL_Errno"]}
	var err error
	if r.applied, err = sequence(applied); err != nil {
		return replica{}, err
	}
	if r.received, err = sequence(slave["Gtid_IO_Pos"]); err != nil {
		return replica{}, err
	}
	r.received = max(r.received, r.applied)
	if seconds, err := strconv.ParseInt(slave["Seconds_Behind_Master"], 10, 64); err == nil {
		r.behind = time.Duration(seconds) * time.Second
	}
	switch {
	case slave == nil:
		r.fault = "it follows nobody"
	case r.sql != "Yes":
		r.fault = "its SQL thread does not run: " + slave["Last_SQL_Error"]
	case r.io != "Yes":
		r.fault = "its I/O thread is not connected: " + slave["Last_IO_Error"]
	}
	return r, nil
}

func (r replica) String() string {
	text := fmt.Sprintf("received %d, applied %d", r.received, r.applied)
	if r.fault != "" {
		text += ", " + r.fault
	}
	return text
}

// diverged tells whether the primary refused this server's position, which it
// does to a server with transactions of its own, or replaying failed.
func (r replica) diverged() bool {
	const masterFatal = "1236" // ER_MASTER_FATAL_ERROR_READING_BINLOG
	return r.ioError == masterFatal || r.sqlError != "" && r.sqlError != "0"
}

// lagSource is the server's own name of its lag.
const lagSource = "SHOW REPLICA STATUS Seconds_Behind_Master"

// ServerLag asks node n, if it is a replica, for its Seconds_Behind_Master.
func (s *System) ServerLag(ctx context.Context, nodes []*cluster.Node, n int) ([]targets.Lag, error) {
	var lags []targets.Lag
	err := s.operator.Use(ctx, nodes[n], func(c *session) error {
		slave, err := c.row(ctx, showSlave)
		if err != nil || slave == nil {
			return err
		}
		r, err := replicaOf(slave, "")
		lags = []targets.Lag{{Node: n, Source: lagSource, Time: r.behind, Bytes: -1}}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for its lag: %w", nodes[n].Name, err)
	}
	return lags, nil
}
