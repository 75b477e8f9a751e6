package postgres

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// whoQuery asks a server which one it is: its end of the connection, if that is a
// network's, and its start, which no other server has to the microsecond.
const whoQuery = `SELECT host(inet_server_addr()), inet_server_port(), extract(epoch FROM pg_postmaster_start_time())::text`

// Enter opens one connection through a door; its addresses are tried in turn.
func (s *Attached) Enter(ctx context.Context, d targets.Door, nodes []*cluster.Node, o targets.ClientOptions) (targets.Client, int, error) {
	if err := checkDoor(d); err != nil {
		return nil, -1, err
	}
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	var failed error
	for _, addr := range d.Addrs {
		c, node, err := s.enter(ctx, way, addr, d.Name, nodes)
		if err == nil {
			return s.client(c, o), node, nil
		}
		failed = kit.Also(failed, fmt.Errorf("enter by %s: %w", addr, err))
	}
	return nil, -1, failed
}

func (s *Attached) enter(ctx context.Context, way kit.DialFunc, addr, database string, nodes []*cluster.Node) (*session, int, error) {
	c, err := s.login.dial(ctx, way, addr, database)
	if err != nil {
		return nil, -1, err
	}
	node, err := s.leads(ctx, c, nodes)
	if err != nil {
		_ = c.Close() // the error that counts is the first
		return nil, -1, err
	}
	return c, node, nil
}

// leads tells which node's server a session is with, -1 if that cannot be known.
// The error is that of the session.
func (s *Attached) leads(ctx context.Context, c *session, nodes []*cluster.Node) (int, error) {
	rows, err := c.query(ctx, whoQuery)
	if err != nil {
		return -1, err
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return -1, errReply
	}
	addr, number, start := rows[0][0], rows[0][1], rows[0][2]
	if at, err := netip.ParseAddr(addr); err == nil && !at.IsLoopback() { // every machine has a loopback address
		for i, n := range nodes {
			if n.At().Unmap() == at.Unmap() && strconv.Itoa(kit.Port(n, port)) == number {
				return i, nil
			}
		}
	}
	return s.doors.Find(ctx, start, nodes, s.started), nil
}

// started asks a node when its server started.
func (s *Attached) started(ctx context.Context, n *cluster.Node) (start string, err error) {
	err = kit.Ask(ctx, &s.operators, n, func(c *session) error {
		rows, err := c.query(ctx, whoQuery)
		if err == nil && len(rows) == 1 && len(rows[0]) == 3 {
			start = rows[0][2]
		}
		return err
	})
	return start, err
}
