package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	meetEvery    = 500 * time.Millisecond // one change that the servers have to agree on
	restartAfter = 3 * time.Second        // how long a server may stay outside before it is started anew
)

// meetStream is made and taken back where servers have to meet.
const meetStream = "aftershock_meet"

// assemble waits until the group of all servers has all of them. It begins with
// two of three, and counts the one that comes last only once that has answered to
// a change, which it may never be asked to; and before 2.11 it may not answer at
// all until it is started anew. Without that, streams with three replicas are
// refused for ever.
func (s *System) assemble(ctx context.Context, nodes []*cluster.Node) error {
	if len(nodes) == 1 {
		return nil
	}
	var met time.Time
	begun := time.Now()
	return kit.Retry(ctx, retryEvery, "bring all servers into one group", func() error {
		leader, outside, err := s.outside(ctx, nodes)
		if err != nil || len(outside) == 0 {
			return err
		}
		err = fmt.Errorf("the group that %s leads is without %s", leader.Name, listed(outside))
		switch now := time.Now(); {
		case now.Sub(begun) > restartAfter:
			begun = now
			return errors.Join(err, kit.Each(outside, func(i int) error { return s.startAnew(ctx, nodes, outside[i]) }))
		case now.Sub(met) > meetEvery:
			met = now
			return errors.Join(err, meet(ctx, leader))
		}
		return err
	})
}

func listed(nodes []*cluster.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return strings.Join(all, " and ")
}

// metaGroup is what a server tells of the group of all of them; only its leader
// knows the others.
type metaGroup struct {
	Leader   string `json:"leader"`
	Replicas []struct {
		Name    string `json:"name"`
		Offline bool   `json:"offline"`
	} `json:"replicas"`
}

// has tells whether a server is one of the group.
func (g *metaGroup) has(name string) bool {
	for _, r := range g.Replicas {
		if r.Name == name && !r.Offline {
			return true
		}
	}
	return g.Leader == name
}

// outside asks the servers for the group's leader, and lists those that it does not
// count.
func (s *System) outside(ctx context.Context, nodes []*cluster.Node) (leader *cluster.Node, outside []*cluster.Node, err error) {
	for _, n := range nodes {
		group, err := s.group(ctx, n)
		if err != nil {
			return nil, nil, err
		}
		if group.Leader != s.serverName(n) {
			continue
		}
		return n, slices.DeleteFunc(slices.Clone(nodes), func(n *cluster.Node) bool { return group.has(s.serverName(n)) }), nil
	}
	return nil, nil, errors.New("no server leads the others yet")
}

// group asks a server for what it knows of the group of all.
func (s *System) group(ctx context.Context, n *cluster.Node) (metaGroup, error) {
	ctx, cancel := context.WithTimeout(ctx, formAttempt)
	defer cancel()
	var answer struct {
		Meta metaGroup `json:"meta_cluster"`
	}
	err := s.operator.Use(ctx, n, func(m *monitor) error {
		code, body, err := m.get(ctx, pathAll)
		if err != nil {
			return err
		}
		return decode(code, body, &answer)
	})
	return answer.Meta, err
}

// meet makes the group agree on something, and takes it back.
func meet(ctx context.Context, leader *cluster.Node) error {
	ctx, cancel := context.WithTimeout(ctx, formAttempt)
	defer cancel()
	nc, err := connectOperator(ctx, leader)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: meetStream, Subjects: []string{meetStream}, Storage: jetstream.MemoryStorage})
	if err != nil {
		return fmt.Errorf("make the stream %s: %w", meetStream, err)
	}
	return js.DeleteStream(ctx, meetStream)
}

// startAnew stops a node's server and starts it again.
func (s *System) startAnew(ctx context.Context, nodes []*cluster.Node, n *cluster.Node) error {
	if _, err := n.Do(ctx, cluster.Action{Kind: cluster.Kill}); err != nil {
		return fmt.Errorf("stop the server of %s: %w", n.Name, err)
	}
	if err := n.Start(ctx, s.Server(nodes, slices.Index(nodes, n))); err != nil {
		return fmt.Errorf("start the server of %s again: %w", n.Name, err)
	}
	return nil
}
