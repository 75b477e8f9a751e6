package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var (
	_ targets.Joiner = (*System)(nil)
	_ targets.Leaver = (*System)(nil)
)

// The user of the system account, who may take servers out. Clients need no user: they
// are in the global account as long as no other one has users.
const (
	sysUser     = "admin"
	sysPassword = "admin"
)

// Join starts a server with routes to the members. The group of all servers takes it in,
// and gives it a copy of what has fewer copies than it should, as a member that left
// leaves them. It has a name of its own each time: one that was taken out is not taken in
// again under the same name for minutes.
func (s *System) Join(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	if l := s.layout.Load(); l == nil || l.nodes == 1 {
		return errors.New("a server alone is no cluster that another one can join: use replicas: 2 and more")
	}
	s.lives[n.Index].Add(1)
	nodes := append(m.Others(), n)
	if err := n.Start(ctx, s.Server(nodes, len(nodes)-1)); err != nil {
		return fmt.Errorf("start the server of %s: %w", n.Name, err)
	}
	if err := kit.Retry(ctx, retryEvery, "wait for nats-server on "+n.Name, func() error { return s.answers(ctx, nodes, len(nodes)-1) }); err != nil {
		return err
	}
	if err := s.assemble(ctx, nodes); err != nil {
		return err
	}
	s.resize(len(nodes))
	return kit.Healthy(ctx, s, n)
}

// Leave stops a server and has the others take it out ("nats server cluster
// peer-remove"): copies that it had are made anew where there is a server for them.
func (s *System) Leave(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	if err := kit.Stop(ctx, n); err != nil {
		return err
	}
	request, err := json.Marshal(map[string]string{"peer": s.serverName(n)})
	if err != nil {
		return err
	}
	err = kit.AskOthers(ctx, m, "take out "+n.Name, func(asked *cluster.Node) error { return s.remove(ctx, asked, request) })
	if err == nil {
		s.resize(len(m.Members))
	}
	return err
}

// notMember is the error of a server that is none of the group's.
const notMember jetstream.ErrorCode = 10044

// remove asks a member, which passes it on to the group's leader.
func (s *System) remove(ctx context.Context, asked *cluster.Node, request []byte) error {
	ctx, cancel := context.WithTimeout(ctx, formAttempt)
	defer cancel()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return asked.DialServer(ctx, clientPort) }
	nc, err := connect(ctx, kit.Address(asked, clientPort), dial, driver.UserInfo(sysUser, sysPassword))
	if err != nil {
		return err
	}
	defer nc.Close()
	var answer apiAnswer
	if err := call(ctx, nc, "$JS.API.SERVER.REMOVE", request, &answer); err != nil && (answer.Error == nil || answer.Error.ErrorCode != notMember) {
		return err
	}
	return nil
}

// serverName is what a node's server is called now: by the node's name, and how often it
// has joined.
func (s *System) serverName(n *cluster.Node) string {
	if life := s.lives[n.Index].Load(); life > 0 {
		return fmt.Sprintf("%s-%d", n.Name, life+1)
	}
	return n.Name
}

// resize notes how many servers there are.
func (s *System) resize(nodes int) {
	l := *s.layout.Load()
	l.nodes = nodes
	s.layout.Store(&l)
}

// spare is the status of a server that is to have no copy, as there are more servers than
// copies: clients are served by way of those that have one, so that it is as new as the
// primary was when it was last asked.
func (s *System) spare(ctx context.Context, l *layout, m *monitor, missing error) (targets.Status, error) {
	primary := s.primary.Load()
	if l.nodes <= l.copies || primary == nil || !errors.Is(missing, targets.ErrGone) {
		return targets.Status{}, missing
	}
	code, body, err := m.get(ctx, pathAll)
	if err != nil {
		return targets.Status{}, err
	}
	var answer struct {
		Meta metaGroup `json:"meta_cluster"`
	}
	if err := decode(code, body, &answer); err != nil {
		return targets.Status{}, err
	}
	return targets.Status{Role: targets.Replica, Epoch: primary.Epoch, LogEpoch: primary.LogEpoch, Position: primary.Position,
		Healthy: answer.Meta.Leader != "", Detail: "it has no copy; meta leader " + answer.Meta.Leader}, nil
}
