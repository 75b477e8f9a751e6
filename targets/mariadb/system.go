package mariadb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// retryEvery is how often Form and the operator's orders ask again.
const retryEvery = 10 * time.Millisecond

// System is one configured primary with its replicas.
type System struct {
	settings  []setting
	semiSync  bool
	isolation string // of transactions
	questions
}

// questions are the connections for status questions.
type questions struct {
	operator, client kit.Kept[*session]
}

func (q *questions) open() { q.operator.Dial, q.client.Dial = operate, look }

// Version is the server's own variable.
func (q *questions) Version(ctx context.Context, n *cluster.Node) (version string, err error) {
	err = q.operator.Use(ctx, n, func(c *session) error {
		row, err := c.row(ctx, "SELECT VERSION() AS version")
		version = row["version"]
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", n.Name, err)
	}
	return version, nil
}

// Close closes the connections.
func (q *questions) Close() error { return errors.Join(q.operator.Close(), q.client.Close()) }

var (
	_ targets.System    = (*System)(nil)
	_ targets.Operated  = (*System)(nil)
	_ targets.LagTeller = (*System)(nil)
	_ targets.Versioned = (*System)(nil)
)

// Server is mariadbd with its own option file.
func (s *System) Server(_ []*cluster.Node, i int) cluster.ServerSpec {
	return cluster.ServerSpec{
		Command: kit.Serve(Target{}.Info().Name, cluster.DataDir),
		User:    serverUser,
		Files: map[string]string{
			cluster.DataDir + "/" + configFile: config(common, replication(serverID(i)), s.settings),
			cluster.DataDir + "/" + schemaFile: firstStatements(),
			cluster.DataDir + "/" + initFile:   s.resume(),
		},
	}
}

// serverID is node i's server_id.
func serverID(i int) int { return i + 1 }

// Connect opens a connection to a node over the clients' network.
func (s *System) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	return connect(ctx, n, o, setIsolation(s.isolation))
}

// Form waits until every server answers, makes node 0 the primary of epoch 1
// and the others its replicas, and waits until all are connected.
func (s *System) Form(ctx context.Context, nodes []*cluster.Node) error {
	if len(nodes) == 0 {
		return errors.New("form the replica set: there are no nodes")
	}
	err := kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, retryEvery, "wait for MariaDB on "+nodes[i].Name+" to answer", func() error {
			_, err := s.Status(ctx, nodes[i])
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := kit.FollowFirst(ctx, s, nodes); err != nil {
		return err
	}
	return kit.Retry(ctx, retryEvery, "form the replica set", func() error { return s.formed(ctx, nodes) })
}

// formed tells what is still missing: a replica that has not caught up or, with
// semi-sync, is not yet waited for.
func (s *System) formed(ctx context.Context, nodes []*cluster.Node) error {
	for _, n := range nodes {
		st, err := s.Status(ctx, n)
		if err != nil {
			return err
		}
		if !st.Healthy {
			return fmt.Errorf("%s is not ready: %s", n.Name, st.Detail)
		}
	}
	if !s.semiSync {
		return nil
	}
	return s.operator.Use(ctx, nodes[0], func(c *session) error {
		semi, err := c.pairs(ctx, "SHOW STATUS LIKE 'Rpl_semi_sync_master_%'")
		if err != nil {
			return err
		}
		connected, state := semi["Rpl_semi_sync_master_clients"], semi["Rpl_semi_sync_master_status"]
		if connected != fmt.Sprint(len(nodes)-1) || state != on {
			return fmt.Errorf("semi-sync on %s is %s with %s replicas of %d", nodes[0].Name, state, connected, len(nodes)-1)
		}
		return nil
	})
}
