package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// retryEvery is how often Form asks again.
const retryEvery = 40 * time.Millisecond

// servers is what a System has of servers, whoever runs them: what the clients
// send, and kept connections.
type servers struct {
	isolation          string // of transactions of several statements
	sql                *statements
	operators, clients kit.Kept[*session]
}

// Close closes the kept connections.
func (s *servers) Close() error { return errors.Join(s.operators.Close(), s.clients.Close()) }

// System is one configured cluster.
type System struct {
	servers
	commit   string
	fsync    string
	delay    time.Duration
	quorum   quorum
	replicas int

	members members
	rejoins atomic.Uint64 // gives every rejoin its own name
}

var (
	_ targets.System    = (*System)(nil)
	_ targets.Operated  = (*System)(nil)
	_ targets.LagTeller = (*System)(nil)
	_ targets.Versioned = (*System)(nil)
)

func newSystem() *System {
	return &System{servers: servers{sql: launched, operators: kit.Kept[*session]{Dial: dialOperator}, clients: kit.Kept[*session]{Dial: dialClient}}}
}

// Version is the server's own parameter.
func (s *servers) Version(ctx context.Context, n *cluster.Node) (version string, err error) {
	err = s.operators.Use(ctx, n, func(c *session) error {
		rows, err := c.query(ctx, "SHOW server_version")
		if err == nil && (len(rows) != 1 || len(rows[0]) != 1) {
			err = fmt.Errorf("server_version has %d rows", len(rows))
		}
		if err == nil {
			version = rows[0][0]
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", n.Name, err)
	}
	return version, nil
}

// waits tells whether an acknowledged commit has reached standbys.
func (s *System) waits() bool {
	return s.quorum.n > 0 && (s.commit == "remote_write" || s.commit == "on" || s.commit == "remote_apply")
}

// hba lets everybody in: the network is the run's own.
const hba = "local all all trust\nhost all all all trust\nhost replication all all trust\n"

// Server is PostgreSQL after Launch has made its data directory.
func (s *System) Server(nodes []*cluster.Node, i int) cluster.ServerSpec {
	l := launch{Data: cluster.DataDir, Name: nodes[i].Name, Settings: s.settings()}
	if i == 0 {
		l.Standbys = s.quorum.list(names(nodes, others(len(nodes), 0)))
	} else {
		l.Primary = nodes[0].Addr.String()
	}
	return l.spec()
}

// spec is what an agent runs to do l.
func (l launch) spec() cluster.ServerSpec {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // strings and lists of them
	}
	return cluster.ServerSpec{
		Command: kit.Serve(name, string(text)),
		Files:   map[string]string{cluster.DataDir + "/" + hbaFile: hba},
		User:    operatorRole,
		// The fast shutdown: clients are disconnected, and what is committed is
		// sent to the standbys that are connected.
		StopSignal: "SIGINT",
	}
}

// settings are the server's parameters that stay the same for the run. Those
// about time-outs are shorter than their defaults, because a run lasts seconds.
func (s *System) settings() []string {
	senders := strconv.Itoa(max(10, 2*s.replicas+4))
	return []string{
		"listen_addresses=*", "port=" + strconv.Itoa(port), "unix_socket_directories=",
		"max_connections=200", "superuser_reserved_connections=10",
		"huge_pages=off", "dynamic_shared_memory_type=mmap", // nothing is left outside the data directory
		"max_wal_size=1GB", "min_wal_size=80MB", "wal_keep_size=512MB",
		"wal_level=replica", "max_wal_senders=" + senders, "hot_standby=on",
		"wal_log_hints=on", // pg_rewind needs it
		"wal_sender_timeout=3s", "wal_receiver_timeout=3s", "wal_retrieve_retry_interval=100ms",
		optCommit + "=" + s.commit, optFsync + "=" + s.fsync,
		optDelay + "=" + strconv.FormatInt(s.delay.Milliseconds(), 10) + "ms",
	}
}

// others are the nodes but one.
func others(n, but int) []int {
	var list []int
	for i := range n {
		if i != but {
			list = append(list, i)
		}
	}
	return list
}

func names(nodes []*cluster.Node, list []int) []string {
	all := make([]string, len(list))
	for i, j := range list {
		all[i] = nodes[j].Name
	}
	return all
}

// Form waits until the primary answers, makes the clients' role and tables,
// and waits until every standby streams from it, shows them, and counts for
// the primary's acknowledgements. The tables are not waited for on the
// standbys one by one.
func (s *System) Form(ctx context.Context, nodes []*cluster.Node) error {
	if len(nodes) == 0 {
		return errors.New("form the replica set: there are no nodes")
	}
	s.members.set(others(len(nodes), 0))
	err := kit.Retry(ctx, retryEvery, "wait for postgres on "+nodes[0].Name+" to answer", func() error {
		return operate(ctx, nodes[0], func(c *session) error { return makeSchema(ctx, c) })
	})
	if err != nil {
		return err
	}
	return kit.Retry(ctx, retryEvery, "form the replica set", func() error { return s.formed(ctx, nodes) })
}

func makeSchema(ctx context.Context, c *session) error {
	if err := c.exec(ctx, "SET synchronous_commit = local"); err != nil {
		return err
	}
	known, err := c.value(ctx, "SELECT count(*) FROM pg_roles WHERE rolname = '"+clientRole+"'")
	if err != nil {
		return err
	}
	if known == "0" {
		if err := c.exec(ctx, "CREATE ROLE "+clientRole+" LOGIN"); err != nil {
			return err
		}
	}
	of := launched.tables
	return c.exec(ctx, append(of.make("CREATE TABLE IF NOT EXISTS "), "GRANT SELECT, INSERT, UPDATE ON "+strings.Join(of.all(), ", ")+" TO "+clientRole)...)
}

// formed tells what is missing of a formed cluster.
func (s *System) formed(ctx context.Context, nodes []*cluster.Node) error {
	all := make([]targets.Status, len(nodes))
	err := kit.Each(nodes, func(i int) (err error) {
		all[i], err = s.Status(ctx, nodes[i])
		return err
	})
	if err != nil {
		return err
	}
	for i, st := range all {
		if want := map[bool]targets.Role{true: targets.Primary, false: targets.Replica}[i == 0]; st.Role != want {
			return fmt.Errorf("%s is a %s", nodes[i].Name, st.Role)
		}
		if !st.Healthy || st.Position < all[0].Position {
			return fmt.Errorf("%s is not caught up: %s", nodes[i].Name, st.Detail)
		}
	}
	if s.quorum.n == 0 {
		return nil
	}
	return s.operators.Use(ctx, nodes[0], func(c *session) error {
		counted, err := c.value(ctx, "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')")
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(counted); err != nil || n < s.quorum.n {
			return fmt.Errorf("%s counts on %s synchronous standbys, not %d", nodes[0].Name, counted, s.quorum.n)
		}
		return nil
	})
}
