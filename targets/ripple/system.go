package ripple

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/ripple/server"
)

// retryEvery is how often Form asks again.
const retryEvery = 5 * time.Millisecond

// System is one configured ripple cluster.
type System struct {
	replication, fsync, apply            string
	fsyncInterval, replayCost, readLease time.Duration
	bugs                                 []string
	bugN                                 int
	capacity, slow                       float64 // operations per second, percent
	seed                                 uint64
	protocol                             uint64 // the nodes' version; 0: the newest
}

var (
	_ targets.Target   = Target{}
	_ targets.System   = (*System)(nil)
	_ targets.Operated = (*System)(nil)
)

// Server is `aftershock ripple` with its peers.
func (s *System) Server(nodes []*cluster.Node, i int) cluster.ServerSpec {
	command := []string{
		cluster.Self, "ripple",
		"--name", nodes[i].Name,
		"--listen", fmt.Sprintf(":%d", server.DefaultPort),
		"--data", cluster.DataDir,
		"--replication", s.replication,
		"--fsync", s.fsync,
		"--fsync-interval", s.fsyncInterval.String(),
		"--apply", s.apply,
		"--replay-cost", s.replayCost.String(),
		"--read-lease", s.readLease.String(),
		"--seed", strconv.FormatUint(s.seed, 10),
		"--bug-n", strconv.Itoa(s.bugN),
	}
	// A node of another version, that of --base, may not know these.
	if s.capacity > 0 {
		command = append(command, "--capacity", strconv.FormatFloat(s.capacity, 'f', -1, 64))
	}
	if s.slow > 0 {
		command = append(command, "--slow", strconv.FormatFloat(s.slow/100, 'f', -1, 64))
	}
	if s.protocol > 0 {
		command = append(command, "--protocol", strconv.FormatUint(s.protocol, 10))
	}
	for _, bug := range s.bugs {
		command = append(command, "--bug", bug)
	}
	for j, n := range nodes {
		if j != i {
			command = append(command, "--peer", n.Name+"="+address(n))
		}
	}
	return cluster.ServerSpec{Command: command}
}

// address is where clients and the other nodes reach a node.
func address(n *cluster.Node) string {
	return kit.Address(n, server.DefaultPort)
}

// Form waits until every node answers, makes node 0 the primary of epoch 1 and
// waits until all others are connected and, with replication: sync, in sync.
func (s *System) Form(ctx context.Context, nodes []*cluster.Node) error {
	if len(nodes) == 0 {
		return fmt.Errorf("form the replica set: there are no nodes")
	}
	if err := kit.Each(nodes, func(i int) error { return s.answers(ctx, nodes[i]) }); err != nil {
		return err
	}
	if err := kit.FollowFirst(ctx, s, nodes); err != nil {
		return err
	}
	return s.formed(ctx, nodes)
}

// answers waits until a node's server replies to PING.
func (s *System) answers(ctx context.Context, n *cluster.Node) error {
	return kit.Retry(ctx, retryEvery, fmt.Sprintf("wait for ripple on %s to answer", n.Name), func() error {
		_, err := ask(ctx, n, "PING")
		return err
	})
}

// formed waits until the cluster is as Form promises.
func (s *System) formed(ctx context.Context, nodes []*cluster.Node) error {
	return kit.Retry(ctx, retryEvery, "form the replica set", func() error {
		return kit.Each(nodes, func(i int) error {
			st, err := s.Status(ctx, nodes[i])
			switch {
			case err != nil:
				return err
			case !st.Healthy:
				return fmt.Errorf("%s is not ready: %s", nodes[i].Name, st.Detail)
			case !st.Eligible:
				return fmt.Errorf("%s is not in sync: %s", nodes[i].Name, st.Detail)
			}
			return nil
		})
	})
}

// Promote makes node p the primary; in sync mode the others must acknowledge
// every write from then on.
func (s *System) Promote(ctx context.Context, nodes []*cluster.Node, p int, others []int, epoch uint64) error {
	args := []any{strconv.FormatUint(epoch, 10)}
	for _, i := range others {
		args = append(args, nodes[i].Name)
	}
	if _, err := ask(ctx, nodes[p], "PROMOTE", args...); err != nil {
		return fmt.Errorf("promote %s in epoch %d: %w", nodes[p].Name, epoch, err)
	}
	return nil
}

// Follow points node i to the primary p.
func (s *System) Follow(ctx context.Context, nodes []*cluster.Node, i, p int, epoch uint64) error {
	if _, err := ask(ctx, nodes[i], "FOLLOW", address(nodes[p]), strconv.FormatUint(epoch, 10)); err != nil {
		return fmt.Errorf("make %s follow %s in epoch %d: %w", nodes[i].Name, nodes[p].Name, epoch, err)
	}
	return nil
}

// Status asks a node by the operator's way.
func (s *System) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	reply, err := ask(ctx, n, "STATUS")
	return status(n, reply, err)
}

// Syncs tells how often a node's server synced its log.
func (s *System) Syncs(ctx context.Context, n *cluster.Node) (int64, error) {
	reply, err := ask(ctx, n, "STATUS")
	fields, err := redis.StringMap(reply, err)
	if err != nil {
		return 0, fmt.Errorf("ask %s for its syncs: %w", n.Name, err)
	}
	count, err := strconv.ParseInt(fields["syncs"], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ask %s for its syncs: %w", n.Name, err)
	}
	return count, nil
}

// ClientStatus asks a node over the clients' network.
func (s *System) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address(n))
	if err != nil {
		return targets.Status{}, fmt.Errorf("connect to %s: %w", n.Name, err)
	}
	reply, err := call(ctx, conn, "STATUS")
	return status(n, reply, err)
}

// ask makes one call by the operator's way.
func ask(ctx context.Context, n *cluster.Node, command string, args ...any) (any, error) {
	conn, err := n.DialServer(ctx, server.DefaultPort)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", n.Name, err)
	}
	return call(ctx, conn, command, args...)
}

// call makes one call within ctx and closes conn.
func call(ctx context.Context, conn net.Conn, command string, args ...any) (any, error) {
	timeout := kit.DefaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), time.Millisecond)
	}
	c := redis.NewConn(conn, timeout, timeout)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // unblocks Do
	defer stop()
	defer func() { _ = c.Close() }() // the answer has been read, or there is none
	return c.Do(command, args...)
}

// status makes a Status of the fields that a node told.
func status(n *cluster.Node, reply any, err error) (targets.Status, error) {
	fields, err := redis.StringMap(reply, err)
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	var st targets.Status
	for _, f := range []struct {
		name string
		to   *uint64
	}{{"epoch", &st.Epoch}, {"log_epoch", &st.LogEpoch}, {"position", &st.Position}} {
		if *f.to, err = strconv.ParseUint(fields[f.name], 10, 64); err != nil {
			return targets.Status{}, fmt.Errorf("ask %s for its status: %s: %w", n.Name, f.name, err)
		}
	}
	st.Role = targets.Role(fields["role"])
	if st.Role != targets.Primary && st.Role != targets.Replica {
		return targets.Status{}, fmt.Errorf("ask %s for its status: unknown role %q", n.Name, fields["role"])
	}
	st.Eligible, st.Healthy = fields["eligible"] == "true", fields["healthy"] == "true"
	st.Detail = detail(fields)
	return st, nil
}

func detail(fields map[string]string) string {
	names := make([]string, 0, len(fields))
	for name, v := range fields {
		if v != "" {
			names = append(names, name+"="+v)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
