package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	// retryEvery is how often Form asks again.
	retryEvery = 20 * time.Millisecond
	// askTimeout bounds one question of Form.
	askTimeout = time.Second
)

// System is one configured etcd cluster; every node is a member.
type System struct {
	flags        []string // of the server, from the options
	election     time.Duration
	lease        time.Duration // of registers' values; 0: none
	serializable bool

	clients, operators kit.Kept[*conn]
}

var (
	_ targets.System    = (*System)(nil)
	_ targets.Versioned = (*System)(nil)
)

// Server is etcd with its peers, all told at once (static bootstrap). On a
// restart the server takes the membership from its data directory.
func (s *System) Server(nodes []*cluster.Node, i int) cluster.ServerSpec {
	members := make([]string, len(nodes))
	for j, n := range nodes {
		members[j] = n.Name + "=" + url(n, peerPort)
	}
	args := append([]string{
		"--name=" + nodes[i].Name,
		"--data-dir=" + cluster.DataDir + "/etcd",
		"--initial-cluster=" + strings.Join(members, ","),
		"--initial-advertise-peer-urls=" + url(nodes[i], peerPort),
		"--advertise-client-urls=" + url(nodes[i], clientPort),
		fmt.Sprintf("--listen-peer-urls=http://0.0.0.0:%d", peerPort),
		fmt.Sprintf("--listen-client-urls=http://0.0.0.0:%d", clientPort),
	}, s.flags...)
	return cluster.ServerSpec{Command: kit.Serve(name, args...)}
}

func url(n *cluster.Node, port int) string { return "http://" + kit.Address(n, port) }

// Form waits until the members have elected a leader and makes it node 0.
func (s *System) Form(ctx context.Context, nodes []*cluster.Node) error {
	if len(nodes) == 0 {
		return errors.New("form the etcd cluster: there are no nodes")
	}
	return kit.Retry(ctx, retryEvery, "form the etcd cluster", func() error {
		answers := make([]*clientv3.StatusResponse, len(nodes))
		err := kit.Each(nodes, func(i int) error {
			bounded, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			var err error
			answers[i], err = ask(bounded, &s.operators, nodes[i])
			return err
		})
		if err != nil {
			return err
		}
		leader, err := agreed(nodes, answers)
		if err != nil {
			return err
		}
		if leader == 0 {
			return s.grant(ctx, nodes[0])
		}
		return s.moveLeader(ctx, nodes[leader], answers[0].Header.MemberId)
	})
}

// leaseID is the lease's, so that every client knows it.
const leaseID = 0x61667465 // "afte"

// grant makes the lease of registers' values, if they have one.
func (s *System) grant(ctx context.Context, n *cluster.Node) error {
	if s.lease == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.operators.Use(ctx, n, func(c *conn) error {
		_, err := c.leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: leaseID, TTL: int64(s.lease / time.Second)})
		if errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseExist) { // by a call before this one
			err = nil
		}
		return err
	})
}

// agreed is the index of the leader that every member follows.
func agreed(nodes []*cluster.Node, answers []*clientv3.StatusResponse) (int, error) {
	leader := -1
	for i, a := range answers {
		switch {
		case len(a.Errors) > 0:
			return -1, fmt.Errorf("%s is not ready: %s", nodes[i].Name, strings.Join(a.Errors, ", "))
		case a.Leader != answers[0].Leader || a.RaftTerm != answers[0].RaftTerm:
			return -1, fmt.Errorf("%s and %s do not follow the same leader", nodes[0].Name, nodes[i].Name)
		case a.Leader == a.Header.MemberId:
			leader = i
		}
	}
	if leader < 0 {
		return -1, errors.New("the members follow a leader that is none of them")
	}
	return leader, nil
}

// moveLeader hands leadership over to the member with the ID to. A transfer
// that raft gives up (after an election timeout) is tried again by the caller.
func (s *System) moveLeader(ctx context.Context, from *cluster.Node, to uint64) error {
	bounded, cancel := context.WithTimeout(ctx, 2*s.election+askTimeout)
	defer cancel()
	err := s.operators.Use(bounded, from, func(c *conn) error {
		_, err := c.maintenance.MoveLeader(bounded, to)
		return err
	})
	if err != nil {
		return fmt.Errorf("move the leadership away from %s: %w", from.Name, err)
	}
	return errors.New("the leadership has just moved") // look again
}

// Status asks a member by the operator's way.
func (s *System) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	answer, err := ask(ctx, &s.operators, n)
	return status(answer), err
}

// ClientStatus asks a member over the clients' network.
func (s *System) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	answer, err := ask(ctx, &s.clients, n)
	return status(answer), err
}

// ask asks a member what it knows; it answers without asking its peers.
func ask(ctx context.Context, kept *kit.Kept[*conn], n *cluster.Node) (*clientv3.StatusResponse, error) {
	var answer *clientv3.StatusResponse
	err := kept.Use(ctx, n, func(c *conn) error {
		var err error
		answer, err = c.maintenance.Status(ctx, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	return answer, nil
}

// status makes a Status of a member's answer; nil makes the zero value. The
// answer's errors say that there is no leader, or that an alarm is on.
func status(a *clientv3.StatusResponse) targets.Status {
	if a == nil {
		return targets.Status{}
	}
	st := targets.Status{Role: targets.Replica, Epoch: a.RaftTerm, Position: a.RaftAppliedIndex, Healthy: len(a.Errors) == 0}
	if a.Leader == a.Header.MemberId {
		st.Role = targets.Primary
	}
	st.Eligible = st.Healthy
	st.Detail = fmt.Sprintf("member=%x leader=%x term=%d index=%d applied=%d", a.Header.MemberId, a.Leader, a.RaftTerm, a.RaftIndex, a.RaftAppliedIndex)
	if len(a.Errors) > 0 {
		st.Detail += " errors=" + strings.Join(a.Errors, ", ")
	}
	return st
}

// Version is what the member says in its status.
func (s *System) Version(ctx context.Context, n *cluster.Node) (version string, err error) {
	err = s.operators.Use(ctx, n, func(c *conn) error {
		st, err := c.maintenance.Status(ctx, "")
		if err == nil {
			version = st.Version
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", n.Name, err)
	}
	return version, nil
}

// Close closes the connections that ask for statuses.
func (s *System) Close() error {
	return errors.Join(s.clients.Close(), s.operators.Close())
}
