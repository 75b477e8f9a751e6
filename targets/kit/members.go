package kit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

const (
	// memberEvery is how often the members are asked again.
	memberEvery = 20 * time.Millisecond
	// memberTimeout bounds one question.
	memberTimeout = time.Second
	// followTimeout is how long a node may take to follow a primary before it is
	// asked again who that is.
	followTimeout = 5 * time.Second
	// stopGrace is how long a server may take to end.
	stopGrace = 10 * time.Second
)

// Leader waits until one of some nodes says that it is the primary, and has do talk
// to it; until that succeeds, the nodes are asked again who it is. what is waited for
// tells the error. do is given a second at a time.
func Leader(ctx context.Context, s targets.System, m targets.Membership, what string, do func(ctx context.Context, p int, st targets.Status) error) error {
	return Retry(ctx, memberEvery, what, func() error {
		p, st, err := leader(ctx, s, m)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, memberTimeout)
		defer cancel()
		return do(ctx, p, st)
	})
}

// Follower is a System whose nodes are told whom to follow.
type Follower interface {
	targets.System
	targets.Operated
}

// FollowLeader has a membership's node, which was started, follow the primary, until
// it says that it is a healthy replica in the primary's epoch. astray tells from what
// the two say that it is not on its way there, and has to be told whom to follow.
func FollowLeader(ctx context.Context, s Follower, m targets.Membership, astray func(its, leader targets.Status) bool) error {
	n := m.Nodes[m.Node]
	return Leader(ctx, s, m, "have "+n.Name+" follow the primary", func(asking context.Context, p int, leader targets.Status) error {
		its, err := s.Status(asking, n)
		if err == nil && astray(its, leader) {
			following, cancel := context.WithTimeout(ctx, followTimeout)
			defer cancel()
			err = s.Follow(following, m.Nodes, m.Node, p, leader.Epoch)
		}
		switch {
		case err != nil:
			return err
		case its.Role != targets.Replica || its.Epoch != leader.Epoch || !its.Healthy:
			return fmt.Errorf("%s is not caught up: %s", n.Name, its.Detail)
		}
		return nil
	})
}

// Depart stops the server of a membership's node, in a system whose primary sends to
// those who connect and knows no others. Where the primary has left, it waits until the
// operator has promoted another node.
func Depart(ctx context.Context, s targets.System, m targets.Membership) error {
	if err := Stop(ctx, m.Nodes[m.Node]); err != nil {
		return err
	}
	return Leader(ctx, s, m, "wait for a primary", func(context.Context, int, targets.Status) error { return nil })
}

// leader is the member that says it is the primary in the newest epoch.
func leader(ctx context.Context, s targets.System, m targets.Membership) (int, targets.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	said, errs := make([]targets.Status, len(m.Members)), make([]error, len(m.Members))
	_ = Each(m.Others(), func(i int) error {
		said[i], errs[i] = s.Status(ctx, m.Nodes[m.Members[i]])
		return nil
	})
	best := -1
	for i, st := range said {
		if errs[i] == nil && st.Role == targets.Primary && (best < 0 || st.Epoch > said[best].Epoch) {
			best = i
		}
	}
	if best < 0 {
		return -1, targets.Status{}, fmt.Errorf("no member says that it is the primary")
	}
	return m.Members[best], said[best], nil
}

// Healthy waits until a node says that it is healthy in its role.
func Healthy(ctx context.Context, s targets.System, n *cluster.Node) error {
	return Retry(ctx, memberEvery, "wait until "+n.Name+" has caught up", func() error {
		ctx, cancel := context.WithTimeout(ctx, memberTimeout)
		defer cancel()
		st, err := s.Status(ctx, n)
		if err == nil && !st.Healthy {
			err = fmt.Errorf("%s is not ready: %s", n.Name, st.Detail)
		}
		return err
	})
}

// Stop ends a node's server gracefully, or by force after ten seconds. That none runs
// is no error.
func Stop(ctx context.Context, n *cluster.Node) error {
	if _, err := n.Do(ctx, cluster.Action{Kind: cluster.Stop, Grace: stopGrace}); err != nil {
		return fmt.Errorf("stop the server of %s: %w", n.Name, err)
	}
	return nil
}

// AskOthers has some other member do what a change of a node needs: one after the other
// is asked, until one has done it.
func AskOthers(ctx context.Context, m targets.Membership, what string, do func(*cluster.Node) error) error {
	next := 0
	return Retry(ctx, memberEvery, what, func() error {
		others := m.Others()
		if len(others) == 0 {
			return errors.New("no other member is left")
		}
		asked := others[next%len(others)]
		next++
		if err := do(asked); err != nil {
			return fmt.Errorf("ask %s: %w", asked.Name, err)
		}
		return nil
	})
}
