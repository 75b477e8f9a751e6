package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Attacher = Target{}

// Attached is PostgreSQL that somebody else runs. Its failover is theirs.
type Attached struct {
	servers
	login    *login
	objects  string
	patience time.Duration
	doors    kit.Whose
	made     kit.Made // what Form has made
}

var (
	_ targets.Attached  = (*Attached)(nil)
	_ targets.LagTeller = (*Attached)(nil)
	_ targets.Versioned = (*Attached)(nil)
)

// Attach implements targets.Attacher. Without a user it is "postgres", without a
// database the one of the user's name.
func (t Target) Attach(c targets.AttachConfig) (targets.Attached, error) {
	o, err := kit.AttachOptions(t.Info(), c.Config, optLevel)
	if err != nil {
		return nil, err
	}
	for _, d := range c.Access.Doors {
		if err := checkDoor(d); err != nil {
			return nil, err
		}
	}
	access := c.Access
	access.User = cmp.Or(access.User, operatorRole)
	access.Database = cmp.Or(access.Database, access.User)
	login := &login{Access: access}
	s := &Attached{login: login, objects: c.Objects, patience: patience}
	s.isolation, s.sql = o[optLevel], newStatements(c.Objects)
	s.operators.Dial, s.clients.Dial = login.operator, login.straight
	return s, nil
}

func checkDoor(d targets.Door) error {
	if d.Kind != "postgres" && d.Kind != "postgresql" {
		return fmt.Errorf("target.connect: %s:// leads to no PostgreSQL: write postgres://host:port/database", d.Kind)
	}
	if len(d.Addrs) == 0 {
		return errors.New("target.connect: a postgres:// without an address: write postgres://host:port/database")
	}
	return nil
}

// Port is the servers' own, where a place knows none.
func (*Attached) Port() int { return port }

// Server is never called: the servers run already.
func (*Attached) Server([]*cluster.Node, int) cluster.ServerSpec { return cluster.ServerSpec{} }

// isConnected is what a standby's receiver is that shows itself to ordinary users
// without its status.
const isConnected = "connected"

// ordinaryQuery is the part of statusQuery that every user may ask. It has no
// timelines: those of standbys could not be told.
const ordinaryQuery = `SELECT standby,
 CASE WHEN standby THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_insert_lsn() END,
 CASE WHEN standby THEN pg_last_wal_replay_lsn() END,
 NULL, CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver) THEN '` + isConnected + `' END
FROM (SELECT pg_is_in_recovery() AS standby) AS node`

// Status asks a node by the operator's way, or straight where that does not work.
// A user without pg_monitor's rights is told no timelines: there are no epochs then.
func (s *Attached) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	sees := false
	r, err := ask(ctx, &s.operators, n, func(c *session) string {
		if sees = c.sees; sees {
			return statusQuery
		}
		return ordinaryQuery
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	st := r.status()
	if !sees {
		st.Detail += " (no timelines without " + s.grant() + ")"
	}
	return st, nil
}

// grant is what gives the user the right to see what Status asks for.
func (s *Attached) grant() string { return "GRANT pg_monitor TO " + identifier(s.login.User) }

// ClientStatus asks a node over the clients' network for its role, and as a
// primary for its epoch.
func (s *Attached) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	r, err := ask(ctx, &s.clients, n, func(*session) string { return clientStatusQuery })
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its role: %w", n.Name, err)
	}
	st := r.status()
	if st.Detail = ""; r.timeline > 0 { // it has not been asked for more
		st.Detail = fmt.Sprintf("timeline=%d", r.timeline)
	}
	return st, nil
}

// Connect opens a connection straight to a node.
func (s *Attached) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	session, err := s.login.dial(ctx, way, kit.ServerAddress(n, port), "")
	if err != nil {
		return nil, fmt.Errorf("connect to postgres on %s: %w", n.Name, err)
	}
	return s.client(session, o), nil
}

// patience is how long Form waits for a deployment that is just failing over.
const patience = 5 * time.Second

// Form makes the run's tables through the primary, and waits until every node
// shows them. Before, it looks whether that will work, and changes nothing if not.
func (s *Attached) Form(ctx context.Context, nodes []*cluster.Node) error {
	s.made.Begin()
	var primary *cluster.Node
	err := kit.Insist(ctx, kit.LookEvery, s.patience, func(ctx context.Context) (err error) {
		primary, err = kit.ThePrimary(ctx, nodes, port, s.Status)
		return err
	})
	if err != nil {
		return fmt.Errorf("look at the deployment: %w", err)
	}
	if err := s.makeTables(ctx, primary); err != nil {
		return fmt.Errorf("make the run's tables on %s: %w", primary.Name, err)
	}
	return kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, kit.LookEvery, "wait until "+nodes[i].Name+" shows the run's tables", func() error { return s.shows(ctx, nodes[i]) })
	})
}

// identifier quotes a name for SQL.
func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
