package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var (
	_ targets.Joiner = (*System)(nil)
	_ targets.Leaver = (*System)(nil)
)

// Join adds a node as a learner, starts it into the existing cluster, and promotes it
// when it has caught up, as the documentation of runtime reconfiguration says.
func (s *System) Join(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	var id uint64
	var cluster []string
	err := s.reconfigure(ctx, m, "add "+n.Name, func(ctx context.Context, c *conn) error {
		list, err := c.members.MemberList(ctx, &pb.MemberListRequest{Linearizable: true})
		if err != nil {
			return err
		}
		peer := url(n, peerPort)
		added := func(of *pb.Member) bool { return slices.Contains(of.PeerURLs, peer) }
		if !slices.ContainsFunc(list.Members, added) { // else a call before this one was carried out though nobody answered
			if _, err := c.members.MemberAdd(ctx, &pb.MemberAddRequest{PeerURLs: []string{peer}, IsLearner: true}); err != nil {
				return err
			}
			if list, err = c.members.MemberList(ctx, &pb.MemberListRequest{Linearizable: true}); err != nil {
				return err
			}
		}
		cluster = nil
		for _, of := range list.Members {
			name := cmp.Or(of.Name, fmt.Sprintf("%x", of.ID)) // one that never started has none
			if added(of) {
				id, name = of.ID, n.Name
			}
			cluster = append(cluster, name+"="+of.PeerURLs[0])
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.spread(ctx, m, id)
	spec := s.Server(m.Nodes, m.Node)
	for i, arg := range spec.Command {
		if strings.HasPrefix(arg, "--initial-cluster=") {
			spec.Command[i] = "--initial-cluster=" + strings.Join(cluster, ",")
		}
	}
	spec.Command = append(spec.Command, "--initial-cluster-state=existing")
	if err := n.Start(ctx, spec); err != nil {
		return fmt.Errorf("start the server of %s: %w", n.Name, err)
	}
	err = s.reconfigure(ctx, m, "promote the learner "+n.Name, func(ctx context.Context, c *conn) error {
		list, err := c.members.MemberList(ctx, &pb.MemberListRequest{Linearizable: true})
		if err != nil {
			return err
		}
		for _, of := range list.Members {
			if of.ID == id && !of.IsLearner {
				return nil
			}
		}
		if _, err := c.members.MemberPromote(ctx, &pb.MemberPromoteRequest{ID: id}); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return kit.Healthy(ctx, s, n)
}

// spreadTimeout bounds the wait for members that do not answer.
const spreadTimeout = 5 * time.Second

// spread waits until every member knows of a new one, as far as it answers: a server
// that starts into a cluster asks any of them for the members, and ends if these are
// not those that it was told ("member count is unequal").
func (s *System) spread(ctx context.Context, m targets.Membership, id uint64) {
	ctx, cancel := context.WithTimeout(ctx, spreadTimeout)
	defer cancel()
	others := m.Others()
	_ = kit.Each(others, func(i int) error { // one that does not answer now will not answer the server either
		return kit.Retry(ctx, retryEvery, "wait until "+others[i].Name+" knows of the new member", func() error {
			return s.operators.Use(ctx, others[i], func(c *conn) error {
				list, err := c.members.MemberList(ctx, &pb.MemberListRequest{})
				if err == nil && !slices.ContainsFunc(list.Members, func(of *pb.Member) bool { return of.ID == id }) {
					err = errors.New("it does not yet")
				}
				return err
			})
		})
	})
}

// Leave removes a member. Its server is stopped before where the others are a
// majority without it; else it has to agree, and ends when it has.
func (s *System) Leave(ctx context.Context, m targets.Membership) error {
	n := m.Nodes[m.Node]
	stop := func() error { return kit.Stop(ctx, n) }
	if len(m.Members) > (len(m.Members)+1)/2 {
		if err := stop(); err != nil {
			return err
		}
	}
	err := s.reconfigure(ctx, m, "remove "+n.Name, func(ctx context.Context, c *conn) error {
		list, err := c.members.MemberList(ctx, &pb.MemberListRequest{Linearizable: true})
		if err != nil {
			return err
		}
		for _, of := range list.Members {
			if slices.Contains(of.PeerURLs, url(n, peerPort)) {
				_, err = c.members.MemberRemove(ctx, &pb.MemberRemoveRequest{ID: of.ID})
			}
		}
		return err
	})
	return errors.Join(err, stop())
}

// reconfigure has some member change the membership.
func (s *System) reconfigure(ctx context.Context, m targets.Membership, what string, do func(context.Context, *conn) error) error {
	return kit.AskOthers(ctx, m, what, func(asked *cluster.Node) error {
		bounded, cancel := context.WithTimeout(ctx, askTimeout+s.election)
		defer cancel()
		return s.operators.Use(bounded, asked, func(c *conn) error { return do(bounded, c) })
	})
}
