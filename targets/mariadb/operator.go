package mariadb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// stopSlaves ends replication, also where there is none.
const stopSlaves = "STOP ALL SLAVES"

// Promote makes node p the primary: it takes no more from its old primary,
// replays what it has, records the new epoch in the replicated row and only
// then takes writes. With semi-sync these wait for the first replica.
func (s *System) Promote(ctx context.Context, nodes []*cluster.Node, p int, _ []int, epoch uint64) error {
	fail := func(err error) error {
		return fmt.Errorf("promote %s in epoch %d: %w", nodes[p].Name, epoch, err)
	}
	c, err := operate(ctx, nodes[p])
	if err != nil {
		return fail(err)
	}
	defer c.Close()
	if err := s.replay(ctx, c); err != nil {
		return fail(err)
	}
	steps := []string{
		stopSlaves, "RESET SLAVE ALL",
		"SET GLOBAL rpl_semi_sync_master_enabled = OFF", // nobody follows yet who could take the row
		fmt.Sprintf("REPLACE INTO %s.epoch VALUES (1, %d, %d)", database, epoch, serverID(p)),
	}
	if s.semiSync {
		steps = append(steps, "SET GLOBAL rpl_semi_sync_master_enabled = ON")
	}
	if err := c.exec(ctx, append(steps, "SET GLOBAL read_only = OFF")...); err != nil {
		return fail(err)
	}
	return nil
}

// replay stops receiving and waits until all that was received is replayed.
func (s *System) replay(ctx context.Context, c *session) error {
	slave, err := c.row(ctx, showSlave)
	if err != nil || slave == nil {
		return err
	}
	if err := c.exec(ctx, "STOP SLAVE IO_THREAD"); err != nil {
		return err
	}
	return kit.Retry(ctx, retryEvery, "replay the relay log", func() error {
		r, err := readReplica(ctx, c)
		switch {
		case err != nil:
			return err
		case r.applied < r.received:
			return fmt.Errorf("there is more to replay: %v", r)
		}
		return nil
	})
}

func readReplica(ctx context.Context, c *session) (replica, error) {
	self, err := c.row(ctx, "SELECT @@gtid_slave_pos AS applied")
	if err != nil {
		return replica{}, err
	}
	slave, err := c.row(ctx, showSlave)
	if err != nil {
		return replica{}, err
	}
	return replicaOf(slave, self["applied"])
}

// errDiverged is a server that the primary's log does not continue.
var errDiverged = errors.New("its transactions are not the primary's")

// Follow makes node i a replica of p. A former primary that has transactions
// which p has not, lost by the failover, is refused by p; its data is then
// replaced by a copy of p's.
func (s *System) Follow(ctx context.Context, nodes []*cluster.Node, i, p int, epoch uint64) error {
	err := s.follow(ctx, nodes, i, p, epoch)
	if err != nil {
		return fmt.Errorf("make %s follow %s in epoch %d: %w", nodes[i].Name, nodes[p].Name, epoch, err)
	}
	return nil
}

func (s *System) follow(ctx context.Context, nodes []*cluster.Node, i, p int, epoch uint64) error {
	c, err := operate(ctx, nodes[i])
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.demote(ctx, nodes[i], c); err != nil {
		return fmt.Errorf("make it read only: %w", err)
	}
	if err := c.exec(ctx, stopSlaves, "RESET SLAVE ALL"); err != nil {
		return err
	}
	own, err := c.row(ctx, "SELECT @@gtid_current_pos AS position")
	if err != nil {
		return err
	}
	err = replicate(ctx, c, nodes[p], own["position"], epoch)
	if !errors.Is(err, errDiverged) {
		return err
	}
	position, err := clone(ctx, nodes[p], c)
	if err != nil {
		return fmt.Errorf("replace its data by a copy: %w", err)
	}
	return replicate(ctx, c, nodes[p], position, epoch)
}

// replicate starts replication after a position, and waits until the row of the
// epoch has come: then the server has everything up to the promotion.
func replicate(ctx context.Context, c *session, primary *cluster.Node, position string, epoch uint64) error {
	err := c.exec(ctx,
		fmt.Sprintf("SET GLOBAL gtid_slave_pos = '%s'", position),
		fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %d, MASTER_USER = '%s', MASTER_PASSWORD = '%s',"+
			" MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos", primary.Addr, port, replicas, password),
		"START SLAVE")
	if err != nil {
		return err
	}
	var diverged error
	err = kit.Retry(ctx, retryEvery, "wait for the replication", func() error {
		r, err := readReplica(ctx, c)
		if err != nil {
			return err
		}
		if r.diverged() {
			diverged = fmt.Errorf("%w: %v", errDiverged, r)
			return nil
		}
		self, err := c.row(ctx, fmt.Sprintf("SELECT epoch >= %d AS there FROM %s.epoch WHERE id = 1", epoch, database))
		if err == nil && (r.fault != "" || self["there"] != "1") {
			err = fmt.Errorf("%v, epoch %d there: %q", r, epoch, self["there"])
		}
		return err
	})
	if diverged != nil {
		return diverged
	}
	return err
}

// killEvery is the pace at which demote ends the clients' connections.
const killEvery = 20 * time.Millisecond

// demote makes a server read only. Commits that are under way hold that up, as
// those of semi-sync that wait for a replica do; so the clients are cut off
// meanwhile. They must be before semi-sync is switched off, which would
// acknowledge to them what no replica has.
func (s *System) demote(ctx context.Context, n *cluster.Node, c *session) error {
	self, err := c.row(ctx, "SELECT @@read_only AS read_only")
	if err != nil {
		return err
	}
	if self["read_only"] == "0" {
		killer, err := operate(ctx, n)
		if err != nil {
			return err
		}
		defer killer.Close()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- c.exec(ctx, "SET GLOBAL read_only = ON") }()
		if err := cutOff(ctx, killer, done); err != nil {
			return err
		}
	}
	return c.exec(ctx, "SET GLOBAL rpl_semi_sync_master_enabled = OFF")
}

// cutOff ends the clients' connections until done delivers, and returns what it
// delivered.
func cutOff(ctx context.Context, killer *session, done <-chan error) error {
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for {
		kill := killer.exec(ctx, "KILL HARD CONNECTION USER "+clients)
		select {
		case err := <-done:
			return errors.Join(err, kill)
		case <-tick.C:
		}
		if kill != nil {
			return errors.Join(kill, <-done)
		}
	}
}
